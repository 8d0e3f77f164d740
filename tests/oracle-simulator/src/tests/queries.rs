use super::Lab;
use crate::options::Version;
use crate::value::Value;

fn one(sql: &str) -> Vec<String> {
    let mut rows = Lab::new(Version::V19).sys().rows(sql);
    assert_eq!(rows.len(), 1, "{sql}");
    rows.remove(0)
}

/// "Nulls": a text without characters is null; null is equal to nothing.
#[test]
fn nulls() {
    assert_eq!(one("SELECT NVL('', 'null') FROM dual"), ["null"]);
    assert_eq!(one("SELECT CASE WHEN '' = '' THEN 'yes' WHEN '' IS NULL THEN 'null' END FROM dual"), ["null"]);
    assert_eq!(one("SELECT COUNT(*) FROM dual WHERE 1 NOT IN (2, NULL)"), ["0"]);
    assert_eq!(one("SELECT COUNT(*) FROM dual WHERE 1 NOT IN (2, 3)"), ["1"]);
    assert_eq!(one("SELECT 'a' || NULL || 'b' FROM dual"), ["ab"]);
    assert_eq!(one("SELECT DECODE(NULL, NULL, 'same', 'other') FROM dual"), ["same"]);
}

/// "Single-Row Functions", "Pattern-matching Conditions".
#[test]
fn functions_and_conditions() {
    assert_eq!(
        one("SELECT UPPER('äb'), SUBSTR('abcdef', -2), INSTR('abc', 'c'), LENGTHB('ä') FROM dual"),
        ["ÄB", "ef", "3", "2"]
    );
    assert_eq!(
        one("SELECT COUNT(*) FROM dual WHERE 'a_b' LIKE 'a\\_b' ESCAPE '\\' AND 'axb' NOT LIKE 'a\\_b' ESCAPE '\\'"),
        ["1"]
    );
    assert_eq!(one("SELECT COUNT(*) FROM dual WHERE 5 BETWEEN 1 AND 10 AND ('a', 1) IN (('b', 1), ('a', 1))"), ["1"]);
    assert_eq!(one("SELECT q'[it's]', N'x', MOD(7, 3), -2 * 3 FROM dual"), ["it's", "x", "1", "-6"]);
    let mut sys = Lab::new(Version::V19).sys();
    sys.fails("SELECT NO_SUCH_FUNCTION(1) FROM dual", 904);
    sys.fails("SELECT UPPER() FROM dual", 909);
    sys.fails("SELECT UPPER('a', 'b') FROM dual", 939);
    sys.fails("SELECT 'a' + 1 FROM dual", 1722);
    sys.fails("SELECT 1 / 0 FROM dual", 1476);
}

/// Names are checked before there are rows.
#[test]
fn a_wrong_name_fails_without_rows() {
    let mut sys = Lab::new(Version::V19).sys();
    sys.fails("SELECT missing FROM dba_tables WHERE 1 = 0", 904);
    sys.fails("SELECT 1 FROM dba_tables t WHERE EXISTS (SELECT 1 FROM dual WHERE t.missing = 1)", 904);
    sys.fails("SELECT 1 FROM dba_tables t WHERE 1 = 0 AND EXISTS (SELECT 1 FROM no_such_table)", 942);
    sys.fails("SELECT owner FROM dba_tables a, dba_objects b WHERE 1 = 0", 918);
    sys.fails("SELECT 1", 923);
    sys.fails("SELECT FROM dual", 936);
    sys.fails("SELECT owner FROM dba_tables GROUP BY table_name", 979);
    sys.fails("SELECT owner, COUNT(*) FROM dba_tables", 937);
    sys.fails("SELECT 1 FROM dual UNION SELECT 1, 2 FROM dual", 1789);
    assert_eq!(Lab::new(Version::V23).sys().rows("SELECT 1"), [["1"]]);
}

/// "Joins", "Using Subqueries", "SELECT".
#[test]
fn joins_groups_and_order() {
    let lab = Lab::new(Version::V19);
    lab.user("owner", "CREATE TABLE");
    lab.table("owner.a");
    lab.table("owner.b");
    let mut owner = lab.open("owner");
    owner.ok("DELETE FROM b WHERE id = 2");
    let left = "SELECT a.name, NVL(b.name, '-') FROM a LEFT JOIN b ON b.id = a.id ORDER BY a.id DESC";
    assert_eq!(owner.rows(left), [["two", "-"], ["one", "one"]]);
    assert_eq!(owner.column("SELECT a.name FROM a, b WHERE a.id = b.id"), ["one"]);
    assert_eq!(owner.column("SELECT name FROM a MINUS SELECT name FROM b"), ["two"]);
    assert_eq!(owner.column("SELECT name FROM a WHERE id = (SELECT MAX(id) FROM a)"), ["two"]);
    owner.fails("SELECT (SELECT id FROM a) FROM dual", 1427);
    let grouped =
        "SELECT LISTAGG(name, ',') WITHIN GROUP (ORDER BY name DESC), COUNT(*) FROM a GROUP BY 1 HAVING COUNT(*) > 1";
    assert_eq!(owner.rows(grouped), [["two,one", "2"]]);
    assert_eq!(owner.column("SELECT name FROM a ORDER BY 1 FETCH FIRST 1 ROWS ONLY"), ["one"]);
    assert_eq!(owner.column("SELECT name FROM a ORDER BY 1 OFFSET 1 ROWS FETCH NEXT 5 ROWS ONLY"), ["two"]);
    assert_eq!(owner.column("SELECT name FROM (SELECT name FROM a ORDER BY 1) WHERE ROWNUM <= 1"), ["one"]);
    assert_eq!(owner.column("SELECT name FROM a WHERE ROWNUM > 1"), Vec::<String>::new());
    let inside = "SELECT w.x FROM (SELECT 1 AS x FROM dual UNION ALL SELECT 2 FROM dual) w WHERE w.x > 1";
    assert_eq!(owner.column(inside), ["2"]);
    Lab::new(Version::V11).sys().fails("SELECT 1 FROM dual FETCH FIRST 1 ROWS ONLY", 933);
}

/// "Hierarchical Queries"; "SELECT", recursive subquery factoring.
#[test]
fn hierarchies() {
    let lab = Lab::new(Version::V19);
    lab.user("scott", "");
    let mut sys = lab.sys();
    for statement in ["CREATE ROLE r1", "CREATE ROLE r2", "GRANT r1 TO r2", "GRANT r2 TO scott"] {
        sys.ok(statement);
    }
    sys.fails("GRANT r2 TO r1", 1934);
    let roles = "SELECT granted_role, LEVEL FROM dba_role_privs START WITH grantee = 'SCOTT'
                 CONNECT BY grantee = PRIOR granted_role ORDER BY 2";
    assert_eq!(sys.rows(roles), [["R2", "1"], ["R1", "2"]]);
    let with = "WITH held (name) AS (SELECT granted_role FROM dba_role_privs WHERE grantee = 'SCOTT'
                UNION ALL SELECT p.granted_role FROM dba_role_privs p JOIN held h ON h.name = p.grantee)
                SELECT name FROM held ORDER BY 1";
    assert_eq!(sys.column(with), ["R1", "R2"]);
    let numbers = "SELECT LEVEL FROM dual CONNECT BY LEVEL <= 3";
    assert_eq!(sys.column(numbers), ["1", "2", "3"]);
}

/// Binds are values and nothing else.
#[test]
fn binds_are_values() {
    let lab = Lab::new(Version::V19);
    lab.user("\"it's\"", "");
    let mut sys = lab.sys();
    let query = "SELECT username FROM dba_users WHERE username = :1 AND 1 = :2";
    let found = sys.run_with(query, &[Value::text("it's"), Value::Number(1)]).unwrap();
    assert_eq!(found, [["it's"]]);
    assert_eq!(sys.run_with(query, &[Value::text("it's")]), Err(1008));
}

/// "Database Reference": which views are there for whom, and in which version.
#[test]
fn the_dictionary_is_for_who_may_see_it() {
    let lab = Lab::new(Version::V19);
    lab.user("scott", "");
    let mut scott = lab.open("scott");
    for view in
        ["dba_users", "sys.dba_tab_privs", "gv$session", "v$parameter", "dba_objects", "sys.dbms_lock_allocated"]
    {
        scott.fails(&format!("SELECT * FROM {view}"), 942);
    }
    for view in ["all_users", "all_objects", "session_privs", "v$version", "product_component_version", "user_users"] {
        scott.ok(&format!("SELECT * FROM {view}"));
    }
    assert_eq!(scott.column("SELECT privilege FROM session_privs"), ["CREATE SESSION"]);
    lab.sys().ok("GRANT SELECT_CATALOG_ROLE TO scott");
    scott.fails("SELECT * FROM dba_users", 942);
    let mut scott = lab.open("scott");
    scott.ok("SELECT * FROM dba_users");
    scott.fails("SELECT * FROM sys.dbms_lock_allocated", 942);
    // "SET ROLE".
    scott.ok("SET ROLE NONE");
    scott.fails("SELECT * FROM dba_users", 942);
    scott.ok("SET ROLE ALL");
    scott.ok("SELECT * FROM dba_users");
    lab.sys().ok("REVOKE SELECT_CATALOG_ROLE FROM scott");
    scott.fails("SELECT * FROM dba_users", 942);
    lab.sys().ok("GRANT SELECT ON SYS.GV_$SESSION TO scott");
    scott.ok("SELECT * FROM gv$session");
    lab.sys().ok("SELECT oracle_maintained FROM dba_users");
    Lab::new(Version::V11).sys().fails("SELECT oracle_maintained FROM dba_users", 904);
}

/// ALL_OBJECTS shows what the user owns or has some right on.
#[test]
fn all_objects_is_what_one_has_some_right_on() {
    let lab = Lab::new(Version::V19);
    lab.user("owner", "CREATE TABLE");
    lab.user("scott", "");
    lab.table("owner.t");
    let seen = "SELECT object_type FROM all_objects WHERE owner = 'OWNER' AND object_name = 'T'";
    let lock = "SELECT object_type FROM all_objects WHERE owner = 'SYS' AND object_name = 'DBMS_LOCK'";
    let mut scott = lab.open("scott");
    assert!(scott.rows(seen).is_empty() && scott.rows(lock).is_empty());
    lab.sys().ok("GRANT INSERT ON owner.t TO scott");
    lab.sys().ok("GRANT EXECUTE ON SYS.DBMS_LOCK TO scott");
    assert_eq!((scott.column(seen), scott.column(lock)), (vec!["TABLE".to_owned()], vec!["PACKAGE".to_owned()]));
}
