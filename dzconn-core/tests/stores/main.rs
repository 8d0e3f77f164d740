//! The store in a local file: the suites for stores, and what only a file has: modes, keys, other processes, editors.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "helpers of tests are tests")]

mod file;
mod place;
mod processes;

mod tracking {
    dzconn_core::tracking_store_conformance!(crate::place::tracking_fixture);
}

mod credentials {
    dzconn_core::credential_store_conformance!(crate::place::plain_fixture);
}

mod encrypted_credentials {
    dzconn_core::credential_store_conformance!(crate::place::encrypted_fixture);
}
