//! A throwaway server, as its sysadmin sees it, and what one test made there.

use std::time::Duration;

use dzconn_core::engine::{Login, Reads};
use dzconn_core::model::{
    AdminLogin, ConnectionId, Credentials, Source, SourceEndpoint, TableName, Target, Tls, UserName,
};
use dzconn_core::{Deadline, EngineConnector, Error, Secret, SourceEngine};
use dzconn_mssql::{SqlServer, connector};
use tiberius::{AuthMethod, Client, ColumnData, Config, EncryptionLevel};
use tokio::net::TcpStream;
use tokio_util::compat::{Compat, TokioAsyncWriteCompatExt};
use url::Url;

pub(crate) const PASSWORD: &str = "Aa1-hidden_Hidden2-hidden_Hid3";

pub(crate) type Connection = Client<Compat<TcpStream>>;

/// Everything that a test makes begins with its own prefix, and goes with it: its own database first.
pub(crate) struct Lab {
    /// The sysadmin, in the test's own database.
    pub(crate) source: Source,
    pub(crate) prefix: String,
    pub(crate) database: String,
    root: Connection,
}

pub(crate) fn deadline() -> Deadline {
    Deadline::within(Duration::from_secs(20))
}

pub(crate) fn quick() -> SqlServer {
    connector().connect_timeout(Duration::from_secs(5)).statement_timeout(Duration::from_secs(10))
}

/// A literal.
pub(crate) fn text(text: &str) -> String {
    format!("N'{}'", text.replace('\'', "''"))
}

pub(crate) fn name(name: &str) -> String {
    format!("[{}]", name.replace(']', "]]"))
}

pub(crate) fn quoted(table: &TableName) -> String {
    format!("{}.{}.{}", name(table.database()), name(table.schema().unwrap()), name(table.name()))
}

pub(crate) fn endpoint(url: &Url) -> SourceEndpoint {
    SourceEndpoint {
        subprotocol: "sqlserver".into(),
        host: url.host_str().unwrap().into(),
        port: url.port().unwrap_or(1433),
        instance: None,
        target: Target::Database(url.path().trim_start_matches('/').to_owned()),
    }
}

pub(crate) fn source(url: &Url) -> Source {
    let password = Secret::new(url.password().unwrap_or_default().into());
    Source {
        connection: ConnectionId::new("live").unwrap(),
        endpoint: endpoint(url),
        admin: AdminLogin { user: url.username().into(), password },
        tls: Tls::Disable,
    }
}

pub(crate) async fn log_in_raw(source: &Source, user: &str, password: &str) -> tiberius::Result<Connection> {
    let mut config = Config::new();
    config.host(&source.endpoint.host);
    config.port(source.endpoint.port);
    if let Some(database) = source.endpoint.database() {
        config.database(database);
    }
    config.authentication(AuthMethod::sql_server(user, password));
    config.encryption(EncryptionLevel::NotSupported);
    let stream = TcpStream::connect((source.endpoint.host.as_str(), source.endpoint.port)).await?;
    Box::pin(Client::connect(config, stream.compat_write())).await
}

pub(crate) async fn run(connection: &mut Connection, sql: &str) -> tiberius::Result<Vec<Vec<String>>> {
    let results = connection.simple_query(sql).await?.into_results().await?;
    let text = |value: ColumnData<'static>| match value {
        ColumnData::String(text) => text.map(|text| text.to_string()).unwrap_or_default(),
        ColumnData::U8(number) => number.map(|n| n.to_string()).unwrap_or_default(),
        ColumnData::I16(number) => number.map(|n| n.to_string()).unwrap_or_default(),
        ColumnData::I32(number) => number.map(|n| n.to_string()).unwrap_or_default(),
        ColumnData::I64(number) => number.map(|n| n.to_string()).unwrap_or_default(),
        ColumnData::Bit(bit) => bit.map(|b| u8::from(b).to_string()).unwrap_or_default(),
        other => panic!("{other:?}"),
    };
    Ok(results.into_iter().flatten().map(|row| row.into_iter().map(text).collect()).collect())
}

/// The server's number.
pub(crate) fn refusal<T>(result: tiberius::Result<T>) -> u32 {
    result.err().and_then(|error| error.code()).unwrap_or_default()
}

impl Lab {
    pub(crate) async fn open(url: &Url) -> Self {
        let mut source = source(url);
        let (user, password) = (source.admin.user.clone(), source.admin.password.expose().to_owned());
        let prefix = format!("t{:08x}", rand::random::<u32>());
        let mut first = log_in_raw(&source, &user, &password).await.unwrap();
        run(&mut first, &format!("CREATE DATABASE {}", name(&prefix))).await.unwrap();
        source.endpoint.target = Target::Database(prefix.clone());
        let root = log_in_raw(&source, &user, &password).await.unwrap();
        Self { source, database: prefix.clone(), prefix, root }
    }

    /// As sysadmin.
    pub(crate) async fn sql(&mut self, sql: &str) -> Vec<Vec<String>> {
        run(&mut self.root, sql).await.unwrap_or_else(|e| panic!("{sql}: {e}"))
    }

    /// As sysadmin, in another database.
    pub(crate) async fn sql_in(&mut self, database: &str, sql: &str) -> Vec<Vec<String>> {
        let own = name(&self.database);
        self.sql(&format!("USE {}", name(database))).await;
        let rows = self.sql(sql).await;
        self.sql(&format!("USE {own}")).await;
        rows
    }

    /// Drops a login; the server may need a moment to see that its sessions have gone.
    pub(crate) async fn drop_login(&mut self, user: &Credentials) {
        let drop = format!("DROP LOGIN {}", name(user.user.as_str()));
        for _ in 0..50 {
            if refusal(run(&mut self.root, &drop).await) != 15_434 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let left = format!("SELECT name FROM sys.server_principals WHERE name = {}", text(user.user.as_str()));
        assert!(self.sql(&left).await.is_empty(), "{drop}");
    }

    /// A name of this test's own.
    pub(crate) fn own(&self, tail: &str) -> String {
        format!("{}{tail}", self.prefix)
    }

    /// Tables of three rows in the test's database.
    pub(crate) async fn tables<const N: usize>(&mut self, tables: [&str; N]) -> [TableName; N] {
        let database = self.database.clone();
        self.tables_in(&database, tables).await
    }

    pub(crate) async fn tables_in<const N: usize>(&mut self, database: &str, tables: [&str; N]) -> [TableName; N] {
        let tables = tables.map(|table| TableName::in_schema(database, "dbo", table).unwrap());
        for table in &tables {
            let table = quoted(table);
            self.sql(&format!("CREATE TABLE {table} (id int, pay int)")).await;
            self.sql(&format!("INSERT INTO {table} VALUES (1, 1), (2, 2), (3, 3)")).await;
        }
        tables
    }

    /// Another database.
    pub(crate) async fn another(&mut self, tail: &str) -> String {
        let database = self.own(tail);
        self.sql(&format!("CREATE DATABASE {}", name(&database))).await;
        database
    }

    pub(crate) fn user(&self, tail: &str) -> Credentials {
        Credentials {
            endpoint: self.source.endpoint.clone(),
            database: None,
            user: UserName::new(self.own(tail)).unwrap(),
            password: Secret::new(PASSWORD.into()),
            ssl: None,
        }
    }

    /// An admin with these permissions on the server, and these in the test's database.
    pub(crate) async fn admin(&mut self, tail: &str, server: &[&str], database: &[&str]) -> Source {
        let user = self.own(tail);
        let quoted = name(&user);
        self.sql(&format!("CREATE LOGIN {quoted} WITH PASSWORD = {}", text(PASSWORD))).await;
        self.sql(&format!("CREATE USER {quoted} FOR LOGIN {quoted}")).await;
        for grant in server {
            self.sql_in("master", &format!("GRANT {grant} TO {quoted}")).await;
        }
        for grant in database {
            let (what, option) = match grant.strip_suffix(" WITH GRANT OPTION") {
                Some(what) => (what, " WITH GRANT OPTION"),
                None => (*grant, ""),
            };
            self.sql(&format!("GRANT {what} TO {quoted}{option}")).await;
        }
        let mut source = self.source.clone();
        source.admin = AdminLogin { user, password: Secret::new(PASSWORD.into()) };
        source
    }

    /// What the crate's documentation tells administrators to grant.
    pub(crate) async fn documented_admin(&mut self, tail: &str) -> Source {
        self.admin(tail, SERVER, &["ALTER ANY USER", "VIEW DEFINITION", SELECTS]).await
    }

    pub(crate) async fn session(&self) -> Box<dyn SourceEngine> {
        session(&self.source).await
    }

    /// A user that reads these tables.
    pub(crate) async fn reader(&mut self, tail: &str, tables: &[&TableName]) -> Credentials {
        let user = self.user(tail);
        let mut session = self.session().await;
        session.create_user(&user).await.unwrap();
        for table in tables {
            session.grant(&user.user, table, &[]).await.unwrap();
        }
        user
    }

    pub(crate) async fn login(&self, user: &Credentials, table: Option<&TableName>) -> Login {
        quick().log_in(&self.source, user, table, deadline()).await.unwrap()
    }

    pub(crate) async fn can_read(&self, user: &Credentials, table: &TableName) -> bool {
        matches!(self.login(user, Some(table)).await, Login::In(Some(Reads::Yes(_))))
    }

    /// A client's own connection.
    pub(crate) async fn client(&self, user: &Credentials) -> Connection {
        log_in_raw(&self.source, user.user.as_str(), user.password.expose()).await.unwrap()
    }

    /// Who begins with the test's prefix, on the server and in its database.
    pub(crate) async fn principals(&mut self, user: &Credentials) -> usize {
        let user = text(user.user.as_str());
        let logins = self.sql(&format!("SELECT name FROM sys.server_principals WHERE name = {user}")).await;
        let users = self.sql(&format!("SELECT name FROM sys.database_principals WHERE name = {user}")).await;
        logins.len() + users.len()
    }

    /// Takes everything away that has this test's prefix.
    pub(crate) async fn clean(mut self) {
        let like = format!("LIKE N'{}%'", self.prefix);
        let _ = run(&mut self.root, "USE master").await;
        for row in
            self.sql(&format!("SELECT session_id FROM sys.dm_exec_sessions WHERE original_login_name {like}")).await
        {
            let _ = run(&mut self.root, &format!("KILL {}", row[0])).await;
        }
        for row in self.sql(&format!("SELECT name FROM sys.databases WHERE name {like}")).await {
            for _ in 0..50 {
                if run(&mut self.root, &format!("DROP DATABASE {}", name(&row[0]))).await.is_ok() {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
        for row in self.sql(&format!("SELECT name, type FROM sys.server_principals WHERE name {like}")).await {
            let kind = if row[1].trim() == "R" { "SERVER ROLE" } else { "LOGIN" };
            let _ = run(&mut self.root, &format!("DROP {kind} {}", name(&row[0]))).await;
        }
        let _ = self.root.close().await;
    }
}

pub(crate) const SERVER: &[&str] = &["ALTER ANY LOGIN", "ALTER ANY CONNECTION", "VIEW SERVER STATE"];
pub(crate) const SELECTS: &str = "SELECT ON SCHEMA::dbo WITH GRANT OPTION";

pub(crate) async fn session(source: &Source) -> Box<dyn SourceEngine> {
    quick().connect(source, deadline()).await.unwrap()
}

/// Everything that an error shows.
pub(crate) fn shown(error: &Error) -> String {
    format!("{error} {error:?} {:?}", error.advice())
}
