//! gander-tls
