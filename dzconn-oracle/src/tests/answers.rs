//! Answers that the simulator has no reason to give: of servers that do not do what they say, or that fail half way.

use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use dzconn_core::model::{TableName, Tls};
use dzconn_core::{Deadline, EngineConnector, ErrorKind, SourceEngine};

use super::{source, user};
use crate::connector;
use crate::driver::{Bind, Connection, Driver, Login, Refusal, Rows, Trouble};

/// What to answer to a statement of which this is a part: the first answer that is left, and the last one for ever.
type Script = Vec<(&'static str, Vec<Result<Rows, u32>>)>;

#[derive(Clone, Default)]
struct Server {
    script: Arc<Mutex<Script>>,
    heard: Arc<Mutex<Vec<String>>>,
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Server")
    }
}

fn rows(rows: &[&[&str]]) -> Rows {
    rows.iter().map(|row| row.iter().map(|value| Some((*value).to_owned())).collect()).collect()
}

impl Server {
    fn new(script: Script) -> Self {
        Self { script: Arc::new(Mutex::new(script)), heard: Arc::default() }
    }

    async fn session(&self) -> Box<dyn SourceEngine> {
        let deadline = Deadline::within(Duration::from_secs(5));
        connector().driver(Arc::new(self.clone())).connect(&source(Tls::Disable), deadline).await.unwrap()
    }

    fn heard(&self, part: &str) -> usize {
        self.heard.lock().unwrap().iter().filter(|sql| sql.contains(part)).count()
    }
}

impl Driver for Server {
    fn connect(&self, _login: &Login, _timeout: Duration) -> Result<Box<dyn Connection>, Refusal> {
        Ok(Box::new(self.clone()))
    }
}

impl Connection for Server {
    fn execute(&mut self, sql: &str, _binds: &[Bind], _timeout: Duration) -> Result<Rows, Refusal> {
        self.heard.lock().unwrap().push(sql.to_owned());
        if sql.contains("AS fact") {
            return Ok(rows(&[&["version", "19.0.0.0.0"], &["user", "DZCONN"]]));
        }
        let mut script = self.script.lock().unwrap();
        let Some((_, answers)) = script.iter_mut().find(|(part, _)| sql.contains(part)) else { return Ok(Rows::new()) };
        let answer = if answers.len() > 1 { answers.remove(0) } else { answers[0].clone() };
        answer.map_err(|number| Refusal::new(Trouble::Server(number), format!("ORA-{number:05}: words")))
    }

    fn close(self: Box<Self>) -> Result<(), Refusal> {
        Ok(())
    }
}

fn one_session() -> Rows {
    rows(&[&["12", "345", "2"]])
}

const KILL: &str = "'ALTER SYSTEM KILL SESSION ''12,345,@2'' IMMEDIATE'";

#[tokio::test]
async fn sessions_that_outlived_their_user_are_ended_by_the_next_call() {
    let exists = Ok(rows(&[&["U"]]));
    for script in [
        vec![("gv_$session", vec![Ok(one_session()), Ok(Rows::new())])],
        // Somebody else drops it between the look and the lock.
        vec![
            ("all_users", vec![exists]),
            ("ACCOUNT LOCK", vec![Err(1918)]),
            ("gv_$session", vec![Ok(one_session()), Ok(Rows::new())]),
        ],
    ] {
        let server = Server::new(script);
        server.session().await.drop_user(&user("U")).await.unwrap();
        assert_eq!((server.heard(KILL), server.heard("DROP USER")), (1, 0));
    }
    // One that does not go is told.
    let server = Server::new(vec![("gv_$session", vec![Ok(one_session())]), ("KILL SESSION", vec![Err(1031)])]);
    let error = server.session().await.drop_user(&user("U")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::SessionsRemain);
}

#[tokio::test]
async fn sessions_are_unseen_only_where_the_admin_may_not_look() {
    for (number, kind) in
        [(942, ErrorKind::SessionsRemain), (1031, ErrorKind::SessionsRemain), (4068, ErrorKind::Contention)]
    {
        let server = Server::new(vec![
            ("all_users", vec![Ok(rows(&[&["U"]]))]),
            ("gv_$session", vec![Err(number)]),
            ("DROP USER", vec![Err(1940)]),
        ]);
        let error = server.session().await.drop_user(&user("U")).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{number}: {error:?}");
    }
}

#[tokio::test]
async fn a_grant_that_nobody_sees_does_not_count() {
    let table = TableName::in_schema("db", "HR", "T").unwrap();
    let denied = || ("dba_tab_privs", vec![Err(942)]);
    let made = ("all_tab_privs_made", vec![Ok(rows(&[&["READ", "DZCONN"]]))]);
    let any = ("session_privs", vec![Ok(rows(&[&["GRANT ANY OBJECT PRIVILEGE"]]))]);
    for (script, counts) in
        [(vec![], false), (vec![denied()], false), (vec![denied(), made], true), (vec![denied(), any], true)]
    {
        let granted = Server::new(script.clone()).session().await.grant(&user("U"), &table, &[]).await;
        let kind = granted.map_err(|error| error.kind());
        assert_eq!(kind, if counts { Ok(()) } else { Err(ErrorKind::NoGrantOption) }, "{script:?}");
    }
}

#[tokio::test]
async fn a_revoke_that_changes_nothing_does_not_count() {
    let table = TableName::in_schema("db", "HR", "T").unwrap();
    let left = || vec![Ok(rows(&[&["READ", "DZCONN"]]))];
    for script in
        [vec![("dba_tab_privs", left())], vec![("dba_tab_privs", vec![Err(1031)]), ("all_tab_privs_made", left())]]
    {
        let server = Server::new(script);
        let error = server.session().await.revoke(&user("U"), std::slice::from_ref(&table)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unexpected, "{error:?}");
        assert!(server.heard("REVOKE READ") > 0);
    }
    // Without the catalog an owner sees what others granted on its tables.
    let by_pat = vec![Ok(rows(&[&["SELECT", "PAT"]]))];
    let server = Server::new(vec![("dba_tab_privs", vec![Err(942)]), ("all_tab_privs_made", by_pat)]);
    let error = server.session().await.revoke(&user("U"), std::slice::from_ref(&table)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::GrantedByOther, "{error:?}");
    assert!(error.advice().unwrap().contains("REVOKE SELECT ON \"HR\".\"T\" FROM \"U\" as \"PAT\""), "{error:?}");
}

#[tokio::test]
async fn a_database_that_is_closed_ends_the_session() {
    let server = Server::new(vec![("all_users", vec![Err(1109), Ok(Rows::new())])]);
    let mut session = server.session().await;
    assert_eq!(session.user_exists(&user("U")).await.unwrap_err().kind(), ErrorKind::Unreachable);
    assert_eq!(session.user_exists(&user("U")).await.unwrap_err().kind(), ErrorKind::ConnectionLost);
    assert_eq!(server.heard("all_users"), 1);
}
