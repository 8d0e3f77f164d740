//! The whole of `Fulfilment` on the in-memory ports, one port call at a time, in orders that somebody chooses.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

mod chance;
mod check;
mod gate;
mod guards;
mod job;
mod long;
mod model;
mod ports;
mod scenario;
mod schedule;
mod session;
mod truth;
mod world;
