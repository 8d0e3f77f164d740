use super::Lab;
use crate::options::{Options, Version};

/// "Database Object Naming Rules".
#[test]
fn quoted_names_are_exact_and_others_are_folded() {
    let lab = Lab::new(Version::V19);
    lab.user("owner", "CREATE TABLE");
    let mut owner = lab.open("owner");
    for name in
        ["lower", "\"lower\"", "\"it's; -- a 'name'\"", "\" \"", "\"select\"", "\"日本😀\"", "\"a.b\"", "\"new\nline\""]
    {
        owner.ok(&format!("CREATE TABLE {name} (id NUMBER)"));
        assert_eq!(owner.column(&format!("SELECT COUNT(*) FROM owner.{name}")), ["0"]);
    }
    owner.fails("CREATE TABLE LOWER (id NUMBER)", 955);
    owner.fails("CREATE TABLE \"\" (id NUMBER)", 1741);
    assert!(owner.run("CREATE TABLE \"a\"\"b\" (id NUMBER)").is_err(), "two quotes are not one");
    owner.fails("CREATE TABLE \"open (id NUMBER)", 1740);
    owner.fails("CREATE TABLE select (id NUMBER)", 903);
    owner.fails("SELECT * FROM order", 903);
    owner.fails("SELECT 'open FROM dual", 1756);
    owner.fails("SELECT ! FROM dual", 911);
    owner.fails("SELECT 1 FROM dual;", 911);
    let names = owner.column("SELECT table_name FROM user_tables WHERE table_name LIKE '%it''s%'");
    assert_eq!(names, ["it's; -- a 'name'"]);
}

/// 30 bytes if COMPATIBLE is below 12.2, else 128; bytes, not characters. ORA-00972.
#[test]
fn names_have_a_longest_length() {
    for (options, longest) in [(Options::new(Version::V19).short_names(), 30), (Options::new(Version::V19), 128)] {
        let lab = Lab::with(options);
        let mut sys = lab.sys();
        sys.ok(&format!("CREATE USER {} IDENTIFIED BY \"Pw-1-abc\"", "x".repeat(longest)));
        sys.fails(&format!("CREATE USER {} IDENTIFIED BY \"Pw-1-abc\"", "x".repeat(longest + 1)), 972);
        sys.ok(&format!("CREATE USER \"{}\" IDENTIFIED BY \"Pw-1-abc\"", "é".repeat(longest / 2)));
        sys.fails(&format!("CREATE USER \"{}\" IDENTIFIED BY \"Pw-1-abc\"", "é".repeat(longest / 2 + 1)), 972);
    }
}

/// What is not known is never done in silence.
#[test]
fn unknown_statements_fail() {
    let lab = Lab::new(Version::V19);
    let mut sys = lab.sys();
    for statement in
        ["", "HELLO", "TRUNCATE TABLE t", "CREATE DATABASE x", "ALTER SYSTEM FLUSH SHARED_POOL", "AUDIT ALL"]
    {
        sys.fails(statement, 900);
    }
    sys.fails("DROP USER x CASCADE PURGE", 933);
    sys.fails("GRANT CREATE SESSION TO x y", 933);
    sys.fails("CREATE USER x IDENTIFIED BY \"Pw-1-abc\" SOMETHING", 922);
    sys.fails("CREATE USER IF NOT EXISTS x IDENTIFIED BY \"Pw-1-abc\"", 922);
    // From 23ai on.
    let mut later = Lab::new(Version::V23).sys();
    later.ok("CREATE USER IF NOT EXISTS x IDENTIFIED BY \"Pw-1-abc\"");
    later.ok("CREATE USER IF NOT EXISTS x IDENTIFIED BY \"Pw-1-abc\"");
    later.ok("DROP USER IF EXISTS nobody");
}
