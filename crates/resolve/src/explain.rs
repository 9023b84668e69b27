//! The evidence on one lock, for people.
