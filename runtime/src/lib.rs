//! gander-runtime
