//! The toolkit: what producers and consumers help themselves to, and what an account needs for that, as templates of
//! `CloudFormation`.
//!
//! A template is text that never changes. What differs from one deployment to the next travels beside it, as parameters of
//! `CloudFormation`: no name is ever spliced into YAML, JSON or a command line. [`Request`] checks all of them at once,
//! [`Rendered`] has the files and the command that deploys them.
//!
//! ```
//! use dzconn_aws::toolkit::{Product, Request};
//!
//! let rendered = Request::new(Product::GlueConnection)
//!     .stack("sales-connection")
//!     .set("DataZoneDomainId", "dzd_1a2b3c")
//!     .set("DataZoneProjectId", "sales")
//!     .set("DataZoneEnvironmentId", "sales-prod")
//!     .set("ConnectionName", "sales")
//!     .set("JdbcUrl", "jdbc:postgresql://db.internal:5432/sales")
//!     .set("SecretId", "rds/sales/admin")
//!     .render()?;
//! assert!(rendered.template().contains("AWS::Glue::Connection"));
//! assert!(rendered.parameters_json().contains("jdbc:postgresql://db.internal:5432/sales"));
//! println!("{}", rendered.shell_line(&rendered.template_file(), &rendered.parameters_file()));
//! # Ok::<(), dzconn_core::Error>(())
//! ```
//!
//! # In which order
//!
//! | | account | by whom |
//! | --- | --- | --- |
//! | [`Product::LakeFormationAdmin`] | producer | an administrator, once |
//! | [`Product::ProducerCommon`] | producer | the platform team, once for each project |
//! | [`Product::ProducerPortfolio`] | producer | the platform team, once for each project |
//! | [`Product::GlueConnection`], [`Product::GlueCrawler`] | producer | producers, from the portfolio, or the platform team |
//! | [`Product::SpillBucket`] | consumer | the platform team, once |
//! | [`Product::ConsumerPortfolio`] | consumer | the platform team, once |
//! | [`Product::AthenaMySql`] and its like | consumer | consumers, from the portfolio, or the platform team |
//!
//! # Who may read which secret
//!
//! Two tags on the **admin secret**, `dzconn:source-domain` and `dzconn:source-project`, let the Glue role of that project read it
//! and no other project's. They are tags of our own on purpose: `AmazonDataZoneProject` would let the environments' users read the
//! admin's password. A connector's role reads **one consumer secret**, and only while the secret's three `AmazonDataZone` tags are
//! those that the connector was launched with.
//!
//! Two limits. Whoever may write a connection's URL can have Glue send the password to a host of their choice: a portfolio
//! keeps that to its own project's secrets, by the one Glue role that it passes, and not from the project's own producers. And
//! whoever launches a connector says which environment it belongs to: the ids in the form are not compared with who fills it in.

mod products;
mod render;
mod rules;
#[cfg(test)]
mod tests;
mod typed;

use std::fmt;
use std::str::FromStr;

use dzconn_core::{Changed, Error, ErrorKind, Result, Step};

pub use render::{Rendered, Request};
pub use typed::{AthenaConnector, GlueConnection, GlueCrawler, Network, Scope};

/// What there is a template for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Product {
    /// The account baseline: administrators of Lake Formation.
    LakeFormationAdmin,
    /// A project's Glue role, the LF-tag, and the grants of Lake Formation that the role needs.
    ProducerCommon,
    /// A Service Catalog portfolio with the Glue products, and the role that launches them.
    ProducerPortfolio,
    /// A Glue connection to a JDBC source.
    GlueConnection,
    /// A Glue connection with a crawler over a path, into a Glue database.
    GlueCrawler,
    /// The bucket into which connectors spill.
    SpillBucket,
    /// A Service Catalog portfolio with the connectors, the role that launches them, and what bounds their roles.
    ConsumerPortfolio,
    /// An Athena connector for `MySQL` and `MariaDB`.
    AthenaMySql,
    /// An Athena connector for `PostgreSQL`.
    AthenaPostgreSql,
    /// An Athena connector for SQL Server.
    AthenaSqlServer,
    /// An Athena connector for Oracle.
    AthenaOracle,
}

/// What a template asks for.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Parameter {
    /// Its name in the template.
    pub name: &'static str,
    /// What it is, as the template describes it.
    pub about: &'static str,
    /// What it is if nobody says it; `None`: it must be said. An empty default stands for nothing.
    pub default: Option<&'static str>,
    rule: &'static rules::Rule,
}

impl Parameter {
    /// What a value must be, in words.
    pub const fn rule(&self) -> &'static str {
        self.rule.text
    }

    /// Whether this can be its value.
    pub fn takes(&self, value: &str) -> bool {
        (value.is_empty() && self.default == Some("")) || self.rule.takes(value)
    }
}

impl Product {
    /// All of them, in the order in which they are deployed.
    pub const ALL: [Self; 11] = [
        Self::LakeFormationAdmin,
        Self::ProducerCommon,
        Self::ProducerPortfolio,
        Self::GlueConnection,
        Self::GlueCrawler,
        Self::SpillBucket,
        Self::ConsumerPortfolio,
        Self::AthenaMySql,
        Self::AthenaPostgreSql,
        Self::AthenaSqlServer,
        Self::AthenaOracle,
    ];

    /// Its name, which is its template's file's too.
    pub const fn name(self) -> &'static str {
        match self {
            Self::LakeFormationAdmin => "lake-formation-admin",
            Self::ProducerCommon => "producer-common",
            Self::ProducerPortfolio => "producer-portfolio",
            Self::GlueConnection => "glue-connection",
            Self::GlueCrawler => "glue-crawler",
            Self::SpillBucket => "spill-bucket",
            Self::ConsumerPortfolio => "consumer-portfolio",
            Self::AthenaMySql => "athena-mysql",
            Self::AthenaPostgreSql => "athena-postgresql",
            Self::AthenaSqlServer => "athena-sqlserver",
            Self::AthenaOracle => "athena-oracle",
        }
    }

    /// What it is, in a few words.
    pub const fn about(self) -> &'static str {
        match self {
            Self::LakeFormationAdmin => "the account baseline: administrators of Lake Formation",
            Self::ProducerCommon => "a project's Glue role, and what it needs of Lake Formation",
            Self::ProducerPortfolio => "the Glue products in Service Catalog",
            Self::GlueConnection => "a Glue connection to a JDBC source",
            Self::GlueCrawler => "a Glue connection with a crawler over a path",
            Self::SpillBucket => "the bucket into which connectors spill",
            Self::ConsumerPortfolio => "the connectors in Service Catalog",
            Self::AthenaMySql => "an Athena connector for MySQL and MariaDB",
            Self::AthenaPostgreSql => "an Athena connector for PostgreSQL",
            Self::AthenaSqlServer => "an Athena connector for SQL Server",
            Self::AthenaOracle => "an Athena connector for Oracle",
        }
    }

    /// The stack's usual name, where an account has one of it. The others are deployed again and again, and named each time.
    pub const fn stack(self) -> Option<&'static str> {
        match self {
            Self::LakeFormationAdmin => Some("dz-conn-base-env"),
            Self::ProducerCommon => Some("dz-conn-p-common-stack"),
            Self::ProducerPortfolio => Some("dz-conn-p-service-portfolio-stack"),
            Self::SpillBucket => Some("dz-conn-c-common-stack"),
            Self::ConsumerPortfolio => Some("dz-conn-c-service-portfolio-stack"),
            _ => None,
        }
    }

    /// What `CloudFormation` wants acknowledged ("Acknowledging IAM resources" in its User Guide, and
    /// `CAPABILITY_AUTO_EXPAND` for a transform).
    pub const fn capabilities(self) -> &'static [&'static str] {
        match self {
            Self::LakeFormationAdmin | Self::GlueConnection | Self::GlueCrawler | Self::SpillBucket => &[],
            Self::ProducerCommon | Self::ProducerPortfolio | Self::ConsumerPortfolio => &["CAPABILITY_NAMED_IAM"],
            Self::AthenaMySql | Self::AthenaPostgreSql | Self::AthenaSqlServer | Self::AthenaOracle => {
                &["CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"]
            }
        }
    }

    /// The template, whole.
    pub const fn template(self) -> &'static str {
        match self {
            Self::LakeFormationAdmin => include_str!("lake-formation-admin.yaml"),
            Self::ProducerCommon => include_str!("producer-common.yaml"),
            Self::ProducerPortfolio => include_str!("producer-portfolio.yaml"),
            Self::GlueConnection => include_str!("glue-connection.yaml"),
            Self::GlueCrawler => include_str!("glue-crawler.yaml"),
            Self::SpillBucket => include_str!("spill-bucket.yaml"),
            Self::ConsumerPortfolio => include_str!("consumer-portfolio.yaml"),
            Self::AthenaMySql => include_str!("athena-mysql.yaml"),
            Self::AthenaPostgreSql => include_str!("athena-postgresql.yaml"),
            Self::AthenaSqlServer => include_str!("athena-sqlserver.yaml"),
            Self::AthenaOracle => include_str!("athena-oracle.yaml"),
        }
    }

    /// The name of the template's file, by which the portfolios look for it.
    pub fn template_file(self) -> String {
        format!("{}.yaml", self.name())
    }

    /// What the template asks for, in its order.
    pub const fn parameters(self) -> &'static [Parameter] {
        products::parameters(self)
    }

    /// The connector for sources of a JDBC sub-protocol, if there is one.
    pub fn connector(subprotocol: &str) -> Option<Self> {
        match subprotocol {
            "mysql" | "mariadb" => Some(Self::AthenaMySql),
            "postgresql" => Some(Self::AthenaPostgreSql),
            "sqlserver" => Some(Self::AthenaSqlServer),
            "oracle" => Some(Self::AthenaOracle),
            _ => None,
        }
    }
}

impl fmt::Display for Product {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Product {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|product| product.name() == text).ok_or_else(|| {
            let all = Self::ALL.map(Self::name).join(", ");
            mistake(format!("there is no product {text:?}")).advise(format!("the products are {all}"))
        })
    }
}

/// Something that somebody has to say otherwise; nothing was changed.
fn mistake(what: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidInput, what).at(Step::Input).changed(Changed::Nothing)
}
