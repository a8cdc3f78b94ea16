//! gander
