//! SQL Server and Azure SQL Database, without the engine.

mod client;
mod server;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex as StdMutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use dzconn_core::engine::LockKey;
use dzconn_core::model::{
    AdminLogin, ConnectionId, Credentials, Source, SourceEndpoint, TableName, Target, Tls, UserName,
};
use dzconn_core::testkit::engine::{Attempt, Attempted, EngineFixture, UserSession, Wire};
use dzconn_core::{EngineConnector, Result, Secret};
use tokio::sync::Mutex;

use super::{Admin, Fixture, tag, trouble};
use client::{Address, Client, Rows, ident, literal};
pub use server::SqlServer;
use server::{Facts, rights};

/// A schema, and an admin.
#[derive(Debug)]
struct Place {
    /// The names of schema and admin begin with it.
    tag: String,
    admin: Admin,
    facts: Facts,
    source: Source,
    address: Address,
    superuser: Mutex<Client>,
    users: StdMutex<BTreeSet<UserName>>,
}

impl Place {
    async fn start(server: &SqlServer, admin: Admin) -> Result<Self> {
        let (facts, tag) = (server.facts.clone(), format!("dzkit_{}", tag()));
        let password = Secret::new(format!("Aa1-{}", super::tag()));
        let mut superuser = server.login.open(&facts.database).await?;
        let user = format!("{tag}_adm");
        // Statements with a password are not shown.
        let secret = literal(password.expose());
        let create = if facts.azure {
            format!("CREATE USER {user} WITH PASSWORD = {secret}")
        } else {
            format!("CREATE LOGIN {user} WITH PASSWORD = {secret}, CHECK_EXPIRATION = OFF")
        };
        superuser.run(&create).await.map_err(|refused| refused.trouble("the admin's CREATE"))?;
        for statement in rights(&facts, admin, &user) {
            superuser.must(&statement).await?;
        }
        superuser.must(&format!("CREATE SCHEMA {tag} AUTHORIZATION dbo")).await?;
        let source = Source {
            connection: ConnectionId::new(&tag)?,
            endpoint: SourceEndpoint {
                subprotocol: "sqlserver".to_owned(),
                host: server.login.address.host.clone(),
                port: server.login.address.port,
                instance: None,
                target: Target::Database(facts.database.clone()),
            },
            admin: AdminLogin { user, password },
            tls: if facts.encrypts { Tls::Require } else { Tls::Disable },
        };
        Ok(Self {
            tag,
            admin,
            source,
            address: server.login.address.clone(),
            superuser: Mutex::new(superuser),
            users: StdMutex::default(),
            facts,
        })
    }

    async fn must(&self, sql: &str) -> Result<Rows> {
        self.superuser.lock().await.must(sql).await
    }

    /// Several statements in one session, one after the other.
    async fn must_all(&self, statements: &[String]) -> Result<()> {
        let mut superuser = self.superuser.lock().await;
        for statement in statements {
            superuser.must(statement).await?;
        }
        Ok(())
    }

    fn note(&self, user: &UserName) {
        self.users.lock().unwrap_or_else(PoisonError::into_inner).insert(user.clone());
    }

    /// Gives the admin what it needs on a new table or view.
    async fn hand_over(&self, table: &TableName, option: &str) -> Result<()> {
        if self.admin == Admin::LeastPrivileged {
            self.must(&format!("GRANT SELECT ON {} TO {}_adm {option}", relation(table), self.tag)).await?;
        }
        Ok(())
    }

    async fn create(&self, table: &TableName, option: &str) -> Result<()> {
        let relation = relation(table);
        self.must(&format!("CREATE TABLE {relation} (id int, name nvarchar(20))")).await?;
        self.must(&format!("INSERT INTO {relation} VALUES (1, N'one'), (2, N'two')")).await?;
        self.hand_over(table, option).await
    }

    /// Ends the sessions that a query names, until there are none.
    async fn kill_all(&self, query: &str) -> Result<()> {
        for _ in 0..500 {
            let left = self.must(query).await?;
            if left.is_empty() {
                return Ok(());
            }
            for id in left.into_iter().flatten() {
                match self.superuser.lock().await.run(&format!("KILL {id}")).await {
                    // Gone meanwhile.
                    Err(refused) if refused.number != Some(6106) => return Err(refused.trouble("KILL")),
                    _ => {}
                }
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Err(trouble("sessions do not end"))
    }

    async fn remove(&self, name: &str) -> Result<()> {
        let (who, user) = (literal(name), ident(name));
        let is = format!("= {who} COLLATE Latin1_General_100_BIN2");
        let login = !self.facts.azure
            && !self.must(&format!("SELECT 1 FROM sys.server_principals WHERE name {is}")).await?.is_empty();
        if login {
            self.must(&format!("ALTER LOGIN {user} DISABLE")).await?;
        }
        let there = format!("SELECT principal_id FROM sys.database_principals WHERE name {is}");
        let id = self.must(&there).await?.into_iter().flatten().next();
        if let Some(id) = &id {
            let owned = format!(
                "SELECT N'ALTER AUTHORIZATION ON OBJECT::' + QUOTENAME(s.name) + N'.' + QUOTENAME(o.name) + N' TO SCHEMA OWNER'
                 FROM sys.objects o JOIN sys.schemas s ON s.schema_id = o.schema_id WHERE o.principal_id = {id}"
            );
            let statements: Vec<_> = self.must(&owned).await?.into_iter().flatten().collect();
            self.must_all(&statements).await?;
            self.must(&format!("DROP USER {user}")).await?;
        }
        if login || id.is_some() {
            self.kill_all(&format!(
                "SELECT session_id FROM sys.dm_exec_sessions WHERE is_user_process = 1 AND session_id <> @@SPID
                 AND original_login_name {is}"
            ))
            .await?;
        }
        if login {
            self.must(&format!("DROP LOGIN {user}")).await?;
        }
        Ok(())
    }
}

fn relation(table: &TableName) -> String {
    format!("{}.{}", ident(table.schema().unwrap_or_default()), ident(table.name()))
}

#[async_trait]
impl Fixture for Place {
    async fn second_admin(&self, tables: &[TableName]) -> Result<AdminLogin> {
        let user = format!("{}_adm2", self.tag);
        let password = Secret::new(format!("Aa2-{}", super::tag()));
        self.note(&UserName::new(&*user)?);
        let secret = literal(password.expose());
        let create = if self.facts.azure {
            format!("CREATE USER {user} WITH PASSWORD = {secret}")
        } else {
            format!("CREATE LOGIN {user} WITH PASSWORD = {secret}, CHECK_EXPIRATION = OFF")
        };
        let mut statements = vec![create];
        statements.extend(rights(&self.facts, self.admin, &user));
        let grant = |table| format!("GRANT SELECT ON {} TO {user} WITH GRANT OPTION", relation(table));
        statements.extend(tables.iter().map(grant));
        self.must_all(&statements).await?;
        Ok(AdminLogin { user, password })
    }

    async fn by_hand(&self, who: &str, sql: &str) -> Result<()> {
        self.must(&format!("{sql} AS {who}")).await.map(drop)
    }

    async fn end(&self) -> Result<()> {
        let users = std::mem::take(&mut *self.users.lock().unwrap_or_else(PoisonError::into_inner));
        // Whatever fails, the rest is removed.
        let mut ended = Ok(());
        for user in users {
            ended = ended.and(self.remove(user.as_str()).await);
        }
        let drops = self
            .must(&format!(
                "SELECT CASE WHEN o.type = 'V' THEN N'DROP VIEW ' ELSE N'DROP TABLE ' END + N'{tag}.' + QUOTENAME(o.name)
                 FROM sys.objects o WHERE o.schema_id = SCHEMA_ID('{tag}')",
                tag = self.tag
            ))
            .await;
        if let Ok(drops) = drops {
            ended = ended.and(self.must_all(&drops.into_iter().flatten().collect::<Vec<_>>()).await);
        }
        ended = ended.and(self.must(&format!("DROP SCHEMA {}", self.tag)).await.map(drop));
        ended = ended.and(self.remove(&format!("{}_other", self.tag)).await);
        ended.and(self.remove(&format!("{}_adm", self.tag)).await)
    }
}

#[async_trait]
impl EngineFixture for Place {
    fn connector(&self) -> Arc<dyn EngineConnector> {
        Arc::new(dzconn_mssql::connector())
    }

    fn source(&self) -> Source {
        self.source.clone()
    }

    fn table(&self, name: &str) -> TableName {
        TableName::in_schema(&self.facts.database, &self.tag, name)
            .unwrap_or_else(|_| unreachable!("no table's name: {name:?}"))
    }

    async fn create_table(&self, table: &TableName) -> Result<()> {
        self.create(table, "WITH GRANT OPTION").await
    }

    async fn drop_table(&self, table: &TableName) -> Result<()> {
        let found = format!("SELECT type FROM sys.objects WHERE object_id = OBJECT_ID({})", literal(&relation(table)));
        let kind = self.must(&found).await?;
        let what = match kind.first().and_then(|row| row.first()).map(|kind| kind.trim()) {
            None => return Ok(()),
            Some("V") => "VIEW",
            Some(_) => "TABLE",
        };
        self.must(&format!("DROP {what} {}", relation(table))).await?;
        Ok(())
    }

    async fn open(&self, credentials: &Credentials) -> Result<Option<Box<dyn UserSession>>> {
        self.note(&credentials.user);
        let Credentials { user, password, .. } = credentials;
        match Client::open(&self.address, user.as_str(), password, &self.facts.database).await {
            Ok(client) => Ok(Some(Box::new(Consumer { client, login: !self.facts.azure }))),
            // Wrong or unknown; disabled; no such database to this login, or no access.
            Err(refused) if matches!(refused.number, Some(18456 | 18470 | 4060 | 916)) => Ok(None),
            Err(refused) => Err(refused.trouble(&format!("connecting as {user}"))),
        }
    }

    async fn disable_user(&self, user: &UserName) -> Result<()> {
        self.note(user);
        let user = ident(user.as_str());
        let disable = if self.facts.azure {
            format!("REVOKE CONNECT FROM {user} CASCADE")
        } else {
            format!("ALTER LOGIN {user} DISABLE")
        };
        self.must(&disable).await?;
        Ok(())
    }

    async fn remove_user(&self, user: &UserName) -> Result<()> {
        self.remove(user.as_str()).await
    }

    async fn privileges(&self, user: &UserName) -> Result<Vec<String>> {
        self.note(user);
        let who = format!("= {} COLLATE Latin1_General_100_BIN2", literal(user.as_str()));
        // Whatever else it may: every user may connect.
        let mut queries = vec![
            format!(
                "SELECT p.state, p.permission_name, p.class_desc, s.name, o.name, c.name
                 FROM sys.database_permissions p
                 JOIN sys.database_principals u ON u.principal_id = p.grantee_principal_id
                 LEFT JOIN sys.objects o ON p.class = 1 AND o.object_id = p.major_id
                 LEFT JOIN sys.schemas s ON s.schema_id = CASE WHEN p.class = 3 THEN p.major_id ELSE o.schema_id END
                 LEFT JOIN sys.columns c ON p.class = 1 AND c.object_id = p.major_id AND c.column_id = p.minor_id
                 WHERE u.name {who} AND NOT (p.state = 'G' AND p.permission_name = N'CONNECT')"
            ),
            format!(
                "SELECT N'member of', r.name FROM sys.database_role_members m
                 JOIN sys.database_principals u ON u.principal_id = m.member_principal_id
                 JOIN sys.database_principals r ON r.principal_id = m.role_principal_id WHERE u.name {who}"
            ),
        ];
        if !self.facts.azure {
            queries.push(format!(
                "SELECT p.state, p.permission_name, p.class_desc FROM sys.server_permissions p
                 JOIN sys.server_principals u ON u.principal_id = p.grantee_principal_id WHERE u.name {who}
                   AND NOT (p.state = 'G' AND p.permission_name = N'CONNECT SQL')"
            ));
            queries.push(format!(
                "SELECT N'member of', r.name FROM sys.server_role_members m
                 JOIN sys.server_principals u ON u.principal_id = m.member_principal_id
                 JOIN sys.server_principals r ON r.principal_id = m.role_principal_id WHERE u.name {who}"
            ));
        }
        let mut found = Vec::new();
        for query in queries {
            found.extend(self.must(&query).await?.iter().map(|row| row.join(" ")));
        }
        found.sort();
        Ok(found)
    }

    async fn break_lock(&self, key: &LockKey) -> Result<()> {
        // The server shows the first 32 characters of a resource's name.
        let shown: String = key.name().chars().take(32).collect();
        self.kill_all(&format!(
            "SELECT request_session_id FROM sys.dm_tran_locks WHERE resource_type = N'APPLICATION'
             AND request_status = N'GRANT' AND CHARINDEX(N'{shown}', resource_description) > 0"
        ))
        .await
    }

    fn wire(&self) -> Wire {
        self.facts.wire
    }

    fn ends_silent_sessions(&self) -> bool {
        false
    }

    fn tells_case(&self) -> bool {
        !self.facts.folds
    }

    fn legal_table_name(&self, name: &str) -> bool {
        // To old collations, names are equal that differ only in characters without weight, which are those that Unicode got
        // later, or that show nothing; and blanks at the end never count.
        let weighty = |c: char| c.is_ascii() || (c <= '\u{ffff}' && c.is_alphabetic());
        let told_apart = name.chars().filter(char::is_ascii_alphanumeric).count() >= 6;
        // A temporary table's begins so.
        !name.starts_with('#') && !name.ends_with(' ') && (told_apart || name.chars().all(weighty))
    }

    fn legal_user_name(&self, name: &str) -> bool {
        self.legal_table_name(name) && !name.contains('\\')
    }

    async fn create_view(&self, view: &TableName) -> Result<bool> {
        self.must(&format!(
            "CREATE VIEW {} AS SELECT 1 AS id, N'one' AS name UNION ALL SELECT 2, N'two'",
            relation(view)
        ))
        .await?;
        self.hand_over(view, "WITH GRANT OPTION").await?;
        Ok(true)
    }

    async fn create_foreign_table(&self, table: &TableName) -> Result<bool> {
        self.create(table, "").await?;
        Ok(self.admin == Admin::LeastPrivileged)
    }

    async fn grant_by_other(&self, user: &UserName, table: &TableName) -> Result<Option<String>> {
        let (relation, other, user) = (relation(table), format!("{}_other", self.tag), ident(user.as_str()));
        let made = format!("SELECT 1 FROM sys.database_principals WHERE name = N'{other}'");
        if self.must(&made).await?.is_empty() {
            self.must(&format!("CREATE USER {other} WITHOUT LOGIN")).await?;
        }
        let grant = format!(
            "GRANT SELECT ON {relation} TO {other} WITH GRANT OPTION;
             EXECUTE AS USER = N'{other}'; GRANT SELECT ON {relation} TO {user}; REVERT"
        );
        self.must(&grant).await?;
        Ok(Some(other))
    }

    async fn grant_to_public(&self, table: &TableName) -> Result<bool> {
        self.must(&format!("GRANT SELECT ON {} TO public", relation(table))).await?;
        Ok(true)
    }

    async fn give_away(&self, table: &TableName, user: &UserName) -> Result<bool> {
        let relation = relation(table);
        let readers = self
            .must(&format!(
                "SELECT QUOTENAME(u.name), CASE WHEN p.state = 'W' THEN N'WITH GRANT OPTION' ELSE N'' END
                 FROM sys.database_permissions p
                 JOIN sys.database_principals u ON u.principal_id = p.grantee_principal_id
                 WHERE p.class = 1 AND p.major_id = OBJECT_ID({})",
                literal(&relation)
            ))
            .await?;
        self.must(&format!("ALTER AUTHORIZATION ON OBJECT::{relation} TO {}", ident(user.as_str()))).await?;
        // What was granted may go with the former owner.
        for reader in readers {
            self.must(&format!("GRANT SELECT ON {relation} TO {}", reader.join(" "))).await?;
        }
        Ok(true)
    }
}

#[derive(Debug)]
struct Consumer {
    client: Client,
    /// Whether users have logins.
    login: bool,
}

#[async_trait]
impl UserSession for Consumer {
    async fn attempt(&mut self, attempt: &Attempt) -> Result<Attempted> {
        let sql = match attempt {
            Attempt::Read(table) => format!("SELECT * FROM {}", relation(table)),
            Attempt::Insert(table) => format!("INSERT INTO {} VALUES (3, N'three')", relation(table)),
            Attempt::Update(table) => format!("UPDATE {} SET name = N'none'", relation(table)),
            Attempt::Delete(table) => format!("DELETE FROM {}", relation(table)),
            Attempt::DropTable(table) => format!("DROP TABLE {}", relation(table)),
            Attempt::CreateTable(table) => format!("CREATE TABLE {} (id int)", relation(table)),
            Attempt::CreateUser(user) if self.login => {
                format!("CREATE LOGIN {} WITH PASSWORD = N'Aa1-{}'", ident(user.as_str()), tag())
            }
            Attempt::CreateUser(user) => format!("CREATE USER {} WITHOUT LOGIN", ident(user.as_str())),
            Attempt::Grant(table, user) => {
                format!("GRANT SELECT ON {} TO {}", relation(table), ident(user.as_str()))
            }
        };
        match self.client.run(&sql).await {
            Ok(rows) => Ok(Attempted::Did(rows.len() as u64)),
            Err(refused) => match refused.number {
                None => Ok(Attempted::Ended),
                // Not permitted: on an object, a column, a database, a schema, the server; or no such thing, for who may not
                // know.
                Some(229 | 230 | 262 | 2760 | 15247 | 208 | 3701 | 15151) => Ok(Attempted::Denied),
                Some(_) => Err(refused.trouble(&sql)),
            },
        }
    }
}
