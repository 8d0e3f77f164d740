//! A server, and what it is.

use async_trait::async_trait;
use dzconn_core::testkit::engine::Wire;
use dzconn_core::{Result, Secret};
use tiberius::EncryptionLevel;

use super::super::{Admin, Fixture, Server, tag, trouble};
use super::Place;
use super::client::{Address, Client};

/// The place of this process: a database, in which every fixture has a schema. Azure's is the one that the URL names, since
/// making one takes minutes there.
#[derive(Debug)]
pub struct SqlServer {
    pub(super) facts: Facts,
    pub(super) login: Login,
}

#[derive(Clone, Debug)]
pub(super) struct Login {
    pub(super) address: Address,
    pub(super) user: String,
    pub(super) password: Secret,
    pub(super) database: String,
}

#[derive(Clone, Debug)]
pub(super) struct Facts {
    pub(super) name: String,
    pub(super) version: u32,
    /// Azure SQL Database: every database has its own users, and on a server there are logins.
    pub(super) azure: bool,
    pub(super) wire: Wire,
    /// Whether the server takes no connection without TLS.
    pub(super) encrypts: bool,
    pub(super) folds: bool,
    pub(super) database: String,
}

/// `sqlserver://user:password@host:port/database`.
fn parse(url: &str) -> Option<Login> {
    let (account, place) = url.strip_prefix("sqlserver://")?.rsplit_once('@')?;
    let (user, password) = account.split_once(':')?;
    let (host, database) = place.split_once('/')?;
    let (host, port) = host.rsplit_once(':').unwrap_or((host, "1433"));
    Some(Login {
        address: Address { host: host.into(), port: port.parse().ok()?, encryption: EncryptionLevel::NotSupported },
        user: user.into(),
        password: Secret::new(password.to_owned()),
        database: database.into(),
    })
}

impl Login {
    pub(super) async fn open(&self, database: &str) -> Result<Client> {
        let Self { address, user, password, .. } = self;
        let what = format!("connecting to {}:{} as {user}", address.host, address.port);
        Client::open(address, user, password, database).await.map_err(|refused| refused.trouble(&what))
    }

    fn with(&self, encryption: EncryptionLevel) -> Self {
        Self { address: Address { encryption, ..self.address.clone() }, ..self.clone() }
    }
}

impl SqlServer {
    /// Makes a database on the server of this URL, which names a member of sysadmin, or Azure's server admin.
    pub async fn start(url: &str) -> Result<Self> {
        let form = "the URL cannot be read: sqlserver://user:password@host:port/database";
        let plain = parse(url).ok_or_else(|| trouble(form))?;
        let tls = plain.with(EncryptionLevel::Required);
        // What cannot be done with one is done with the other.
        let with_tls = tls.open(&tls.database).await.is_ok();
        let encrypts = plain.open(&plain.database).await.is_err() && with_tls;
        let login = if encrypts { tls } else { plain };
        let mut superuser = login.open(&login.database).await?;
        let facts = superuser
            .must(
                "SELECT CAST(SERVERPROPERTY('EngineEdition') AS int),
                    CAST(SERVERPROPERTY('ProductVersion') AS nvarchar(128)),
                    CAST(DATABASEPROPERTYEX(DB_NAME(), 'Collation') AS nvarchar(128))",
            )
            .await?;
        let [edition, version, collation] = facts.first().map_or(&[][..], Vec::as_slice) else {
            return Err(trouble("the server does not say what it is"));
        };
        let version = version.split('.').next().and_then(|major| major.parse().ok()).unwrap_or_default();
        // Other editions are servers like any other.
        let azure = edition == "5";
        let name = if azure { "mssql-azure".to_owned() } else { format!("mssql-{version}") };
        let mut facts = Facts {
            name,
            version,
            azure,
            wire: if with_tls { Wire::Tls } else { Wire::Plain },
            encrypts,
            folds: !["_CS", "_BIN"].iter().any(|part| collation.contains(part)),
            database: login.database.clone(),
        };
        if !azure {
            facts.database = format!("dzkit_{}", tag());
            superuser.must(&format!("CREATE DATABASE {}", facts.database)).await?;
        }
        Ok(Self { facts, login })
    }
}

#[async_trait]
impl Server for SqlServer {
    fn name(&self) -> &str {
        &self.facts.name
    }

    async fn fixture(&self, admin: Admin) -> Result<Box<dyn Fixture>> {
        Ok(Box::new(Place::start(self, admin).await?))
    }

    async fn end(&self) -> Result<()> {
        if self.facts.azure {
            return Ok(());
        }
        let mut superuser = self.login.open(&self.login.database).await?;
        let database = &self.facts.database;
        superuser.must(&format!("ALTER DATABASE {database} SET SINGLE_USER WITH ROLLBACK IMMEDIATE")).await?;
        superuser.must(&format!("DROP DATABASE {database}")).await?;
        Ok(())
    }
}

/// What the admin is given beside its tables: what the engine's documentation asks for.
pub(super) fn rights(facts: &Facts, admin: Admin, user: &str) -> Vec<String> {
    match (admin, facts.azure) {
        (Admin::Superuser, false) => vec![format!("ALTER SERVER ROLE sysadmin ADD MEMBER {user}")],
        (Admin::Superuser, true) => vec![format!("ALTER ROLE db_owner ADD MEMBER {user}")],
        (Admin::LeastPrivileged, false) => {
            let state = if facts.version >= 16 { "VIEW SERVER PERFORMANCE STATE" } else { "VIEW SERVER STATE" };
            let server = format!("GRANT ALTER ANY LOGIN, ALTER ANY CONNECTION, {state} TO {user}");
            vec![
                format!("EXEC [master].sys.sp_executesql N'{server}'"),
                format!("CREATE USER {user} FOR LOGIN {user}"),
                format!("GRANT ALTER ANY USER, VIEW DEFINITION TO {user}"),
            ]
        }
        (Admin::LeastPrivileged, true) => vec![
            format!("GRANT ALTER ANY USER, VIEW DEFINITION, VIEW DATABASE STATE, KILL DATABASE CONNECTION TO {user}"),
            format!("GRANT CONNECT TO {user} WITH GRANT OPTION"),
        ],
    }
}
