//! Oracle Database, without the engine: through the driver's seam, behind which is a server or the simulator. Nothing here
//! knows which.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex as StdMutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use dzconn_core::engine::LockKey;
use dzconn_core::model::{
    AdminLogin, ConnectionId, Credentials, Source, SourceEndpoint, TableName, Target, Tls, UserName,
};
use dzconn_core::testkit::engine::{EngineFixture, UserSession, Wire};
use dzconn_core::{EngineConnector, Result, Secret};
use dzconn_oracle::driver::{Driver, Login, Rows};

use super::{Admin, Fixture, Server, tag, trouble};
use client::{Client, Consumer, REFUSED, can_be, code, ident, literal, relation, text};

// The tests of the simulator take this file by its path.
#[path = "client.rs"]
mod client;

/// A server. Every fixture has a schema on it.
#[derive(Debug)]
pub struct Oracle {
    facts: Facts,
    driver: Arc<dyn Driver>,
    /// As somebody who may do everything.
    login: Login,
    /// Whether the profile of the engine's users was there before.
    had_profile: bool,
}

#[derive(Clone, Debug)]
struct Facts {
    name: String,
    wire: Wire,
    service: String,
    longest_name: usize,
    /// The privilege to read: READ, where the version has it.
    read: &'static str,
    /// On RDS nobody has ALTER SYSTEM, and nobody is SYS: a package stands in.
    rds: bool,
}

impl Oracle {
    /// The server of this URL, behind this driver. The URL names a user that may do everything, and may pass on EXECUTE on
    /// `SYS.DBMS_LOCK`. The name begins with `kind`.
    pub async fn start(driver: Arc<dyn Driver>, kind: &str, wire: Wire, url: &str) -> Result<Self> {
        let Some((user, password, host, port, service)) = parts(url) else {
            return Err(trouble("the URL cannot be read: oracle://user:password@host:port/service"));
        };
        let login = Login {
            endpoint: SourceEndpoint {
                subprotocol: "oracle".to_owned(),
                host: host.to_owned(),
                port,
                instance: None,
                target: Target::Service(service.to_owned()),
            },
            user: user.to_owned(),
            password: Secret::new(password.to_owned()),
            tls: Tls::Disable,
        };
        let client = connect(&driver, &login).await?;
        let found =
            client.must("SELECT version FROM product_component_version WHERE product LIKE 'Oracle%'", &[]).await?;
        let version = found.first().map_or("", |row| text(row, 0));
        let mut numbers = version.split('.').map(|number| number.parse::<u32>().unwrap_or_default());
        let release = (numbers.next().unwrap_or_default(), numbers.next().unwrap_or_default());
        let found = client.must("SELECT value FROM v$parameter WHERE name = 'compatible'", &[]).await?;
        let compatible = found.first().map_or("", |row| text(row, 0));
        let mut numbers = compatible.split('.').map(|number| number.parse::<u32>().unwrap_or_default());
        let compatible = (numbers.next().unwrap_or_default(), numbers.next().unwrap_or_default());
        let rds = "SELECT 1 FROM all_objects WHERE owner = 'RDSADMIN' AND object_name = 'RDSADMIN_UTIL'";
        let rds = !client.must(rds, &[]).await?.is_empty();
        let profiles = client.must("SELECT profile FROM dba_profiles WHERE profile = 'DZCONN'", &[]).await?;
        let facts = Facts {
            name: format!("{kind}-{}", release.0),
            wire,
            service: service.to_owned(),
            longest_name: if compatible < (12, 2) { 30 } else { 128 },
            read: if release < (12, 1) { "SELECT" } else { "READ" },
            rds,
        };
        Ok(Self { facts, driver, login, had_profile: !profiles.is_empty() })
    }
}

/// User, password, host, port and service of `oracle://user:password@host:port/service`.
fn parts(url: &str) -> Option<(&str, &str, &str, u16, &str)> {
    let (login, address) = url.strip_prefix("oracle://")?.rsplit_once('@')?;
    let (user, password) = login.split_once(':')?;
    let (address, service) = address.split_once('/')?;
    let (host, port) = address.rsplit_once(':').unwrap_or((address, "1521"));
    Some((user, password, host, port.parse().ok()?, service))
}

async fn connect(driver: &Arc<dyn Driver>, login: &Login) -> Result<Client> {
    let endpoint = &login.endpoint;
    let client = Client::connect(driver, login.clone()).await;
    client.map_err(|refusal| trouble(format!("{} cannot connect to {endpoint}: {}", login.user, refusal.text)))
}

#[async_trait]
impl Server for Oracle {
    fn name(&self) -> &str {
        &self.facts.name
    }

    async fn fixture(&self, admin: Admin) -> Result<Box<dyn Fixture>> {
        Ok(Box::new(Place::start(self, admin).await?))
    }

    /// What has no wire is in this process.
    fn is_for_all_processes(&self) -> bool {
        self.facts.wire != Wire::None
    }

    /// Every fixture has removed what it made. A profile that others use meanwhile stays.
    async fn end(&self) -> Result<()> {
        if !self.had_profile {
            let client = connect(&self.driver, &self.login).await?;
            client.must("DROP PROFILE dzconn", &[2380, 2382]).await?;
        }
        Ok(())
    }
}

/// A schema, and an admin.
#[derive(Debug)]
struct Place {
    /// The schema's name; the admin's begins with it.
    schema: String,
    admin: Admin,
    facts: Facts,
    source: Source,
    driver: Arc<dyn Driver>,
    superuser: Client,
    users: StdMutex<BTreeSet<UserName>>,
}

/// What the engine's documentation asks for, beside READ on the tables with grant option.
fn least_privileges(rds: bool, admin: &str) -> Vec<String> {
    let mut statements = vec![
        format!("GRANT CREATE SESSION TO {admin} WITH ADMIN OPTION"),
        format!("GRANT CREATE USER, ALTER USER, DROP USER, CREATE PROFILE TO {admin}"),
        format!("GRANT SELECT_CATALOG_ROLE TO {admin}"),
    ];
    statements.extend(if rds {
        let lock = format!("rdsadmin.rdsadmin_util.grant_sys_object('DBMS_LOCK', '{admin}', 'EXECUTE')");
        [format!("BEGIN {lock}; END;"), format!("GRANT EXECUTE ON rdsadmin.rdsadmin_util TO {admin}")]
    } else {
        [format!("GRANT EXECUTE ON SYS.DBMS_LOCK TO {admin}"), format!("GRANT ALTER SYSTEM TO {admin}")]
    });
    statements
}

impl Place {
    async fn start(server: &Oracle, admin: Admin) -> Result<Self> {
        let schema = format!("DZKIT_{}", tag().to_uppercase());
        let password = Secret::new(format!("Aa1-{}", tag()));
        let user = format!("{schema}_ADM");
        let place = Self {
            admin,
            facts: server.facts.clone(),
            source: Source {
                connection: ConnectionId::new(&schema)?,
                endpoint: server.login.endpoint.clone(),
                admin: AdminLogin { user: user.clone(), password: password.clone() },
                tls: Tls::Disable,
            },
            driver: Arc::clone(&server.driver),
            superuser: connect(&server.driver, &server.login).await?,
            users: StdMutex::default(),
            schema,
        };
        place
            .make_user(&place.schema, &Secret::new(format!("Aa1-{}", tag())), "QUOTA UNLIMITED ON users ACCOUNT LOCK")
            .await?;
        place.make_user(&user, &password, "").await?;
        match admin {
            Admin::Superuser => drop(place.must(&format!("GRANT DBA TO {user}")).await?),
            Admin::LeastPrivileged => {
                for statement in least_privileges(server.facts.rds, &user) {
                    place.must(&statement).await?;
                }
            }
        }
        Ok(place)
    }

    async fn make_user(&self, user: &str, password: &Secret, clauses: &str) -> Result<()> {
        let password = ident(password.expose());
        self.must(&format!("CREATE USER {} IDENTIFIED BY {password} {clauses}", ident(user))).await.map(drop)
    }

    async fn must(&self, sql: &str) -> Result<Rows> {
        self.superuser.must(sql, &[]).await
    }

    fn note(&self, user: &UserName) {
        self.users.lock().unwrap_or_else(PoisonError::into_inner).insert(user.clone());
    }

    fn login(&self, user: &str, password: &Secret) -> Login {
        Login {
            endpoint: self.source.endpoint.clone(),
            user: ident(user),
            password: password.clone(),
            tls: Tls::Disable,
        }
    }

    /// Gives the admin what it needs on a new table or view.
    async fn hand_over(&self, table: &TableName, option: &str) -> Result<()> {
        if self.admin == Admin::LeastPrivileged {
            let (read, admin) = (self.facts.read, &self.source.admin.user);
            self.must(&format!("GRANT {read} ON {} TO {admin} {option}", relation(table))).await?;
        }
        Ok(())
    }

    async fn create(&self, table: &TableName, option: &str) -> Result<()> {
        let relation = relation(table);
        self.must(&format!("CREATE TABLE {relation} (id NUMBER, name VARCHAR2(20))")).await?;
        let rows = "SELECT 1, 'one' FROM dual UNION ALL SELECT 2, 'two' FROM dual";
        self.must(&format!("INSERT INTO {relation} {rows}")).await?;
        self.must("COMMIT").await?;
        self.hand_over(table, option).await
    }

    /// Ends the sessions that a query gives, as sid, serial number and instance, until there are none.
    async fn kill_all(&self, query: &str) -> Result<()> {
        for _ in 0..500 {
            let left = self.must(query).await?;
            if left.is_empty() {
                return Ok(());
            }
            for row in left {
                let (sid, serial, instance) = (text(&row, 0), text(&row, 1), text(&row, 2));
                let kill = if self.facts.rds {
                    format!("BEGIN rdsadmin.rdsadmin_util.kill({sid}, {serial}, 'IMMEDIATE'); END;")
                } else {
                    format!("ALTER SYSTEM KILL SESSION '{sid},{serial},@{instance}' IMMEDIATE")
                };
                // Gone meanwhile; killed, and not yet gone.
                self.superuser.must(&kill, &[30, 31]).await?;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Err(trouble(format!("the sessions of this query do not end: {query}")))
    }

    async fn remove(&self, user: &str) -> Result<()> {
        if !can_be(user) || user.len() > self.facts.longest_name {
            return Ok(());
        }
        self.superuser.must(&format!("ALTER USER {} ACCOUNT LOCK", ident(user)), &[1918]).await?;
        for _ in 0..500 {
            self.kill_all(&format!("SELECT sid, serial#, inst_id FROM gv$session WHERE username = {}", literal(user)))
                .await?;
            // A login that was under way when the account was locked.
            match self.superuser.run(&format!("DROP USER {} CASCADE", ident(user))).await {
                Err(refusal) if code(&refusal) == Some(1940) => tokio::time::sleep(Duration::from_millis(10)).await,
                Err(refusal) if code(&refusal) != Some(1918) => return Err(trouble(refusal.text)),
                _ => return Ok(()),
            }
        }
        Err(trouble(format!("{user} stays connected")))
    }
}

#[async_trait]
impl Fixture for Place {
    async fn second_admin(&self, tables: &[TableName]) -> Result<AdminLogin> {
        let user = format!("{}_ADM2", self.schema);
        let password = Secret::new(format!("Aa2-{}", tag()));
        self.note(&UserName::new(&*user)?);
        self.make_user(&user, &password, "").await?;
        let mut statements = least_privileges(self.facts.rds, &user);
        let read = self.facts.read;
        let grant = |table| format!("GRANT {read} ON {} TO {user} WITH GRANT OPTION", relation(table));
        statements.extend(tables.iter().map(grant));
        for statement in statements {
            self.must(&statement).await?;
        }
        Ok(AdminLogin { user, password })
    }

    async fn by_hand(&self, _who: &str, sql: &str) -> Result<()> {
        let AdminLogin { user, password } = &self.source.admin;
        connect(&self.driver, &self.login(user, password)).await?.must(sql, &[]).await.map(drop)
    }

    async fn end(&self) -> Result<()> {
        let users = std::mem::take(&mut *self.users.lock().unwrap_or_else(PoisonError::into_inner));
        // Whatever fails, the rest is removed.
        let mut ended = self.remove(&self.schema).await;
        for user in users {
            ended = ended.and(self.remove(user.as_str()).await);
        }
        ended.and(self.remove(&self.source.admin.user).await)
    }
}

#[async_trait]
impl EngineFixture for Place {
    fn connector(&self) -> Arc<dyn EngineConnector> {
        Arc::new(dzconn_oracle::connector().driver(Arc::clone(&self.driver)))
    }

    fn source(&self) -> Source {
        self.source.clone()
    }

    fn table(&self, name: &str) -> TableName {
        TableName::in_schema(&self.facts.service, &self.schema, name)
            .unwrap_or_else(|_| unreachable!("no table's name: {name:?}"))
    }

    async fn create_table(&self, table: &TableName) -> Result<()> {
        self.create(table, "WITH GRANT OPTION").await
    }

    async fn drop_table(&self, table: &TableName) -> Result<()> {
        if can_be(table.name()) {
            // Not into the recycle bin, which keeps what was granted.
            let drop = format!("DROP TABLE {} CASCADE CONSTRAINTS PURGE", relation(table));
            self.superuser.must(&drop, &[942]).await?;
            self.superuser.must(&format!("DROP VIEW {}", relation(table)), &[942]).await?;
        }
        Ok(())
    }

    async fn open(&self, credentials: &Credentials) -> Result<Option<Box<dyn UserSession>>> {
        self.note(&credentials.user);
        match Client::connect(&self.driver, self.login(credentials.user.as_str(), &credentials.password)).await {
            Ok(client) => Ok(Some(Box::new(Consumer { client, read: self.facts.read }))),
            Err(refusal) if code(&refusal).is_some_and(|code| REFUSED.contains(&code)) => Ok(None),
            Err(refusal) => Err(trouble(format!("{} cannot connect: {}", credentials.user, refusal.text))),
        }
    }

    async fn disable_user(&self, user: &UserName) -> Result<()> {
        self.note(user);
        self.must(&format!("ALTER USER {} ACCOUNT LOCK", ident(user.as_str()))).await.map(drop)
    }

    async fn remove_user(&self, user: &UserName) -> Result<()> {
        self.remove(user.as_str()).await
    }

    async fn privileges(&self, user: &UserName) -> Result<Vec<String>> {
        self.note(user);
        let who = literal(user.as_str());
        let queries = [
            format!("SELECT privilege, owner, table_name, grantor, grantable FROM dba_tab_privs WHERE grantee = {who}"),
            format!("SELECT privilege, owner, table_name, column_name FROM dba_col_privs WHERE grantee = {who}"),
            // Without it there is no login: what USAGE is elsewhere.
            format!("SELECT privilege FROM dba_sys_privs WHERE grantee = {who} AND privilege <> 'CREATE SESSION'"),
            format!("SELECT granted_role FROM dba_role_privs WHERE grantee = {who}"),
        ];
        let mut found = Vec::new();
        for query in queries {
            for row in self.must(&query).await? {
                found.push((0..row.len()).map(|at| text(&row, at)).collect::<Vec<_>>().join(" "));
            }
        }
        found.sort();
        Ok(found)
    }

    async fn break_lock(&self, key: &LockKey) -> Result<()> {
        // The numbers that DBMS_LOCK leaves to users have 30 bits.
        let id = key.number() & 0x3fff_ffff;
        self.kill_all(&format!(
            "SELECT s.sid, s.serial#, s.inst_id FROM gv$lock l JOIN gv$session s ON s.inst_id = l.inst_id AND s.sid = l.sid \
             WHERE l.type = 'UL' AND l.lmode = 6 AND l.id1 = {id}"
        ))
        .await
    }

    fn wire(&self) -> Wire {
        self.facts.wire
    }

    /// A profile's `IDLE_TIME` counts minutes, and is the user's, not the session's.
    fn ends_silent_sessions(&self) -> bool {
        false
    }

    fn longest_user_name(&self) -> usize {
        self.facts.longest_name
    }

    fn legal_table_name(&self, name: &str) -> bool {
        can_be(name) && name.len() <= self.facts.longest_name
    }

    fn legal_user_name(&self, name: &str) -> bool {
        self.legal_table_name(name)
    }

    fn legal_password(&self, password: &str) -> bool {
        can_be(password)
    }

    async fn create_view(&self, view: &TableName) -> Result<bool> {
        let rows = "SELECT 1 AS id FROM dual UNION ALL SELECT 2 FROM dual";
        self.must(&format!("CREATE VIEW {} AS {rows}", relation(view))).await?;
        self.hand_over(view, "WITH GRANT OPTION").await?;
        Ok(true)
    }

    async fn create_foreign_table(&self, table: &TableName) -> Result<bool> {
        self.create(table, "").await?;
        Ok(self.admin == Admin::LeastPrivileged)
    }

    async fn grant_by_other(&self, user: &UserName, table: &TableName) -> Result<Option<String>> {
        let other = format!("{}_OTH_{}", self.schema, tag().to_uppercase());
        self.note(&UserName::new(&other)?);
        let password = Secret::new(format!("Aa1-{}", tag()));
        self.make_user(&other, &password, "").await?;
        self.must(&format!("GRANT CREATE SESSION TO {other}")).await?;
        let (read, relation) = (self.facts.read, relation(table));
        self.must(&format!("GRANT {read} ON {relation} TO {other} WITH GRANT OPTION")).await?;
        let client = connect(&self.driver, &self.login(&other, &password)).await?;
        client.must(&format!("GRANT {read} ON {relation} TO {}", ident(user.as_str())), &[]).await?;
        Ok(Some(other))
    }

    async fn grant_to_public(&self, table: &TableName) -> Result<bool> {
        self.must(&format!("GRANT {} ON {} TO PUBLIC", self.facts.read, relation(table))).await?;
        Ok(true)
    }

    /// A table cannot change hands. The user gets one with the rows, and in the other's place comes a view on it, so that
    /// whoever could read the table reads what is now the user's.
    async fn give_away(&self, table: &TableName, user: &UserName) -> Result<bool> {
        let (relation, user) = (relation(table), ident(user.as_str()));
        let owned = format!("{user}.{}", ident(table.name()));
        let (schema, name) = (literal(&self.schema), literal(table.name()));
        let granted = self
            .must(&format!(
                "SELECT privilege, grantee, grantable FROM dba_tab_privs WHERE owner = {schema} AND table_name = {name}"
            ))
            .await?;
        self.must(&format!("ALTER USER {user} QUOTA UNLIMITED ON users")).await?;
        self.must(&format!("CREATE TABLE {owned} AS SELECT * FROM {relation}")).await?;
        self.must(&format!("GRANT SELECT ON {owned} TO {} WITH GRANT OPTION", ident(&self.schema))).await?;
        self.must(&format!("DROP TABLE {relation} PURGE")).await?;
        self.must(&format!("CREATE VIEW {relation} AS SELECT * FROM {owned}")).await?;
        for row in granted {
            let option = if text(&row, 2) == "YES" { "WITH GRANT OPTION" } else { "" };
            let (right, to) = (text(&row, 0), ident(text(&row, 1)));
            self.must(&format!("GRANT {right} ON {relation} TO {to} {option}")).await?;
        }
        Ok(true)
    }
}
