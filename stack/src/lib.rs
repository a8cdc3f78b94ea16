//! gander-stack
