//! Servers that check passwords, and servers that take no writes.

use dzconn_core::engine::Created;
use dzconn_core::model::{Credentials, Tls, UserName};
use dzconn_core::{EngineConnector, ErrorKind, Secret};
use libtest_mimic::{Completion, Trial};

use crate::lab::{PASSWORD, deadline, quick, refusal, shown};
use crate::server::{Server, trial};

pub(crate) fn trials(asked_for: bool) -> Vec<Trial> {
    vec![
        trial("policy::a_server_that_takes_no_hash_is_told_from_a_read_only_one", asked_for, validated),
        trial("policy::a_read_only_server_is_called_so", asked_for, read_only),
    ]
}

fn user(server: &Server, name: &str) -> Credentials {
    Credentials {
        endpoint: server.source("admin", "127.0.0.1", Tls::Disable).endpoint,
        database: None,
        user: UserName::new(name).unwrap(),
        password: Secret::new(PASSWORD.into()),
        ssl: None,
    }
}

/// MariaDB answers CREATE USER with 1290 and ALTER USER with 1396, whatever the plugin.
fn validated(server: &Server) -> Completion {
    if let Err(error) = server.sql("INSTALL SONAME 'simple_password_check'") {
        assert_eq!(refusal(&error), 1126, "the library is missing: {error}");
        return Completion::ignored_with(
            "needs the plugin simple_password_check: DZCONN_TEST_MYSQL_PLUGINS, its folder",
        );
    }
    let user = user(server, "validated");
    let mut session = server
        .runtime
        .block_on(quick().connect(&server.source("admin", "127.0.0.1", Tls::Disable), deadline()))
        .unwrap();
    let made = server.runtime.block_on(session.create_user(&user)).unwrap_err();
    server.sql("SET GLOBAL strict_password_validation = OFF").unwrap();
    let made_then = server.runtime.block_on(session.create_user(&user));
    server.sql("SET GLOBAL strict_password_validation = ON").unwrap();
    let set = server.runtime.block_on(session.set_password(&user)).unwrap_err();
    server.sql("UNINSTALL SONAME 'simple_password_check'").unwrap();
    for (error, number) in [(made, "1290"), (set, "1396")] {
        assert_eq!(error.kind(), ErrorKind::PasswordRejected, "{error:?}");
        assert!(error.vendor_code().unwrap().ends_with(number) && !shown(&error).contains(PASSWORD), "{error:?}");
        assert!(error.advice().unwrap().contains("strict_password_validation = OFF"), "{error:?}");
    }
    assert_eq!(made_then.unwrap(), Created::New);
    server.runtime.block_on(session.drop_user(&user.user)).unwrap();
    Completion::Completed
}

fn read_only(server: &Server) -> Completion {
    let user = user(server, "written");
    let mut session = server
        .runtime
        .block_on(quick().connect(&server.source("admin", "127.0.0.1", Tls::Disable), deadline()))
        .unwrap();
    server.sql("SET GLOBAL read_only = ON").unwrap();
    let made = server.runtime.block_on(session.create_user(&user)).unwrap_err();
    let dropped = server.runtime.block_on(session.drop_user(&user.user)).unwrap_err();
    server.sql("SET GLOBAL read_only = OFF").unwrap();
    for error in [made, dropped] {
        assert_eq!(error.kind(), ErrorKind::ReadOnly, "{error:?}");
    }
    assert!(!server.runtime.block_on(session.user_exists(&user.user)).unwrap());
    Completion::Completed
}
