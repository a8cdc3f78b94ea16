//! gander-macros
