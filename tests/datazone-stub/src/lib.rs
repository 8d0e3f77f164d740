//! A local stand-in for Amazon `DataZone`: the operations that dzconn calls, in the service's documented wire format.
//!
//! It stands on what the API reference says: paths, query parameters, bodies, id patterns, errors, pagination, idempotency by
//! client token. What the reference leaves open is a decision of this package, and said where it is made.
//!
//! ```no_run
//! use dzconn_datazone_stub::{DataZoneStub, Domain, Fault, Operation};
//!
//! let stub = DataZoneStub::start().unwrap();
//! stub.edit(|state| state.domains.push(Domain::new("dzd_1")));
//! stub.fail(Operation::GetListing, 2, Fault::Throttled);
//! println!("{}", stub.url());
//! // ... point an SDK's client at it ...
//! assert_eq!(stub.count(Operation::GetListing), 3);
//! ```

#![forbid(unsafe_code)]

mod answer;
mod call;
mod grants;
mod look;
mod server;
mod state;

pub use call::{Call, Fault, Operation};
pub use server::DataZoneStub;
pub use state::{
    AssetGrant, Blueprint, Change, Domain, Environment, Grant, Item, Listing, Principal, Profile, Project, Request,
    State, Subscription, Target,
};
