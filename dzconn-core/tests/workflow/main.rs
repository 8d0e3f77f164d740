//! The whole workflow on the in-memory ports.

// A test may panic: that is how it fails.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod admin;
mod audit;
mod clocks;
mod environment;
mod environment_faults;
mod faults;
mod fulfilment;
mod moved;
mod objects;
mod objects_faults;
mod objects_reconcile;
mod older;
mod reconcile;
mod reconcile_faults;
mod rotation;
mod rotation_resumed;
mod secrets;
mod uninstall;
mod uninstall_objects;
mod world;
