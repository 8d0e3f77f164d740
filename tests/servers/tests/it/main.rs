//! The servers themselves, and what is left of them.

#![cfg(test)]

mod left;
mod library;
mod moto;
mod mssql;
mod with_servers;
