use super::Lab;
use crate::options::{Options, Version};

/// "Managing Security for Oracle Database Users"; error messages ORA-01017, ORA-28000, ORA-28001, ORA-01045.
#[test]
fn a_login_is_refused_with_the_number_of_its_reason() {
    let lab = Lab::new(Version::V19);
    lab.user("scott", "");
    assert_eq!(lab.try_open("scott", "wrong").err(), Some(1017));
    assert_eq!(lab.try_open("nobody", "Pw-1-abc").err(), Some(1017));
    assert!(lab.try_open("scott", "Pw-1-abc").is_ok());
    assert_eq!(lab.try_open("scott", "pw-1-abc").err(), Some(1017), "passwords have cases");
    let mut sys = lab.sys();
    sys.ok("ALTER USER scott ACCOUNT LOCK");
    assert_eq!(lab.try_open("scott", "Pw-1-abc").err(), Some(28000));
    sys.ok("ALTER USER scott ACCOUNT UNLOCK PASSWORD EXPIRE");
    assert_eq!(lab.try_open("scott", "Pw-1-abc").err(), Some(28001));
    sys.ok("ALTER USER scott IDENTIFIED BY \"Pw-2-abc\"");
    assert!(lab.try_open("scott", "Pw-2-abc").is_ok(), "a new password is not expired");
    sys.ok("REVOKE CREATE SESSION FROM scott");
    assert_eq!(lab.try_open("scott", "Pw-2-abc").err(), Some(1045));
}

/// "Database Object Naming Rules": unquoted names are in upper case; a quoted one is exact.
#[test]
fn a_login_name_is_folded_unless_it_is_quoted() {
    let lab = Lab::new(Version::V19);
    lab.user("\"Mixed.Case\"", "");
    lab.user("plain", "");
    assert!(lab.try_open("\"Mixed.Case\"", "Pw-1-abc").is_ok());
    assert_eq!(lab.try_open("Mixed.Case", "Pw-1-abc").err(), Some(1017));
    assert!(lab.try_open("PLAIN", "Pw-1-abc").is_ok() && lab.try_open("Plain", "Pw-1-abc").is_ok());
    assert_eq!(lab.try_open("\"plain\"", "Pw-1-abc").err(), Some(1017));
}

/// "CREATE PROFILE", FAILED_LOGIN_ATTEMPTS: 10 in DEFAULT; a successful login starts anew.
#[test]
fn too_many_wrong_passwords_lock_the_account() {
    let lab = Lab::new(Version::V19);
    lab.user("scott", "");
    for _ in 0..9 {
        assert_eq!(lab.try_open("scott", "wrong").err(), Some(1017));
    }
    assert!(lab.try_open("scott", "Pw-1-abc").is_ok());
    for _ in 0..10 {
        assert_eq!(lab.try_open("scott", "wrong").err(), Some(1017));
    }
    assert_eq!(lab.try_open("scott", "Pw-1-abc").err(), Some(28000));
    let status = lab.sys().column("SELECT account_status FROM dba_users WHERE username = 'SCOTT'");
    assert_eq!(status, ["LOCKED(TIMED)"]);
    lab.sys().ok("ALTER USER scott ACCOUNT UNLOCK");
    assert!(lab.try_open("scott", "Pw-1-abc").is_ok());
}

/// CREATE SESSION may come by way of a role that is enabled by default ("ALTER USER", DEFAULT ROLE).
#[test]
fn the_right_to_connect_may_come_by_a_default_role() {
    let lab = Lab::with(Options::new(Version::V19));
    let mut sys = lab.sys();
    sys.ok("CREATE USER scott IDENTIFIED BY \"Pw-1-abc\"");
    sys.ok("GRANT CONNECT TO scott");
    assert!(lab.try_open("scott", "Pw-1-abc").is_ok());
    sys.ok("ALTER USER scott DEFAULT ROLE NONE");
    assert_eq!(lab.try_open("scott", "Pw-1-abc").err(), Some(1045));
}
