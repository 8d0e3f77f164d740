//! `DataZone` as the portal, over HTTP against the stub.

#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test that cannot go on has failed")]

mod handled;
mod lookup;
mod report;
mod report_create;
mod stub;
mod wanted;
mod world;
