//! gander-chan
