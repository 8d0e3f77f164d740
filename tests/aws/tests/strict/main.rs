//! The stand-in without moto, called by the real SDK.

#![cfg(test)]

mod client;
mod faults;
mod lifecycle;
mod policies;
mod roles;
mod sharing;
mod versions;
