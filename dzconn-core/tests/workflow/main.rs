//! The whole workflow on the in-memory ports.

// A test may panic: that is how it fails.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod audit;
mod environment;
mod environment_faults;
mod faults;
mod fulfilment;
mod objects;
mod objects_faults;
mod objects_reconcile;
mod older;
mod reconcile;
mod world;
