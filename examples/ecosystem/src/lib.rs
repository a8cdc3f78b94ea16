//! Crates that know nothing of gander, on top of it: see the tests.
