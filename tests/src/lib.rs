//! What the tests against real servers share.
//!
//! Servers are named by the environment, and are throwaway ones: `tests/run` starts some.

#![forbid(unsafe_code)]

pub mod aws;
pub mod ear;
pub mod engine;
pub mod environments;
pub mod proxy;
pub mod template;
pub mod world;

/// The snippets of README and DESIGN compile.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
#[doc = include_str!("../../DESIGN.md")]
pub struct Documents;
