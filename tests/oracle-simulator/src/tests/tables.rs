use super::Lab;
use crate::options::Version;

/// "Using Flashback Drop and Managing the Recycle Bin": DROP TABLE renames, and what was granted goes along; PURGE removes.
#[test]
fn the_recycle_bin_keeps_table_and_grants() {
    let lab = Lab::new(Version::V19);
    lab.user("owner", "CREATE TABLE");
    lab.user("reader", "");
    lab.table("owner.t");
    let mut owner = lab.open("owner");
    owner.ok("GRANT READ ON t TO reader");
    owner.ok("DROP TABLE t");
    let granted = lab.sys().column("SELECT table_name FROM dba_tab_privs WHERE grantee = 'READER'");
    assert!(granted.len() == 1 && granted[0].starts_with("BIN$"), "{granted:?}");
    owner.fails(&format!("REVOKE READ ON \"{}\" FROM reader", granted[0]), 38301);
    let bin = "SELECT object_name FROM dba_recyclebin WHERE owner = 'OWNER' AND original_name = 'T'";
    assert_eq!(lab.sys().column(bin), granted);
    // A table of the old name is another one.
    lab.table("owner.t");
    lab.open("reader").fails("SELECT * FROM owner.t", 942);
    // What is only in the bin does not keep a user from being dropped.
    owner.ok("DROP TABLE t PURGE");
    drop(owner);
    lab.sys().ok("DROP USER owner");
    assert!(lab.sys().rows("SELECT * FROM dba_tab_privs WHERE grantee = 'READER'").is_empty());
}

/// Others do not see rows before COMMIT; DDL commits ("Data Concurrency and Consistency"; "Types of SQL Statements").
#[test]
fn rows_are_seen_when_they_are_committed() {
    let lab = Lab::new(Version::V19);
    lab.user("owner", "CREATE TABLE");
    lab.table("owner.t");
    let (mut one, mut two) = (lab.open("owner"), lab.open("owner"));
    let count = "SELECT COUNT(*) FROM t";
    one.ok("INSERT INTO t VALUES (3, 'three')");
    assert_eq!((one.column(count), two.column(count)), (vec!["3".to_owned()], vec!["2".to_owned()]));
    two.fails("DROP TABLE t PURGE", 54);
    one.ok("ROLLBACK");
    assert_eq!(one.column(count), ["2"]);
    one.ok("DELETE FROM t WHERE id = 1");
    one.ok("UPDATE t SET name = 'zwei' WHERE id = 2");
    assert_eq!(two.column("SELECT name FROM t ORDER BY id"), ["one", "two"]);
    one.ok("CREATE TABLE other (id NUMBER)");
    assert_eq!(two.column("SELECT name FROM t ORDER BY id"), ["zwei"]);
    one.ok("DELETE FROM t");
    drop(one);
    assert_eq!(two.column(count), ["1"], "a session that ends rolls back");
}

/// A row needs a quota ("Deferred Segment Creation"); ORA-01950.
#[test]
fn rows_need_a_quota() {
    let lab = Lab::new(Version::V19);
    let mut sys = lab.sys();
    sys.ok("CREATE USER poor IDENTIFIED BY \"Pw-1-abc\"");
    sys.ok("CREATE TABLE poor.t (id NUMBER)");
    sys.fails("INSERT INTO poor.t VALUES (1)", 1950);
    sys.ok("ALTER USER poor QUOTA 10M ON users");
    sys.ok("INSERT INTO poor.t VALUES (1)");
    sys.fails("CREATE TABLE poor.t (id NUMBER)", 955);
    sys.fails("CREATE TABLE nobody.t (id NUMBER)", 1918);
    sys.fails("INSERT INTO poor.t VALUES (1, 2)", 913);
    sys.fails("INSERT INTO poor.t (other) VALUES (1)", 904);
}

/// A name without a schema is in the session's own, else a public synonym ("Name Resolution in Schema Objects").
#[test]
fn names_are_resolved_by_schema_and_synonym() {
    let lab = Lab::new(Version::V19);
    lab.user("owner", "CREATE TABLE");
    lab.user("reader", "");
    lab.table("owner.t");
    lab.sys().ok("GRANT READ ON owner.t TO reader");
    let mut reader = lab.open("reader");
    reader.fails("SELECT * FROM t", 942);
    reader.ok("ALTER SESSION SET CURRENT_SCHEMA = owner");
    assert_eq!(reader.column("SELECT COUNT(*) FROM t"), ["2"]);
    lab.sys().ok("CREATE PUBLIC SYNONYM everybodys FOR owner.t");
    assert_eq!(lab.open("reader").column("SELECT COUNT(*) FROM everybodys"), ["2"]);
    lab.user("stranger", "");
    lab.open("stranger").fails("SELECT * FROM everybodys", 942);
}
