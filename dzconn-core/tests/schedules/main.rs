//! The whole of `Fulfilment` on the in-memory ports, one port call at a time, in orders that somebody chooses.
//!
//! The explorer walks the machines; here everything around them runs too: looking up, retries, sessions that are kept, queues
//! in a process, reports, `reconcile`, the end of an environment, several environments and sources.
//!
//! - [`gate`]: where each call of a port waits. [`ports`], [`session`]: the ports behind the gates, each of which may be built
//!   without one of its guards.
//! - [`schedule`]: the executor. A schedule is a list of choices: who goes on, who dies before or after a call or with its request on its
//!   way, which answer is lost, who loses the lock, what lands late.
//! - [`world`], [`truth`], [`job`]: what there is, what the portal says, what is asked for. A new operation is a [`job::Job`].
//! - [`check`]: what must hold at every moment, and when all is quiet. [`model`]: who may read what.
//! - [`scenario`]: all schedules with so many interruptions and one misfortune. [`long`]: random walks, shortened where they
//!   fail. [`guards`]: that both find what is broken on purpose.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, clippy::similar_names)]

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
