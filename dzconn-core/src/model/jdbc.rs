//! JDBC connection URLs.
use crate::model::SourceEndpoint;
use std::collections::BTreeMap;
/// placeholder
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct JdbcUrl {
    /// a
    pub endpoint: SourceEndpoint,
    /// b
    pub properties: BTreeMap<String, String>,
}
