//! The grant, revoke and rotate workflows, as pure state machines.
//!
//! [`ProducerRun`] is what happens under the source's lock, [`ConsumerRun`] what follows without one; of a rotation,
//! [`CarryRun`]. Each says one
//! [`Effect`] at a time and is told the [`Answer`]; nothing else goes in but randomness and time ([`Fresh`]). The same
//! machines are driven against real ports ([`Fulfilment`](crate::Fulfilment)), walked for a plan, and walked through every
//! interleaving in the tests.

mod carry;
mod consumer;
mod effect;
mod producer;
mod transition;

pub use carry::{CarryRun, CarryTask};
pub use consumer::{Consumed, ConsumerRun, ConsumerTask};
pub use effect::{Answer, Effect, Failure, Fresh, Next};
pub use producer::{Delivery, Did, Errand, Handover, Produced, ProducerRun, ProducerTask};

pub use crate::outcome::{Granted, Outcome, Revoked};
