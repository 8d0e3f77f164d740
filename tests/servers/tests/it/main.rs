//! The servers themselves, and what is left of them.

#![cfg(test)]

mod left;
mod library;
mod moto;
mod with_servers;
