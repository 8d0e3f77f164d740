use super::Lab;
use crate::options::{Options, Version};

/// Error messages ORA-01920, ORA-01918, ORA-01917, ORA-02380, ORA-01922.
#[test]
fn users_come_and_go() {
    let lab = Lab::new(Version::V19);
    let mut sys = lab.sys();
    sys.ok("CREATE USER scott IDENTIFIED BY \"Pw-1-abc\"");
    sys.fails("CREATE USER scott IDENTIFIED BY \"Pw-1-abc\"", 1920);
    sys.fails("CREATE USER SCOTT IDENTIFIED BY \"Pw-1-abc\"", 1920);
    sys.ok("CREATE USER \"scott\" IDENTIFIED BY \"Pw-1-abc\"");
    sys.ok("CREATE ROLE readers");
    // Users and roles share their names.
    sys.fails("CREATE USER readers IDENTIFIED BY \"Pw-1-abc\"", 1920);
    sys.fails("CREATE USER tiger IDENTIFIED BY \"Pw-1-abc\" PROFILE nothing", 2380);
    sys.fails("ALTER USER nobody ACCOUNT LOCK", 1918);
    sys.fails("DROP USER nobody", 1918);
    sys.fails("GRANT CREATE SESSION TO nobody", 1917);
    sys.fails("REVOKE CREATE SESSION FROM nobody", 1917);
    sys.ok("GRANT UNLIMITED TABLESPACE TO scott");
    lab.table("scott.emp");
    sys.fails("DROP USER scott", 1922);
    sys.ok("DROP USER scott CASCADE");
    assert_eq!(sys.column("SELECT COUNT(*) FROM dba_objects WHERE owner = 'SCOTT'"), ["0"]);
}

/// "CREATE USER", "ALTER USER", "DROP USER", Prerequisites.
#[test]
fn each_takes_its_system_privilege() {
    let lab = Lab::new(Version::V19);
    lab.user("scott", "");
    lab.user("tiger", "");
    let mut scott = lab.open("scott");
    for statement in [
        "CREATE USER x IDENTIFIED BY \"Pw-1-abc\"",
        "ALTER USER tiger ACCOUNT LOCK",
        "ALTER USER tiger IDENTIFIED BY \"Pw-2-abc\"",
        "DROP USER tiger",
        "CREATE PROFILE p LIMIT PASSWORD_LIFE_TIME UNLIMITED",
        "GRANT CREATE SESSION TO tiger",
        "ALTER SYSTEM KILL SESSION '1,1'",
    ] {
        scott.fails(statement, 1031);
    }
    scott.ok("ALTER USER scott IDENTIFIED BY \"Pw-2-abc\"");
    assert_eq!(scott.run("DROP USER nobody"), Err(1031), "who may not drop is not told who is there");
}

/// With ADMIN OPTION a system privilege can be passed on ("GRANT", Prerequisites).
#[test]
fn a_system_privilege_is_passed_on_with_the_admin_option_only() {
    let lab = Lab::new(Version::V19);
    lab.user("admin", "");
    lab.user("scott", "");
    lab.open("admin").fails("GRANT CREATE SESSION TO scott", 1031);
    lab.sys().ok("GRANT CREATE SESSION TO admin WITH ADMIN OPTION");
    let mut admin = lab.open("admin");
    admin.ok("GRANT CREATE SESSION TO scott");
    admin.ok("REVOKE CREATE SESSION FROM scott");
    admin.fails("REVOKE CREATE SESSION FROM scott", 1952);
    admin.fails("GRANT CREATE NOTHING TO scott", 990);
    admin.fails("GRANT nothing TO scott", 1919);
    admin.fails("GRANT DBA TO scott", 1932);
    lab.sys().fails("REVOKE DBA FROM scott", 1951);
}

/// "DROP USER": a user who is connected cannot be dropped; a killed session counts until it is cleaned up.
#[test]
fn who_is_connected_cannot_be_dropped() {
    let lab = Lab::new(Version::V19);
    lab.user("scott", "");
    let scott = lab.open("scott");
    let mut sys = lab.sys();
    sys.fails("DROP USER scott", 1940);
    let ids = sys.rows("SELECT sid, serial# FROM v$session WHERE username = 'SCOTT'");
    sys.ok(&format!("ALTER SYSTEM KILL SESSION '{},{}' IMMEDIATE", ids[0][0], ids[0][1]));
    sys.fails("DROP USER scott", 1940);
    std::thread::sleep(std::time::Duration::from_millis(120));
    sys.ok("DROP USER scott");
    drop(scott);
}

/// "CREATE PROFILE", "DROP PROFILE"; error messages ORA-02376 to ORA-02382.
#[test]
fn profiles() {
    let lab = Lab::new(Version::V19);
    let mut sys = lab.sys();
    sys.ok("CREATE PROFILE forever LIMIT PASSWORD_LIFE_TIME UNLIMITED");
    sys.fails("CREATE PROFILE forever LIMIT PASSWORD_LIFE_TIME UNLIMITED", 2379);
    sys.fails("CREATE PROFILE other LIMIT NO_SUCH_LIMIT 1", 2376);
    sys.fails("CREATE PROFILE other LIMIT PASSWORD_LIFE_TIME soon", 2377);
    let limits = "SELECT resource_name, limit FROM dba_profiles WHERE profile = 'FOREVER'
                  AND resource_name IN ('PASSWORD_LIFE_TIME', 'FAILED_LOGIN_ATTEMPTS') ORDER BY 1";
    // What is not said is as in DEFAULT.
    assert_eq!(sys.rows(limits), [["FAILED_LOGIN_ATTEMPTS", "DEFAULT"], ["PASSWORD_LIFE_TIME", "UNLIMITED"]]);
    sys.ok("CREATE USER scott IDENTIFIED BY \"Pw-1-abc\" PROFILE forever");
    assert_eq!(sys.rows("SELECT profile, expiry_date FROM dba_users WHERE username = 'SCOTT'"), [["FOREVER", ""]]);
    sys.fails("DROP PROFILE forever", 2382);
    sys.ok("DROP PROFILE forever CASCADE");
    sys.fails("DROP PROFILE forever", 2380);
    assert_eq!(sys.column("SELECT profile FROM dba_users WHERE username = 'SCOTT'"), ["DEFAULT"]);
}

/// "CREATE USER", Password Requirements; ORA-28003.
#[test]
fn passwords_have_rules() {
    let lab = Lab::with(Options::new(Version::V19).verify_passwords());
    let mut sys = lab.sys();
    sys.fails("CREATE USER scott IDENTIFIED BY \"short1\"", 28003);
    sys.fails("CREATE USER scott IDENTIFIED BY \"no-digits-here\"", 28003);
    sys.fails("CREATE USER scott IDENTIFIED BY \"a\"\"b-1234567\"", 922);
    sys.fails("CREATE USER scott IDENTIFIED BY \"\"", 1741);
    // 30 bytes, and 1024 from 23ai on.
    sys.fails(&format!("CREATE USER scott IDENTIFIED BY \"{}1\"", "x".repeat(30)), 972);
    sys.ok(&format!("CREATE USER scott IDENTIFIED BY \"{}1\"", "x".repeat(29)));
    let later = Lab::new(Version::V23);
    later.sys().ok(&format!("CREATE USER scott IDENTIFIED BY \"{}1\"", "x".repeat(30)));
}

/// "Common Users and Local Users"; ORA-65096, ORA-65094.
#[test]
fn in_the_root_users_are_common() {
    let lab = Lab::with(Options::new(Version::V19).root());
    lab.sys().fails("CREATE USER scott IDENTIFIED BY \"Pw-1-abc\"", 65096);
    lab.sys().ok("CREATE USER c##scott IDENTIFIED BY \"Pw-1-abc\"");
    assert_eq!(lab.sys().column("SELECT SYS_CONTEXT('USERENV', 'CON_NAME') FROM dual"), ["CDB$ROOT"]);
    let pluggable = Lab::new(Version::V19);
    pluggable.sys().fails("CREATE USER c##scott IDENTIFIED BY \"Pw-1-abc\"", 65094);
}

/// No password shows in what is printed.
#[test]
fn debug_keeps_passwords() {
    let lab = Lab::new(Version::V19);
    lab.user("scott", "");
    let shown = format!("{:?}", lab.server);
    assert!(shown.contains("SCOTT") && !shown.contains("Pw-1-abc"), "{shown}");
    let parsed = lab.sys().0.parse("ALTER USER scott IDENTIFIED BY \"Pw-1-abc\"").unwrap();
    assert!(!format!("{parsed:?}").contains("Pw-1-abc"));
}
