use super::Lab;
use crate::options::Version;

fn lab() -> Lab {
    let lab = Lab::new(Version::V19);
    lab.user("owner", "CREATE TABLE, CREATE VIEW");
    lab.user("admin", "");
    lab.user("reader", "");
    lab.table("owner.t");
    lab
}

const GRANTORS: &str = "SELECT grantor, privilege FROM dba_tab_privs WHERE grantee = 'READER' ORDER BY 1, 2";

/// "GRANT", Prerequisites: owner; grant option; GRANT ANY OBJECT PRIVILEGE, which grants in the owner's name.
#[test]
fn the_grantor_is_who_had_the_option_else_the_owner() {
    let lab = lab();
    let mut sys = lab.sys();
    lab.open("admin").fails("GRANT READ ON owner.t TO reader", 942);
    sys.ok("GRANT READ ON owner.t TO admin");
    lab.open("admin").fails("GRANT READ ON owner.t TO reader", 1031);
    sys.ok("GRANT READ ON owner.t TO admin WITH GRANT OPTION");
    lab.open("admin").ok("GRANT READ ON owner.t TO reader");
    assert_eq!(sys.rows(GRANTORS), [["ADMIN", "READ"]]);
    lab.open("owner").ok("GRANT READ ON t TO reader");
    assert_eq!(sys.rows(GRANTORS), [["ADMIN", "READ"], ["OWNER", "READ"]]);
    // Each takes back its own.
    lab.open("owner").ok("REVOKE READ ON t FROM reader");
    assert_eq!(sys.rows(GRANTORS), [["ADMIN", "READ"]]);
    lab.open("owner").fails("REVOKE READ ON t FROM reader", 1927);
    lab.user("boss", "GRANT ANY OBJECT PRIVILEGE");
    lab.open("boss").ok("GRANT READ ON owner.t TO reader");
    assert_eq!(sys.rows(GRANTORS), [["ADMIN", "READ"], ["OWNER", "READ"]]);
    lab.open("boss").ok("REVOKE READ ON owner.t FROM reader");
    // "REVOKE": what came by way of a grant option is not the owner's.
    lab.open("boss").fails("REVOKE READ ON owner.t FROM reader", 1927);
    assert_eq!(sys.rows(GRANTORS), [["ADMIN", "READ"]]);
}

/// "REVOKE", Revoking Object Privileges: it cascades to what the grantee has passed on.
#[test]
fn a_revoke_cascades() {
    let lab = lab();
    lab.open("owner").ok("GRANT READ ON t TO admin WITH GRANT OPTION");
    lab.open("admin").ok("GRANT READ ON owner.t TO reader");
    lab.open("owner").ok("REVOKE READ ON t FROM admin");
    assert!(lab.sys().rows(GRANTORS).is_empty());
    lab.open("reader").fails("SELECT * FROM owner.t", 942);
}

/// Error messages ORA-01927, ORA-00942, ORA-01749, ORA-01926, ORA-00990.
#[test]
fn what_cannot_be_granted_or_revoked() {
    let lab = lab();
    let mut owner = lab.open("owner");
    owner.fails("REVOKE READ ON t FROM reader", 1927);
    owner.fails("REVOKE READ ON t FROM nobody", 1917);
    owner.fails("REVOKE READ ON missing FROM reader", 942);
    owner.fails("GRANT READ ON missing TO reader", 942);
    owner.fails("GRANT READ ON t TO nobody", 1917);
    owner.fails("GRANT READ ON t TO owner", 1749);
    owner.fails("GRANT EVERYTHING ON t TO reader", 990);
    owner.fails("GRANT READ ON user TO reader", 903);
    lab.sys().ok("CREATE ROLE readers");
    owner.fails("GRANT READ ON t TO readers WITH GRANT OPTION", 1926);
    owner.ok("GRANT READ ON t TO readers");
    owner.ok("GRANT ALL PRIVILEGES ON t TO reader");
    owner.ok("REVOKE ALL ON t FROM reader");
    owner.ok("REVOKE ALL ON t FROM reader");
}

/// "GRANT", READ object privilege: came with 12.1.0.2; lets query, not lock.
#[test]
fn read_is_less_than_select() {
    let lab = lab();
    let mut reader = lab.open("reader");
    lab.open("owner").ok("GRANT READ ON t TO reader");
    assert_eq!(reader.column("SELECT COUNT(*) FROM owner.t"), ["2"]);
    reader.fails("SELECT * FROM owner.t FOR UPDATE", 1031);
    lab.open("owner").ok("GRANT SELECT ON t TO reader");
    reader.ok("SELECT * FROM owner.t FOR UPDATE");
    // A locked row keeps others from dropping the table.
    lab.sys().fails("DROP TABLE owner.t PURGE", 54);
    reader.ok("ROLLBACK");
    lab.sys().ok("DROP TABLE owner.t PURGE");

    let old = Lab::new(Version::V11);
    old.user("owner", "CREATE TABLE");
    old.table("owner.t");
    old.user("reader", "");
    old.sys().fails("GRANT READ ON owner.t TO reader", 990);
    old.sys().ok("GRANT SELECT ON owner.t TO reader");
}

/// What one has no right on is not there; what one has another right on is refused (ORA-01031; 23ai: ORA-41900).
#[test]
fn a_missing_right_looks_like_a_missing_table() {
    for (version, refused) in [(Version::V19, 1031), (Version::V23, 41900)] {
        let lab = Lab::new(version);
        lab.user("owner", "CREATE TABLE");
        lab.user("reader", "");
        lab.table("owner.t");
        let mut reader = lab.open("reader");
        reader.fails("SELECT * FROM owner.t", 942);
        reader.fails("DELETE FROM owner.t", 942);
        reader.fails("SELECT * FROM owner.missing", 942);
        lab.sys().ok("GRANT READ ON owner.t TO reader");
        reader.fails("DELETE FROM owner.t", refused);
        reader.fails("INSERT INTO owner.t VALUES (3, 'three')", refused);
        reader.fails("UPDATE owner.t SET name = 'x'", refused);
        reader.fails("DROP TABLE owner.t", 1031);
        reader.fails("CREATE TABLE reader.mine (id NUMBER)", 1031);
        lab.sys().ok("REVOKE READ ON owner.t FROM reader");
        lab.sys().ok("GRANT INSERT ON owner.t TO reader");
        reader.fails("SELECT * FROM owner.t", refused);
    }
}

/// "Restrictions on System Privilege Use": ANY does not reach SYS's objects.
#[test]
fn any_does_not_reach_sys() {
    let lab = lab();
    lab.user("boss", "SELECT ANY TABLE, GRANT ANY OBJECT PRIVILEGE, EXECUTE ANY PROCEDURE");
    let mut boss = lab.open("boss");
    assert_eq!(boss.column("SELECT COUNT(*) FROM owner.t"), ["2"]);
    boss.fails("SELECT * FROM dba_users", 942);
    boss.fails("GRANT EXECUTE ON SYS.DBMS_LOCK TO reader", 942);
    // SYSTEM sees it, by its roles, and may not pass it on until SYS lets it.
    lab.system().fails("GRANT EXECUTE ON SYS.DBMS_LOCK TO reader", 1031);
    lab.sys().ok("GRANT EXECUTE ON SYS.DBMS_LOCK TO system WITH GRANT OPTION");
    lab.system().ok("GRANT EXECUTE ON SYS.DBMS_LOCK TO reader");
}

/// "CREATE VIEW", Prerequisites: its owner must have the privileges itself; ORA-01720 when it cannot pass them on.
#[test]
fn a_view_reads_with_its_owners_rights() {
    let lab = lab();
    lab.user("maker", "CREATE VIEW");
    let mut maker = lab.open("maker");
    maker.fails("CREATE VIEW v AS SELECT id FROM owner.t", 942);
    lab.sys().ok("CREATE ROLE readers");
    lab.sys().ok("GRANT READ ON owner.t TO readers");
    lab.sys().ok("GRANT readers TO maker");
    lab.open("maker").fails("CREATE VIEW v AS SELECT id FROM owner.t", 942);
    lab.sys().ok("GRANT READ ON owner.t TO maker");
    maker.ok("CREATE VIEW v AS SELECT id FROM owner.t");
    maker.fails("GRANT READ ON v TO reader", 1720);
    lab.sys().ok("GRANT READ ON owner.t TO maker WITH GRANT OPTION");
    maker.ok("GRANT READ ON v TO reader");
    let mut reader = lab.open("reader");
    assert_eq!(reader.column("SELECT COUNT(*) FROM maker.v"), ["2"]);
    reader.fails("SELECT * FROM owner.t", 942);
    lab.sys().ok("REVOKE READ ON owner.t FROM maker");
    assert_eq!(reader.run("SELECT * FROM maker.v"), Err(4063));
}

/// "GRANT", schema privileges: from 23ai on.
#[test]
fn schema_privileges() {
    let lab = Lab::new(Version::V23);
    lab.user("owner", "CREATE TABLE");
    lab.user("reader", "");
    lab.table("owner.t");
    lab.sys().ok("GRANT READ ANY TABLE ON SCHEMA owner TO reader");
    assert_eq!(lab.open("reader").column("SELECT COUNT(*) FROM owner.t"), ["2"]);
    let seen = "SELECT privilege FROM dba_schema_privs WHERE grantee = 'READER' AND schema = 'OWNER'";
    assert_eq!(lab.sys().column(seen), ["READ ANY TABLE"]);
    lab.sys().ok("REVOKE READ ANY TABLE ON SCHEMA owner FROM reader");
    lab.open("reader").fails("SELECT * FROM owner.t", 942);
    Lab::new(Version::V19).sys().fails("SELECT * FROM dba_schema_privs", 942);
}

/// What is granted to PUBLIC everybody has ("Database Security Guide", PUBLIC role).
#[test]
fn public_is_everybody() {
    let lab = lab();
    lab.sys().ok("GRANT READ ON owner.t TO PUBLIC");
    assert_eq!(lab.open("reader").column("SELECT COUNT(*) FROM owner.t"), ["2"]);
    lab.sys().ok("REVOKE READ ON owner.t FROM PUBLIC");
    lab.open("reader").fails("SELECT * FROM owner.t", 942);
}

/// Column privileges: INSERT, UPDATE and REFERENCES only ("GRANT").
#[test]
fn columns() {
    let lab = lab();
    let mut owner = lab.open("owner");
    owner.ok("GRANT UPDATE (name) ON t TO reader");
    owner.fails("GRANT SELECT (name) ON t TO reader", 969);
    let seen = "SELECT column_name, privilege, grantor FROM dba_col_privs WHERE grantee = 'READER'";
    assert_eq!(lab.sys().rows(seen), [["NAME", "UPDATE", "OWNER"]]);
    assert!(lab.sys().rows(GRANTORS).is_empty());
}

/// "ALL_TAB_PRIVS_MADE": grants made by the current user, or on objects that it owns. What was granted in an owner's name is
/// the owner's.
#[test]
fn everybody_sees_the_grants_it_made() {
    let lab = Lab::new(Version::V19);
    lab.user("owner", "CREATE TABLE");
    lab.user("other", "");
    lab.user("grants_all", "GRANT ANY OBJECT PRIVILEGE");
    lab.user("reader", "");
    lab.table("owner.t");
    let made = "SELECT privilege || ' by ' || grantor FROM sys.all_tab_privs_made WHERE grantee = 'READER' ORDER BY 1";
    lab.open("owner").ok("GRANT READ ON t TO other WITH GRANT OPTION");
    lab.open("other").ok("GRANT READ ON owner.t TO reader");
    assert_eq!(lab.open("other").column(made), ["READ by OTHER"]);
    lab.open("grants_all").ok("GRANT SELECT ON owner.t TO reader");
    assert!(lab.open("grants_all").column(made).is_empty());
    assert_eq!(lab.open("owner").column(made), ["READ by OTHER", "SELECT by OWNER"]);
    assert!(lab.open("reader").column(made).is_empty());
}
