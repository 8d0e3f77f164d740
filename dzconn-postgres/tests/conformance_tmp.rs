#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]
#[path = "live/lab.rs"]
#[allow(dead_code, unused)]
mod lab;
use async_trait::async_trait;
use dzconn_core::engine::{EngineConnector, LockKey};
use dzconn_core::model::*;
use dzconn_core::testkit::engine::*;
use dzconn_core::{Error, ErrorKind, Result};
use lab::{Lab, quoted};
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{AssertSqlSafe, ConnectOptions, Row};
use std::sync::Arc;

#[derive(Debug)]
struct Fixture {
    root: PgConnectOptions,
    source: Source,
    schema: String,
    plain: bool,
    owner: String,
}

fn lit(s: &str) -> String {
    format!("{}'{}'", if s.contains('\\') { " E" } else { "" }, s.replace('\\', "\\\\").replace('\'', "''"))
}

impl Fixture {
    async fn sql(&self, text: &str) -> Result<Vec<Vec<String>>> {
        let mut c = self.root.connect().await.unwrap();
        let rows = sqlx::raw_sql(AssertSqlSafe(text.to_owned()))
            .fetch_all(&mut c)
            .await
            .map_err(|e| Error::new(ErrorKind::Unexpected, format!("{text}: {e}")))?;
        Ok(rows
            .iter()
            .map(|row| {
                (0..row.len())
                    .map(|at| row.try_get_unchecked::<Option<String>, _>(at).unwrap().unwrap_or_default())
                    .collect()
            })
            .collect())
    }
    fn rel(&self, t: &TableName) -> String {
        format!("{}.{}", quoted(t.schema().unwrap()), quoted(t.name()))
    }
    fn admin(&self) -> String {
        quoted(&self.source.admin.user)
    }
}

#[derive(Debug)]
struct User(PgConnection, String);
#[async_trait]
impl UserSession for User {
    async fn attempt(&mut self, attempt: &Attempt) -> Result<Attempted> {
        let rel = |t: &TableName| format!("{}.{}", quoted(t.schema().unwrap()), quoted(t.name()));
        let text = match attempt {
            Attempt::Read(t) => format!("SELECT * FROM {}", rel(t)),
            Attempt::Insert(t) => format!("INSERT INTO {} VALUES (3)", rel(t)),
            Attempt::Update(t) => format!("UPDATE {} SET a = 4", rel(t)),
            Attempt::Delete(t) => format!("DELETE FROM {}", rel(t)),
            Attempt::DropTable(t) => format!("DROP TABLE {}", rel(t)),
            Attempt::CreateTable(t) => format!("CREATE TABLE {} (a int)", rel(t)),
            Attempt::CreateUser(u) => format!("CREATE ROLE {}", quoted(u.as_str())),
            Attempt::Grant(t, u) => format!("GRANT SELECT ON {} TO {}", rel(t), quoted(u.as_str())),
        };
        match sqlx::raw_sql(AssertSqlSafe(text.clone())).fetch_all(&mut self.0).await {
            Ok(rows) => {
                if matches!(attempt, Attempt::Grant(..)) {
                    return Ok(Attempted::Denied);
                }
                Ok(Attempted::Did(rows.len() as u64))
            }
            Err(e) => match e.as_database_error().and_then(|d| d.code()).as_deref() {
                Some("42501" | "42P01" | "3F000") => Ok(Attempted::Denied),
                Some("57P01") => Ok(Attempted::Ended),
                None => Ok(Attempted::Ended),
                _ => Err(Error::new(ErrorKind::Unexpected, format!("{text}: {e}"))),
            },
        }
    }
}

#[async_trait]
impl EngineFixture for Fixture {
    fn connector(&self) -> Arc<dyn EngineConnector> {
        Arc::new(dzconn_postgres::connector())
    }
    fn source(&self) -> Source {
        self.source.clone()
    }
    fn table(&self, name: &str) -> TableName {
        TableName::in_schema(self.source.endpoint.database().unwrap(), &self.schema, name).unwrap()
    }
    async fn create_table(&self, table: &TableName) -> Result<()> {
        let (rel, owner, admin) = (self.rel(table), quoted(&self.owner), self.admin());
        self.sql(&format!("CREATE TABLE {rel} (a int); INSERT INTO {rel} VALUES (1), (2); ALTER TABLE {rel} OWNER TO {owner}; GRANT SELECT ON {rel} TO {admin} WITH GRANT OPTION")).await.map(drop)
    }
    async fn drop_table(&self, table: &TableName) -> Result<()> {
        let rel = self.rel(table);
        self.sql(&format!("DO {}", lit(&format!("DECLARE k text; BEGIN SELECT relkind INTO k FROM pg_class c JOIN pg_namespace n ON n.oid=relnamespace WHERE nspname={} AND relname={}; IF k='v' THEN DROP VIEW {rel}; ELSIF k IS NOT NULL THEN DROP TABLE {rel}; END IF; END", lit(table.schema().unwrap()), lit(table.name()))))).await.map(drop)
    }
    async fn open(&self, c: &Credentials) -> Result<Option<Box<dyn UserSession>>> {
        let o = self.root.clone().username(c.user.as_str()).password(c.password.expose());
        match o.connect().await {
            Ok(conn) => Ok(Some(Box::new(User(conn, c.user.as_str().to_owned())))),
            Err(e) => match e.as_database_error().and_then(|d| d.code()).as_deref() {
                Some("28P01" | "28000" | "42501") => Ok(None),
                _ => Err(Error::new(ErrorKind::Unexpected, format!("open: {e}"))),
            },
        }
    }
    async fn disable_user(&self, u: &UserName) -> Result<()> {
        self.sql(&format!("ALTER ROLE {} NOLOGIN", quoted(u.as_str()))).await.map(drop)
    }
    async fn remove_user(&self, u: &UserName) -> Result<()> {
        let q = quoted(u.as_str());
        if self.sql(&format!("SELECT 1 FROM pg_roles WHERE rolname={}", lit(u.as_str()))).await?.is_empty() {
            return Ok(());
        }
        self.sql(&format!("REASSIGN OWNED BY {q} TO {}; DROP OWNED BY {q}", quoted(&self.owner))).await?;
        let grantors = self.sql(&format!("SELECT DISTINCT g.rolname::text FROM (SELECT relacl FROM pg_class UNION ALL SELECT nspacl FROM pg_namespace) x(acl), aclexplode(acl) a JOIN pg_roles g ON g.oid=a.grantor JOIN pg_roles r ON r.oid = a.grantee WHERE r.rolname={}", lit(u.as_str()))).await?;
        for g in grantors {
            let tables = self.sql(&format!("SELECT quote_ident(nspname)||'.'||quote_ident(relname) FROM pg_class c JOIN pg_namespace n ON n.oid=relnamespace, aclexplode(relacl) a JOIN pg_roles r ON r.oid=a.grantee WHERE r.rolname={}", lit(u.as_str()))).await?;
            for t in tables {
                self.sql(&format!("SET ROLE {}; REVOKE ALL ON {} FROM {q}", quoted(&g[0]), t[0])).await?;
            }
            self.sql(&format!("SET ROLE {}; REVOKE ALL ON SCHEMA {} FROM {q}", quoted(&g[0]), quoted(&self.schema)))
                .await?;
        }
        self.sql(&format!("REASSIGN OWNED BY {q} TO {}; DROP OWNED BY {q}", quoted(&self.owner))).await?;
        self.sql(&format!("DROP ROLE {q}")).await.map(drop)
    }
    async fn privileges(&self, u: &UserName) -> Result<Vec<String>> {
        let rows = self.sql(&format!("SELECT x.what||' '||a.privilege_type||' '||a.is_grantable::text||' by '||a.grantor::regrole::text FROM (SELECT c.relname::text, c.relacl FROM pg_class c UNION ALL SELECT n.nspname,n.nspacl FROM pg_namespace n UNION ALL SELECT d.datname,d.datacl FROM pg_database d UNION ALL SELECT c.relname||'.'||t.attname,t.attacl FROM pg_attribute t JOIN pg_class c ON c.oid=t.attrelid) x(what,acl) CROSS JOIN LATERAL aclexplode(x.acl) a JOIN pg_roles r ON r.oid=a.grantee WHERE r.rolname={0} UNION ALL SELECT 'member of '||m.roleid::regrole::text FROM pg_auth_members m JOIN pg_roles r ON r.oid=m.member WHERE r.rolname={0} ORDER BY 1", lit(u.as_str()))).await?;
        Ok(rows.into_iter().map(|mut r| r.remove(0)).collect())
    }
    async fn break_lock(&self, key: &LockKey) -> Result<()> {
        let n = key.number();
        self.sql(&format!("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype='advisory' AND objsubid=1 AND granted AND ((classid::bigint<<32)|objid::bigint)={n}")).await.map(drop)
    }
    fn wire(&self) -> Wire {
        if self.source.endpoint.port == 55415 { Wire::Tls } else { Wire::Plain }
    }
    fn legal_user_name(&self, name: &str) -> bool {
        stringprep::saslprep(name).is_ok()
    }
    fn legal_table_name(&self, name: &str) -> bool {
        name.len() <= 63
    }
    async fn create_view(&self, v: &TableName) -> Result<bool> {
        let (rel, admin) = (self.rel(v), self.admin());
        self.sql(&format!("CREATE VIEW {rel} AS SELECT * FROM (VALUES (1),(2)) v(a); GRANT SELECT ON {rel} TO {admin} WITH GRANT OPTION")).await?;
        Ok(true)
    }
    async fn create_foreign_table(&self, t: &TableName) -> Result<bool> {
        self.create_table(t).await?;
        if !self.plain {
            return Ok(false);
        }
        let (rel, admin) = (self.rel(t), self.admin());
        self.sql(&format!("REVOKE GRANT OPTION FOR SELECT ON {rel} FROM {admin}")).await?;
        Ok(true)
    }
    async fn grant_by_other(&self, u: &UserName, t: &TableName) -> Result<Option<String>> {
        self.sql(&format!(
            "SET ROLE {}; GRANT SELECT ON {} TO {}",
            quoted(&self.owner),
            self.rel(t),
            quoted(u.as_str())
        ))
        .await?;
        Ok(Some(self.owner.clone()))
    }
    async fn grant_to_public(&self, t: &TableName) -> Result<bool> {
        self.sql(&format!(
            "GRANT SELECT ON {} TO PUBLIC; GRANT USAGE ON SCHEMA {} TO PUBLIC",
            self.rel(t),
            quoted(&self.schema)
        ))
        .await?;
        Ok(true)
    }
    async fn give_away(&self, t: &TableName, u: &UserName) -> Result<bool> {
        self.sql(&format!("ALTER TABLE {} OWNER TO {}", self.rel(t), quoted(u.as_str()))).await?;
        Ok(true)
    }
}

fn main() {
    let args = libtest_mimic::Arguments::from_args();
    let urls = std::env::var("DZCONN_TEST_POSTGRES_URLS").unwrap();
    let mut trials = vec![];
    for url in urls.split_whitespace() {
        for plain in [false, true] {
            let url = url.to_owned();
            for rule in RULES {
                let url = url.clone();
                let port = lab::Server::parse(&url).port;
                trials.push(libtest_mimic::Trial::test(
                    format!("{port}{} {}", if plain { "p" } else { "s" }, rule.name),
                    move || {
                        tokio::runtime::Builder::new_multi_thread()
                            .worker_threads(2)
                            .enable_all()
                            .build()
                            .unwrap()
                            .block_on(async {
                                let server = lab::Server::parse(&url);
                                let mut lab = Lab::new(&server).await;
                                let source = if plain { lab.plain_admin("admin").await } else { lab.superuser() };
                                let db = quoted(&lab.database);
                                lab.sql(&format!(
                                    "REVOKE TEMP ON DATABASE {db} FROM PUBLIC; REVOKE ALL ON SCHEMA public FROM PUBLIC"
                                ))
                                .await;
                                let f = Fixture {
                                    root: server.options().database(&lab.database),
                                    source,
                                    schema: "hr".into(),
                                    plain,
                                    owner: format!("{}_owner", lab.tag),
                                };
                                let r = check(rule.name, &f).await;
                                lab.remove().await;
                                r.map_err(|e| libtest_mimic::Failed::from(e.to_string()))
                            })
                    },
                ));
            }
        }
    }
    libtest_mimic::run(&args, trials).exit();
}
