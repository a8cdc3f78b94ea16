//! gander-arch
