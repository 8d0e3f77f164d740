//! Glue as the catalogue: connections, and the tables that were published from them.

mod admin;
mod arn;
mod connection;
pub(crate) mod table;
#[cfg(test)]
mod tests;
mod tls;

use async_trait::async_trait;
use aws_sdk_glue::types::Connection;
use dzconn_core::model::{ConnectionId, Owner, Source};
use dzconn_core::{Catalog, Error, ErrorKind, Result, Step};
use tracing::Dispatch;
use tracing::instrument::WithSubscriber;

use crate::accounts::Accounts;
use crate::error::{code_of, from_sdk};
use crate::message::{ConnectionDetails, ConnectionProperties, GlueTableDetails};

pub(crate) use arn::ConnectionArn;
use connection::{Login, Place, Properties};
use table::{Crawled, Found, GlueTable};

/// The Glue Data Catalog of every account that this host works in, as the catalogue of connections.
///
/// A connection's id is its ARN, `arn:aws:glue:<region>:<account>:connection/<name>`; its account's role is assumed.
///
/// # What a connection may look like
///
/// - Type `JDBC` with `JDBC_CONNECTION_URL`, or with `HOST`, `PORT` and `JDBC_ENGINE`.
/// - Type `MYSQL`, `POSTGRESQL`, `SQLSERVER` or `ORACLE` with `HOST`, `PORT` and `DATABASE`.
///
/// Credentials are those of `SECRET_ID`, or of the authentication configuration's secret, or the properties `USERNAME` and
/// `PASSWORD`, or those of the URL, whichever comes first in this order. The secret may be named by name or ARN, and may be
/// one of RDS's own, which holds only `username` and `password`: where the source is, the connection alone says.
///
/// What a connection demands of TLS happens: `JDBC_ENFORCE_SSL`, or what its URL says. [`Sources`](crate::config::Sources) says
/// what it means to demand nothing, and holds the authorities: those of RDS and Aurora are Amazon's own, which no public list
/// has, and a `CUSTOM_JDBC_CERT` lies in a bucket that is not looked into. Plain text has to be asked for.
///
/// # Calls
///
/// One to Glue and one to Secrets Manager for each source that is looked up. A connection without a secret costs a second one
/// to Glue, as the password is asked for only then. Nothing is kept: a rotated password is seen by the next run.
///
/// Neither call is logged by the SDK: at its most talkative level it would print a connection's password.
#[derive(Clone, Debug)]
pub struct GlueCatalog {
    accounts: Accounts,
}

impl GlueCatalog {
    /// The catalogues of these accounts.
    #[must_use]
    pub const fn new(accounts: Accounts) -> Self {
        Self { accounts }
    }

    /// What the steps of a workflow are told of the connection that a table comes from: two calls to Glue.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] if there is no such table or connection, [`ErrorKind::Refused`] if the table comes from no
    /// connection, so that it is the portal's own to fulfil.
    pub async fn connection_details(&self, table: &GlueTableDetails) -> Result<ConnectionDetails> {
        let table = GlueTable {
            owner: Owner::new(table.account_id.clone(), table.region.clone()),
            catalog: None,
            database: table.database_name.clone(),
            name: table.table_name.clone(),
        };
        let not = |kind, what| Error::new(kind, what).at(Step::LookUp);
        let Crawled { connection: arn, path, crawler } = match table::look_up(&self.accounts, &table).await? {
            Found::Crawled(crawled) => crawled,
            Found::Foreign(why) => return Err(not(ErrorKind::Refused, why)),
            Found::Gone(what) => return Err(not(ErrorKind::NotFound, what)),
        };
        let connection = self.connection(&arn, true).await;
        let connection = connection.map_err(|error| error.at(Step::LookUp).on_source(arn.id()))?;
        let said = connection.connection_properties.iter().flatten();
        Ok(ConnectionDetails {
            connection_type: kind_of(&connection).to_owned(),
            connection_arn: arn.id().clone(),
            connection_name: arn.name,
            connection_properties: ConnectionProperties::new(
                said.map(|(name, value)| (name.as_str().to_owned(), value.clone())),
            ),
            connection_asset_name: path,
            connection_crawler_name: crawler.into(),
            others: crate::message::Others::default(),
        })
    }

    async fn connection(&self, arn: &ConnectionArn, hide_password: bool) -> Result<Connection> {
        let client = self.accounts.clients(&arn.owner).await.glue;
        // By name alone it would be another account's, were the role in another account than it should be.
        let call = client.get_connection().catalog_id(arn.owner.account.as_str()).name(&arn.name);
        let call = call.hide_password(hide_password).send();
        let missing = || {
            let Owner { account, region } = &arn.owner;
            Error::new(
                ErrorKind::NotFound,
                format!("account {account} has no Glue connection {:?} in {region}", arn.name),
            )
            .advise("if it was renamed or removed, run the crawler again and publish the asset anew")
        };
        match call.with_subscriber(Dispatch::none()).await {
            Ok(answer) => answer.connection.ok_or_else(missing),
            Err(error) => Err(match code_of(&error) {
                Some("EntityNotFoundException") => missing(),
                Some("GlueEncryptionException") => {
                    Error::new(ErrorKind::StoreDenied, "the connection's password cannot be decrypted")
                        .vendor("Glue GlueEncryptionException")
                        .advise(
                            "allow this role kms:Decrypt with the Data Catalog's key, or keep the password in a secret",
                        )
                }
                _ => from_sdk("Glue", "GetConnection", error),
            }),
        }
    }

    async fn look_up(&self, arn: &ConnectionArn) -> Result<Source> {
        let connection = self.connection(arn, true).await?;
        let said = Properties::of(&connection);
        let Place { endpoint, url } = Place::of(kind_of(&connection), &said)?;
        let demanded = url.as_ref().map(dzconn_core::model::JdbcUrl::tls).transpose()?.flatten();
        let sources = &self.accounts.config().sources;
        let tls = tls::demand(&said, &endpoint.subprotocol, &endpoint.host, demanded, sources)?;
        let admin = match Login::of(&connection, &said, url.as_ref(), true)? {
            Login::Plain(login) => login,
            Login::Secret(secret) => admin::login(&self.accounts, &arn.owner, &secret).await?,
            Login::Hidden => {
                let connection = self.connection(arn, false).await?;
                match Login::of(&connection, &Properties::of(&connection), url.as_ref(), false)? {
                    Login::Plain(login) => login,
                    // Somebody has changed the connection between the two calls.
                    Login::Secret(_) | Login::Hidden => {
                        return Err(Error::new(ErrorKind::Contention, "the connection was changed while it was read"));
                    }
                }
            }
        };
        Ok(Source { connection: arn.id().clone(), endpoint, admin, tls })
    }
}

#[async_trait]
impl Catalog for GlueCatalog {
    async fn source(&self, connection: &ConnectionId) -> Result<Source> {
        let arn = ConnectionArn::parse(connection)?;
        self.look_up(&arn).await.map_err(|error| error.at(Step::LookUp).on_source(connection))
    }
}

fn kind_of(connection: &Connection) -> &str {
    // JDBC was the first type, and is Glue's default.
    connection.connection_type().map_or("JDBC", |kind| kind.as_str())
}
