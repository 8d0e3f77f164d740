//! What the documentation says, one behaviour a test.

mod blocks;
mod grants;
mod login;
mod names;
mod queries;
mod sessions;
mod tables;
mod users;

use std::sync::Arc;

use crate::options::{Options, Version};
use crate::session::{Server, Session};
use crate::value::Value;

/// A database, and sessions on it.
struct Lab {
    server: Arc<Server>,
}

impl Lab {
    fn new(version: Version) -> Self {
        Self::with(Options::new(version))
    }

    fn with(options: Options) -> Self {
        Self { server: Server::new(options) }
    }

    fn sys(&self) -> Client {
        Client(Session::sys(&self.server))
    }

    fn try_open(&self, user: &str, password: &str) -> Result<Client, u32> {
        Session::open(&self.server, user, password, "tcp").map(Client).map_err(|error| error.code)
    }

    fn open(&self, user: &str) -> Client {
        self.try_open(user, "Pw-1-abc").unwrap()
    }

    fn system(&self) -> Client {
        self.try_open("system", "System-1").unwrap()
    }

    /// Makes a user that can log in, with further privileges.
    fn user(&self, name: &str, privileges: &str) {
        let mut sys = self.sys();
        sys.ok(&format!("CREATE USER {name} IDENTIFIED BY \"Pw-1-abc\" QUOTA UNLIMITED ON users"));
        sys.ok(&format!("GRANT CREATE SESSION TO {name}"));
        if !privileges.is_empty() {
            sys.ok(&format!("GRANT {privileges} TO {name}"));
        }
    }

    /// A table with two rows.
    fn table(&self, name: &str) {
        let mut sys = self.sys();
        sys.ok(&format!("CREATE TABLE {name} (id NUMBER, name VARCHAR2(20))"));
        sys.ok(&format!("INSERT INTO {name} SELECT 1, 'one' FROM dual UNION ALL SELECT 2, 'two' FROM dual"));
        sys.ok("COMMIT");
    }
}

struct Client(Session);

impl Client {
    fn run(&mut self, sql: &str) -> Result<Vec<Vec<String>>, u32> {
        self.run_with(sql, &[])
    }

    fn run_with(&mut self, sql: &str, binds: &[Value]) -> Result<Vec<Vec<String>>, u32> {
        match self.0.execute(sql, binds) {
            Ok(found) => Ok(found.rows.iter().map(|row| row.iter().map(Value::to_text).collect()).collect()),
            Err(error) => {
                // For whom a test has failed; no password is in it.
                println!("{error} in: {}", sql.split("IDENTIFIED").next().unwrap_or_default());
                Err(error.code)
            }
        }
    }

    #[track_caller]
    fn ok(&mut self, sql: &str) {
        if let Err(error) = self.0.execute(sql, &[]) {
            panic!("{error} in: {sql}");
        }
    }

    #[track_caller]
    fn fails(&mut self, sql: &str, code: u32) {
        match self.0.execute(sql, &[]) {
            Err(error) => assert_eq!(error.code, code, "{error} in: {sql}"),
            Ok(_) => panic!("no ORA-{code:05} in: {sql}"),
        }
    }

    #[track_caller]
    fn rows(&mut self, sql: &str) -> Vec<Vec<String>> {
        match self.run(sql) {
            Ok(rows) => rows,
            Err(code) => panic!("ORA-{code:05} in: {sql}"),
        }
    }

    /// The first column of all rows.
    #[track_caller]
    fn column(&mut self, sql: &str) -> Vec<String> {
        self.rows(sql).into_iter().map(|mut row| row.remove(0)).collect()
    }
}
