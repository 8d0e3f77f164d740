use std::time::Duration;

use dzconn_core::Secret;
use dzconn_core::model::{JdbcUrl, Tls};
use dzconn_oracle::driver::{Driver, Login, Trouble};

use super::{Client, Lab};
use crate::driver::Simulator;
use crate::options::{Options, Version};

fn ids(sys: &mut Client, user: &str) -> Vec<Vec<String>> {
    sys.rows(&format!("SELECT sid, serial#, inst_id, status FROM gv$session WHERE username = '{user}'"))
}

/// "Terminating Sessions": the victim's next call gets ORA-00028, the one after it ORA-01012; until then it is KILLED.
#[test]
fn a_killed_session_learns_it_with_its_next_call() {
    let lab = Lab::new(Version::V19);
    lab.user("scott", "");
    let (mut sys, mut scott) = (lab.sys(), lab.open("scott"));
    let id = ids(&mut sys, "SCOTT").remove(0);
    assert_eq!(id[3], "INACTIVE");
    let kill = format!("ALTER SYSTEM KILL SESSION '{},{}'", id[0], id[1]);
    sys.ok(&kill);
    sys.fails(&kill, 31);
    assert_eq!(ids(&mut sys, "SCOTT")[0][3], "KILLED");
    scott.fails("SELECT 1 FROM dual", 28);
    scott.fails("SELECT 1 FROM dual", 1012);
    assert!(ids(&mut sys, "SCOTT").is_empty());
    sys.fails(&kill, 30);
    sys.fails("ALTER SYSTEM KILL SESSION 'x'", 26);
    sys.fails("ALTER SYSTEM KILL SESSION '1'", 26);
}

/// ORA-00027; "ALTER SYSTEM", KILL SESSION clause: the session itself.
#[test]
fn nobody_kills_itself() {
    let lab = Lab::new(Version::V19);
    lab.user("scott", "ALTER SYSTEM, SELECT ANY DICTIONARY");
    let mut scott = lab.open("scott");
    let id = scott.rows("SELECT sid, serial# FROM v$session WHERE sid = SYS_CONTEXT('USERENV', 'SID')").remove(0);
    scott.fails(&format!("ALTER SYSTEM KILL SESSION '{},{}' IMMEDIATE", id[0], id[1]), 27);
}

/// GV$SESSION shows all instances, V$SESSION one's own; a session elsewhere is killed by `@inst_id`.
#[test]
fn sessions_are_on_instances() {
    let lab = Lab::with(Options::new(Version::V19).instances(2));
    lab.user("scott", "");
    let mut clients: Vec<Client> = (0..4).map(|_| lab.open("scott")).collect();
    let mut sys = lab.sys();
    let found = ids(&mut sys, "SCOTT");
    let mut instances: Vec<&str> = found.iter().map(|row| row[2].as_str()).collect();
    instances.sort_unstable();
    assert_eq!(instances, ["1", "1", "2", "2"]);
    assert_eq!(sys.rows("SELECT 1 FROM v$session WHERE username = 'SCOTT'").len(), 2);
    let here = sys.column("SELECT SYS_CONTEXT('USERENV', 'INSTANCE') FROM dual").remove(0);
    let there = found.iter().find(|row| row[2] != here).unwrap();
    sys.fails(&format!("ALTER SYSTEM KILL SESSION '{},{}'", there[0], there[1]), 30);
    for row in &found {
        sys.ok(&format!("ALTER SYSTEM KILL SESSION '{},{},@{}' IMMEDIATE", row[0], row[1], row[2]));
    }
    for client in &mut clients {
        client.fails("SELECT 1 FROM dual", 28);
    }
}

/// RDS for Oracle, "Terminating a session": no ALTER SYSTEM, but a package.
#[test]
fn on_rds_a_package_kills() {
    let lab = Lab::with(Options::new(Version::V19).rds());
    lab.user("scott", "");
    let mut scott = lab.open("scott");
    let mut master = lab.system();
    let id = ids(&mut master, "SCOTT").remove(0);
    master.fails(&format!("ALTER SYSTEM KILL SESSION '{},{}' IMMEDIATE", id[0], id[1]), 1031);
    let call = |id: &[String]| {
        format!("BEGIN rdsadmin.rdsadmin_util.kill(sid => {}, serial => {}, method => 'IMMEDIATE'); END;", id[0], id[1])
    };
    scott.fails(&call(&id), 6550);
    master.ok(&call(&id));
    scott.fails("SELECT 1 FROM dual", 28);
}

/// An open session loses a table with its next call; so does one that has it by a role.
#[test]
fn privileges_are_looked_at_with_each_call() {
    let lab = Lab::new(Version::V19);
    lab.user("owner", "CREATE TABLE");
    lab.user("scott", "");
    lab.table("owner.t");
    let mut scott = lab.open("scott");
    lab.sys().ok("GRANT READ ON owner.t TO scott");
    scott.ok("SELECT * FROM owner.t");
    lab.sys().ok("REVOKE READ ON owner.t FROM scott");
    scott.fails("SELECT * FROM owner.t", 942);
    // A role counts from the next login on ("SET ROLE").
    lab.sys().ok("CREATE ROLE readers");
    lab.sys().ok("GRANT READ ON owner.t TO readers");
    lab.sys().ok("GRANT readers TO scott");
    scott.fails("SELECT * FROM owner.t", 942);
    lab.open("scott").ok("SELECT * FROM owner.t");
}

/// "SYS_CONTEXT", namespace USERENV; ORA-02003.
#[test]
fn a_session_knows_where_it_is() {
    let lab = Lab::new(Version::V19);
    lab.user("scott", "");
    let mut scott = lab.open("scott");
    let of = "SELECT SYS_CONTEXT('USERENV', 'SESSION_USER'), SYS_CONTEXT('userenv', 'con_name'),
              SYS_CONTEXT('USERENV', 'SERVICE_NAME'), SYS_CONTEXT('USERENV', 'NETWORK_PROTOCOL'), USER FROM sys.dual";
    assert_eq!(scott.rows(of), [["SCOTT", "DZPDB", "dzpdb", "tcp", "SCOTT"]]);
    scott.fails("SELECT SYS_CONTEXT('USERENV', 'NO_SUCH') FROM dual", 2003);
}

/// ODPI-C, `dpiError.c`: after some answers, whatever they were about, every call is DPI-1080.
#[test]
fn over_odpi_an_answer_may_end_the_session() {
    let options = Options::new(Version::V19);
    for (odpi, trouble) in [(false, Trouble::Server(31)), (true, Trouble::Lost)] {
        let simulator = Simulator::new(if odpi { options.clone().odpi() } else { options.clone() });
        let login = Login {
            endpoint: "jdbc:oracle:thin:@//oracle.simulator:1521/dzpdb".parse::<JdbcUrl>().unwrap().endpoint,
            user: "system".to_owned(),
            password: Secret::new("System-1".to_owned()),
            tls: Tls::Disable,
        };
        let second = Duration::from_secs(1);
        let (_other, mut one) =
            (simulator.connect(&login, second).unwrap(), simulator.connect(&login, second).unwrap());
        let look = "SELECT sid, serial# FROM gv$session WHERE username = 'SYSTEM' ORDER BY audsid";
        let id: Vec<String> = one.execute(look, &[], second).unwrap()[0].iter().flatten().cloned().collect();
        let kill = format!("ALTER SYSTEM KILL SESSION '{},{}'", id[0], id[1]);
        one.execute(&kill, &[], second).unwrap();
        assert_eq!(one.execute(&kill, &[], second).unwrap_err().trouble, trouble);
        assert_eq!(one.execute("SELECT 1 FROM dual", &[], second).is_ok(), !odpi);
    }
}
