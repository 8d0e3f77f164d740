//! A throwaway server, as root sees it, and what one test made there.

use std::time::Duration;

use dzconn_core::engine::{Login, Reads};
use dzconn_core::model::{
    AdminLogin, ConnectionId, Credentials, Source, SourceEndpoint, TableName, Target, Tls, UserName,
};
use dzconn_core::{Deadline, EngineConnector, Error, Secret, SourceEngine};
use dzconn_mysql::{MySql, connector};
use sqlx::mysql::{MySqlConnectOptions, MySqlConnection, MySqlSslMode};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Row};
use url::Url;

pub(crate) const PASSWORD: &str = "Aa1-hidden_Hidden2-hidden_Hid3";

/// Everything that a test makes begins with its own prefix, and goes with it.
pub(crate) struct Lab {
    pub(crate) source: Source,
    pub(crate) prefix: String,
    root: MySqlConnection,
}

pub(crate) fn deadline() -> Deadline {
    Deadline::within(Duration::from_secs(20))
}

pub(crate) fn quick() -> MySql {
    connector().connect_timeout(Duration::from_secs(5)).statement_timeout(Duration::from_secs(5))
}

/// A literal for a session without backslash escapes.
pub(crate) fn text(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

pub(crate) fn name(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

pub(crate) async fn log_in_raw(source: &Source, user: &str, password: &str) -> sqlx::Result<MySqlConnection> {
    MySqlConnectOptions::new()
        .host(&source.endpoint.host)
        .port(source.endpoint.port)
        .username(user)
        .password(password)
        .ssl_mode(MySqlSslMode::Disabled)
        .connect()
        .await
}

pub(crate) async fn run(connection: &mut MySqlConnection, sql: &str) -> sqlx::Result<Vec<Vec<String>>> {
    let rows = sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).fetch_all(connection).await?;
    let text =
        |row: &sqlx::mysql::MySqlRow, i| row.try_get_unchecked::<Option<String>, _>(i).unwrap().unwrap_or_default();
    Ok(rows.iter().map(|row| (0..row.len()).map(|i| text(row, i)).collect()).collect())
}

/// The server's number.
pub(crate) fn refusal(error: &sqlx::Error) -> u16 {
    match error {
        sqlx::Error::Database(e) => {
            e.try_downcast_ref::<sqlx::mysql::MySqlDatabaseError>().map_or(0, sqlx::mysql::MySqlDatabaseError::number)
        }
        _ => 0,
    }
}

impl Lab {
    pub(crate) async fn open(url: &Url) -> Self {
        let source = Source {
            connection: ConnectionId::new("live").unwrap(),
            endpoint: SourceEndpoint {
                subprotocol: "mysql".into(),
                host: url.host_str().unwrap().into(),
                port: url.port().unwrap_or(3306),
                instance: None,
                target: Target::Default,
            },
            admin: AdminLogin {
                user: url.username().into(),
                password: Secret::new(url.password().unwrap_or_default().into()),
            },
            tls: Tls::Disable,
        };
        let mut root = log_in_raw(&source, &source.admin.user, source.admin.password.expose()).await.unwrap();
        run(&mut root, "SET sql_mode = 'NO_BACKSLASH_ESCAPES', autocommit = 1").await.unwrap();
        let prefix = format!("t{:08x}", rand::random::<u32>());
        Self { source, prefix, root }
    }

    /// As root.
    pub(crate) async fn sql(&mut self, sql: &str) -> Vec<Vec<String>> {
        run(&mut self.root, sql).await.unwrap_or_else(|e| panic!("{sql}: {e}"))
    }

    /// A name of this test's own.
    pub(crate) fn own(&self, tail: &str) -> String {
        format!("{}{tail}", self.prefix)
    }

    /// A database with tables of three rows.
    pub(crate) async fn tables<const N: usize>(&mut self, database: &str, tables: [&str; N]) -> [TableName; N] {
        let database = self.own(database);
        self.sql(&format!("CREATE DATABASE IF NOT EXISTS {}", name(&database))).await;
        for table in tables {
            let table = format!("{}.{}", name(&database), name(table));
            self.sql(&format!(
                "CREATE TABLE {table} (id INT, pay INT); INSERT INTO {table} VALUES (1, 1), (2, 2), (3, 3)"
            ))
            .await;
        }
        tables.map(|table| TableName::in_database(&database, table).unwrap())
    }

    pub(crate) fn user(&self, tail: &str) -> Credentials {
        self.user_named(&self.own(tail))
    }

    pub(crate) fn user_named(&self, user: &str) -> Credentials {
        Credentials {
            endpoint: self.source.endpoint.clone(),
            database: None,
            user: UserName::new(user).unwrap(),
            password: Secret::new(PASSWORD.into()),
            ssl: None,
        }
    }

    /// An admin with these grants, each as `privileges ON what` or with `WITH GRANT OPTION`.
    pub(crate) async fn admin(&mut self, tail: &str, grants: &[&str]) -> Source {
        let user = self.own(tail);
        self.sql(&format!("CREATE USER '{user}'@'%' IDENTIFIED BY 'admin-pw'")).await;
        for grant in grants {
            let (what, option) =
                grant.split_once(" WITH ").map_or((*grant, ""), |(what, _)| (what, "WITH GRANT OPTION"));
            self.sql(&format!("GRANT {what} TO '{user}'@'%' {option}")).await;
        }
        let mut source = self.source.clone();
        source.admin = AdminLogin { user, password: Secret::new("admin-pw".into()) };
        source
    }

    /// What the crate's documentation tells MariaDB's administrators to grant.
    pub(crate) async fn documented_admin(&mut self, tail: &str, database: &str) -> Source {
        let select = format!("SELECT ON {}.* WITH GRANT OPTION", name(&self.own(database)));
        let tables = ["user", "db", "tables_priv", "roles_mapping", "procs_priv", "proxies_priv"];
        let reads: Vec<_> = tables.iter().map(|table| format!("SELECT ON mysql.{table}")).collect();
        let mut grants = vec!["CREATE USER, PROCESS, CONNECTION ADMIN ON *.*", select.as_str()];
        grants.extend(reads.iter().map(String::as_str));
        self.admin(tail, &grants).await
    }

    pub(crate) async fn session(&self) -> Box<dyn SourceEngine> {
        session(&self.source).await
    }

    pub(crate) async fn login(&self, user: &Credentials, table: Option<&TableName>) -> Login {
        quick().log_in(&self.source, user, table, deadline()).await.unwrap()
    }

    pub(crate) async fn can_read(&self, user: &Credentials, table: &TableName) -> bool {
        matches!(self.login(user, Some(table)).await, Login::In(Some(Reads::Yes(_))))
    }

    /// What an excess says of this test's own things: others run at the same time, and some grant to PUBLIC.
    pub(crate) async fn excess(
        &self,
        session: &mut Box<dyn SourceEngine>,
        user: &Credentials,
        granted: &[TableName],
    ) -> Vec<String> {
        let mut found = session.excess(&user.user, granted, 1000).await.unwrap();
        found.retain(|sentence| sentence.contains(&self.prefix) || sentence.contains("cannot be told"));
        found
    }

    /// A client's own connection.
    pub(crate) async fn client(&self, user: &Credentials) -> MySqlConnection {
        log_in_raw(&self.source, user.user.as_str(), user.password.expose()).await.unwrap()
    }

    pub(crate) async fn accounts(&mut self, user: &str) -> Vec<String> {
        let rows = self.sql(&format!("SELECT host FROM mysql.user WHERE user = {} ORDER BY host", text(user))).await;
        rows.into_iter().flatten().collect()
    }

    /// Takes everything away that has this test's prefix, wherever in the name.
    pub(crate) async fn clean(mut self) {
        let prefix = self.prefix.clone();
        let like = format!("LIKE '%{prefix}%'");
        for row in self.sql(&format!("SELECT id FROM information_schema.processlist WHERE user {like}")).await {
            let _ = run(&mut self.root, &format!("KILL {}", row[0])).await;
        }
        for row in self.sql(&format!("SELECT user, host, is_role FROM mysql.user WHERE user {like}")).await {
            let sql = match row[2].as_str() {
                "Y" => format!("DROP ROLE {}", name(&row[0])),
                _ => format!("DROP USER {}@{}", text(&row[0]), text(&row[1])),
            };
            self.sql(&sql).await;
        }
        for row in
            self.sql(&format!("SELECT schema_name FROM information_schema.schemata WHERE schema_name {like}")).await
        {
            self.sql(&format!("DROP DATABASE {}", name(&row[0]))).await;
        }
        for table in ["tables_priv", "db", "columns_priv"] {
            let left = self.sql(&format!("SELECT user FROM mysql.{table} WHERE user {like} OR db {like}")).await;
            if !left.is_empty() {
                self.sql(&format!("DELETE FROM mysql.{table} WHERE user {like} OR db {like}; FLUSH PRIVILEGES")).await;
            }
        }
        let _ = self.root.close().await;
    }
}

pub(crate) async fn session(source: &Source) -> Box<dyn SourceEngine> {
    quick().connect(source, deadline()).await.unwrap()
}

/// Everything that an error shows.
pub(crate) fn shown(error: &Error) -> String {
    format!("{error} {error:?} {:?}", error.advice())
}
