//! The self-service products, for those who have types rather than text.

use std::fmt;

use dzconn_core::Result;
use dzconn_core::model::{DomainId, EnvironmentId, ProjectId, SecretName, SourceEndpoint, Target};

use super::{Product, Rendered, Request, mistake};

/// Whose it is. Every resource is tagged with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scope {
    /// The domain.
    pub domain: DomainId,
    /// The project.
    pub project: ProjectId,
    /// The environment.
    pub environment: EnvironmentId,
}

impl Scope {
    fn on(&self, request: Request) -> Request {
        request
            .set("DataZoneDomainId", self.domain.as_str())
            .set("DataZoneProjectId", self.project.as_str())
            .set("DataZoneEnvironmentId", self.environment.as_str())
    }
}

/// From where in a VPC a connection reaches its source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Network {
    /// The subnet.
    pub subnet: String,
    /// The subnet's availability zone.
    pub zone: String,
    /// The security groups.
    pub security_groups: Vec<String>,
}

/// A Glue connection to a JDBC source.
#[derive(Clone, PartialEq, Eq)]
pub struct GlueConnection {
    /// Whose it is.
    pub scope: Scope,
    /// Its name.
    pub name: String,
    /// Where the source is; without user and password.
    pub url: String,
    /// Name or ARN of the admin's secret.
    pub secret: String,
    /// Whether only TLS will do.
    pub enforce_tls: bool,
    /// Where a private authority's certificate is.
    pub certificate: Option<String>,
    /// From where; `None` for a source on the internet.
    pub network: Option<Network>,
}

/// Without the URL: until it is rendered, nobody has checked that it holds no password.
impl fmt::Debug for GlueConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { scope, name, url: _, secret, enforce_tls, certificate, network } = self;
        f.debug_struct("GlueConnection")
            .field("scope", scope)
            .field("name", name)
            .field("secret", secret)
            .field("enforce_tls", enforce_tls)
            .field("certificate", certificate)
            .field("network", network)
            .finish_non_exhaustive()
    }
}

impl GlueConnection {
    /// The connection alone.
    pub fn render(&self, stack: &str) -> Result<Rendered> {
        self.on(Request::new(Product::GlueConnection)).stack(stack).render()
    }

    fn on(&self, request: Request) -> Request {
        let request = self
            .scope
            .on(request)
            .set("ConnectionName", &self.name)
            .set("JdbcUrl", &self.url)
            .set("SecretId", &self.secret)
            .set("EnforceTls", self.enforce_tls.to_string())
            .set("CertificateLocation", self.certificate.clone().unwrap_or_default());
        match &self.network {
            None => request,
            Some(network) => request
                .set("SubnetId", &network.subnet)
                .set("AvailabilityZone", &network.zone)
                .set("SecurityGroupIds", network.security_groups.join(",")),
        }
    }
}

/// A Glue connection with a crawler.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GlueCrawler {
    /// The connection.
    pub connection: GlueConnection,
    /// The crawler's name.
    pub name: String,
    /// What is crawled: `database/schema/%`, `database/%` on `MySQL`.
    pub path: String,
    /// The Glue database that tables are written to.
    pub database: String,
    /// What the tables' names begin with.
    pub table_prefix: String,
    /// The role that it runs as; `None` for the usual one.
    pub role: Option<String>,
}

impl GlueCrawler {
    /// Both.
    pub fn render(&self, stack: &str) -> Result<Rendered> {
        let request = self.connection.on(Request::new(Product::GlueCrawler)).stack(stack);
        let request = request
            .set("CrawlerName", &self.name)
            .set("SourcePath", &self.path)
            .set("GlueDatabase", &self.database)
            .set("TablePrefix", &self.table_prefix);
        match &self.role {
            None => request.render(),
            Some(role) => request.set("GlueRoleName", role).render(),
        }
    }
}

/// An Athena connector that reads a consumer secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AthenaConnector {
    /// Whose it is: the consumer's.
    pub scope: Scope,
    /// The catalogue's name, behind `dz_conn_c_`.
    pub name: String,
    /// The source. It decides which connector it is.
    pub source: SourceEndpoint,
    /// The consumer secret.
    pub secret: SecretName,
    /// The subnets.
    pub subnets: Vec<String>,
    /// The security groups.
    pub security_groups: Vec<String>,
    /// The bucket for what does not fit into one answer.
    pub spill_bucket: String,
}

impl AthenaConnector {
    /// The connector for that source.
    ///
    /// # Errors
    /// `InvalidInput` for an engine that Athena has no connector for, for a source without a database, for an Oracle source
    /// that is named by SID or descriptor (its connector takes a service), and for values that the template does not take.
    pub fn render(&self, stack: &str) -> Result<Rendered> {
        let SourceEndpoint { subprotocol, host, port, target, .. } = &self.source;
        let product = Product::connector(subprotocol)
            .ok_or_else(|| mistake(format!("there is no Athena connector for {subprotocol}")))?;
        let (parameter, name) = match (product, target) {
            (Product::AthenaOracle, Target::Service(name)) => ("ServiceName", name),
            (Product::AthenaOracle, _) => {
                return Err(mistake("Athena's connector for Oracle takes the name of a service")
                    .advise("name the source by its service: jdbc:oracle:thin:@//host:1521/service"));
            }
            (_, Target::Database(name)) => ("DatabaseName", name),
            (..) => return Err(mistake("the source names no database, and Athena's connector needs one")),
        };
        let host = if host.contains(':') { format!("[{host}]") } else { host.clone() };
        self.scope
            .on(Request::new(product))
            .stack(stack)
            .set("ConnectorName", &self.name)
            .set("Host", host)
            .set("Port", port.to_string())
            .set(parameter, name)
            .set("SecretName", self.secret.as_str())
            .set("SubnetIds", self.subnets.join(","))
            .set("SecurityGroupIds", self.security_groups.join(","))
            .set("SpillBucket", &self.spill_bucket)
            .render()
    }
}
