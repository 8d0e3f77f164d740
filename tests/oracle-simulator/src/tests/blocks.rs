use std::time::{Duration, Instant};

use super::{Client, Lab};
use crate::options::{Options, Version};
use crate::value::Value;

fn lab() -> Lab {
    let lab = Lab::new(Version::V19);
    lab.user("scott", "EXECUTE_CATALOG_ROLE");
    lab.user("owner", "CREATE TABLE");
    lab.table("owner.t");
    lab
}

/// What DBMS_LOCK.REQUEST answers, by way of an error that is raised.
fn lock(client: &mut Client, call: &str) -> i128 {
    let block = format!("DECLARE n INTEGER; BEGIN n := {call}; RAISE_APPLICATION_ERROR(-20100 - n, 'answer'); END;");
    i128::from(client.run(&block).unwrap_err()) - 20_100
}

const X: &str = "DBMS_LOCK.REQUEST(7, DBMS_LOCK.X_MODE, 0)";

/// "DBMS_LOCK": 0 success, 1 timeout, 3 parameter error, 4 already own or do not own it, 5 illegal handle.
#[test]
fn locks_answer_as_documented() {
    let lab = lab();
    let (mut one, mut two) = (lab.open("scott"), lab.open("scott"));
    assert_eq!(lock(&mut one, X), 0);
    assert_eq!(lock(&mut one, X), 4);
    assert_eq!(lock(&mut two, X), 1);
    assert_eq!(lock(&mut two, "SYS.DBMS_LOCK.RELEASE(id => 7)"), 4);
    assert_eq!(lock(&mut one, "DBMS_LOCK.RELEASE(7)"), 0);
    assert_eq!(lock(&mut two, "DBMS_LOCK.REQUEST(id => 7, timeout => 0, release_on_commit => FALSE)"), 0);
    assert_eq!(lock(&mut one, "DBMS_LOCK.REQUEST(1073741823, timeout => 0)"), 0);
    assert_eq!(lock(&mut one, "DBMS_LOCK.REQUEST(1073741824, timeout => 0)"), 3);
    assert_eq!(lock(&mut one, "DBMS_LOCK.REQUEST(8, 9, 0)"), 3);
    assert_eq!(lock(&mut one, "DBMS_LOCK.REQUEST(lockhandle => 'nonsense', timeout => 0)"), 5);
    // Shared locks go together, and convert when they are alone.
    assert_eq!(lock(&mut one, "DBMS_LOCK.REQUEST(9, DBMS_LOCK.S_MODE, 0)"), 0);
    assert_eq!(lock(&mut two, "DBMS_LOCK.REQUEST(9, DBMS_LOCK.S_MODE, 0)"), 0);
    assert_eq!(lock(&mut one, "DBMS_LOCK.CONVERT(9, DBMS_LOCK.X_MODE, 0)"), 1);
    assert_eq!(lock(&mut two, "DBMS_LOCK.RELEASE(9)"), 0);
    assert_eq!(lock(&mut one, "DBMS_LOCK.CONVERT(9, DBMS_LOCK.X_MODE, 0)"), 0);
}

/// "DBMS_LOCK": released when the session ends, and by COMMIT only if so asked for. DDL commits.
#[test]
fn locks_end_with_the_session_and_not_with_ddl() {
    let lab = lab();
    let (mut one, mut two) = (lab.open("scott"), lab.open("scott"));
    assert_eq!(lock(&mut one, X), 0);
    one.ok("ALTER USER scott IDENTIFIED BY \"Pw-1-abc\"");
    assert_eq!(lock(&mut two, X), 1);
    drop(one);
    assert_eq!(lock(&mut two, X), 0);
    let mut sys = lab.sys();
    let id =
        sys.rows("SELECT s.sid, s.serial# FROM v$lock l JOIN v$session s ON s.sid = l.sid WHERE l.id1 = 7").remove(0);
    sys.ok(&format!("ALTER SYSTEM KILL SESSION '{},{}' IMMEDIATE", id[0], id[1]));
    let mut three = lab.open("scott");
    assert_eq!(lock(&mut three, "DBMS_LOCK.REQUEST(7, 6, 0, TRUE)"), 0);
    let mut four = lab.open("scott");
    assert_eq!(lock(&mut four, X), 1);
    three.ok("COMMIT");
    assert_eq!(lock(&mut four, X), 0);
}

/// REQUEST waits as long as it is told, and for whoever lets go.
#[test]
fn a_request_waits() {
    let lab = lab();
    let (mut one, mut two) = (lab.open("scott"), lab.open("scott"));
    assert_eq!(lock(&mut one, X), 0);
    let start = Instant::now();
    assert_eq!(lock(&mut two, "DBMS_LOCK.REQUEST(7, 6, 1)"), 1);
    assert!((1.0..1.9).contains(&start.elapsed().as_secs_f32()), "{:?}", start.elapsed());
    std::thread::scope(|scope| {
        scope.spawn(|| {
            std::thread::sleep(Duration::from_millis(200));
            drop(one);
        });
        assert_eq!(lock(&mut two, "DBMS_LOCK.REQUEST(7, 6, 10)"), 0);
    });
    assert!(start.elapsed() < Duration::from_secs(4));
}

/// A session that waits can be killed.
#[test]
fn a_waiting_session_can_be_killed() {
    let lab = lab();
    let (mut one, mut two, mut sys) = (lab.open("scott"), lab.open("owner"), lab.sys());
    sys.ok("GRANT EXECUTE ON SYS.DBMS_LOCK TO owner");
    assert_eq!(lock(&mut one, X), 0);
    std::thread::scope(|scope| {
        let waiting = scope.spawn(move || two.run("DECLARE n NUMBER; BEGIN n := DBMS_LOCK.REQUEST(7); END;"));
        std::thread::sleep(Duration::from_millis(200));
        let id = sys.rows("SELECT sid, serial#, status FROM v$session WHERE username = 'OWNER'").remove(0);
        assert_eq!(id[2], "ACTIVE");
        sys.ok(&format!("ALTER SYSTEM KILL SESSION '{},{}'", id[0], id[1]));
        assert_eq!(waiting.join().unwrap(), Err(28));
    });
}

/// "DBMS_LOCK", ALLOCATE_UNIQUE: one handle for one name, in every session; it commits.
#[test]
fn named_locks() {
    let lab = lab();
    let block = "DECLARE h VARCHAR2(128); n INTEGER; BEGIN DBMS_LOCK.ALLOCATE_UNIQUE('dzconn', h);
                 n := DBMS_LOCK.REQUEST(lockhandle => h, timeout => 0); RAISE_APPLICATION_ERROR(-20100 - n, 'x'); END;";
    let (mut one, mut two) = (lab.open("scott"), lab.open("scott"));
    assert_eq!((one.run(block), two.run(block), one.run(block)), (Err(20100), Err(20101), Err(20104)));
}

/// PLS-00201, PLS-00302, PLS-00306: nothing of a block that does not compile is run. What may not be used is not declared.
#[test]
fn a_block_is_compiled_first() {
    let lab = lab();
    lab.user("poor", "CREATE TABLE");
    let mut poor = lab.open("poor");
    for inside in [
        "DBMS_LOCK.SLEEP(0)",
        "no_such(1)",
        "x := 1",
        "UPDATE owner.t SET id = 1",
        "DBMS_OUTPUT.NO_SUCH",
        "DBMS_OUTPUT.PUT_LINE",
        "DBMS_OUTPUT.PUT_LINE(1, 2)",
        "RAISE no_such_exception",
        "GRANT CREATE SESSION TO poor",
        "IF 1 = 1 THEN NULL",
    ] {
        poor.fails(&format!("BEGIN EXECUTE IMMEDIATE 'CREATE TABLE made (id NUMBER)'; {inside}; END;"), 6550);
    }
    poor.fails("SELECT * FROM made", 942);
    poor.ok("BEGIN DBMS_OUTPUT.PUT_LINE('hello'); END;");
    poor.fails("DECLARE n NUMBER; BEGIN SELECT id INTO n FROM owner.t; END;", 6550);
}

/// "How Roles Work in PL/SQL Blocks": enabled in anonymous blocks; a view's owner has none.
#[test]
fn roles_count_in_anonymous_blocks() {
    let lab = lab();
    let mut scott = lab.open("scott");
    scott.ok("BEGIN DBMS_LOCK.SLEEP(0); END;");
    scott.ok("SET ROLE NONE");
    scott.fails("BEGIN DBMS_LOCK.SLEEP(0); END;", 6550);
}

/// "Dynamic SQL": it is read when it is run, and its error is the block's first.
#[test]
fn dynamic_sql() {
    let lab = lab();
    let mut scott = lab.open("scott");
    let run = "BEGIN EXECUTE IMMEDIATE :1; END;";
    assert_eq!(scott.run_with(run, &[Value::text("DROP USER owner")]), Err(1031));
    assert_eq!(scott.run_with(run, &[Value::text("SELECT * FROM nothing")]), Err(942));
    assert_eq!(scott.run_with(run, &[Value::text("no statement")]), Err(900));
    assert_eq!(scott.run_with(run, &[Value::text("BEGIN RAISE_APPLICATION_ERROR(-20999, 'x'); END;")]), Err(20999));
    assert_eq!(scott.run_with(run, &[Value::text("ALTER USER scott IDENTIFIED BY \"Pw-1-abc\"")]), Ok(Vec::new()));
    let into = "DECLARE n NUMBER; BEGIN EXECUTE IMMEDIATE 'SELECT :x + 1 FROM dual' INTO n USING 41;
                IF n <> 42 THEN RAISE_APPLICATION_ERROR(-20001, n); END IF; END;";
    // Here placeholders have names; the simulator's are numbered.
    assert_eq!(scott.run(&into.replace(":x", ":1")), Ok(Vec::new()));
}

/// "PL/SQL Error Handling", "PL/SQL Control Statements".
#[test]
fn steps_loops_and_handlers() {
    let mut sys = Lab::with(Options::new(Version::V19)).sys();
    let block = "
        DECLARE
          total NUMBER := 0;
          busy EXCEPTION;
          PRAGMA EXCEPTION_INIT(busy, -1918);
          mine EXCEPTION;
          PROCEDURE more(n IN NUMBER) IS BEGIN total := total + n; END more;
        BEGIN
          FOR i IN 1 .. 4 LOOP
            CONTINUE WHEN i = 2;
            more(i);
          END LOOP;                                                    -- 8
          FOR r IN (SELECT username AS name FROM dba_users WHERE username IN ('SYS', 'SYSTEM')) LOOP
            total := total + LENGTH(r.name);
          END LOOP;                                                    -- 17
          BEGIN
            EXECUTE IMMEDIATE 'DROP USER nobody';
          EXCEPTION WHEN busy THEN total := total + 100;
          END;                                                         -- 117
          BEGIN
            RAISE mine;
          EXCEPTION WHEN mine THEN total := total + 1000;
          END;                                                         -- 1117
          BEGIN
            SELECT 1 INTO total FROM dual WHERE 1 = 0;
          EXCEPTION WHEN NO_DATA_FOUND THEN NULL;
          END;
          WHILE total < 2000 LOOP
            total := total + 1;
            EXIT WHEN total = 1500;
          END LOOP;
          IF total = 1500 THEN RAISE_APPLICATION_ERROR(-20150, 'as it should be');
          ELSIF total > 1500 THEN NULL;
          ELSE RAISE mine;
          END IF;
        EXCEPTION
          WHEN OTHERS THEN
            IF SQLCODE = -20150 THEN RAISE_APPLICATION_ERROR(-20777, SQLERRM); END IF;
            RAISE;
        END;";
    assert_eq!(sys.run(block), Err(20777));
    assert_eq!(sys.run("DECLARE mine EXCEPTION; BEGIN RAISE mine; END;"), Err(6510));
    assert_eq!(sys.run("BEGIN RAISE_APPLICATION_ERROR(-1, 'x'); END;"), Err(21000));
    // The right side of OR is not evaluated if the left is true.
    assert_eq!(sys.run("BEGIN IF TRUE OR 1 / 0 = 1 THEN NULL; END IF; END;"), Ok(Vec::new()));
}
