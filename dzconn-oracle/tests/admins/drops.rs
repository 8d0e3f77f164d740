//! How a user ends, and what an admin that lacks something is told about it.

use dzconn_core::ErrorKind;
use dzconn_core::engine::{Login as LoggedIn, Reads};
use dzconn_oracle::driver::{Connection, Trouble};

use crate::lab::{Lab, SECOND, is, key, v19};

#[tokio::test]
async fn without_the_right_to_end_sessions() {
    let lab = Lab::new(v19(), &["ALTER SYSTEM"]);
    let (mut admin, user, jobs) = (lab.admin().await, lab.credentials("DZ_U"), lab.table("JOBS"));
    admin.create_user(&user).await.unwrap();
    admin.grant(&user.user, &jobs, &[]).await.unwrap();
    let client = lab.client(&user);
    let error = admin.drop_user(&user.user).await.unwrap_err();
    is(&error, ErrorKind::SessionsRemain, Some("ORA-01031"), "GRANT ALTER SYSTEM TO \"DZ\"");
    assert_eq!(lab.log_in(&user).await, LoggedIn::Refused);
    assert_eq!(admin.reads(&user.user, &jobs).await.unwrap(), Reads::No);
    drop(client);
    admin.drop_user(&user.user).await.unwrap();
}

#[tokio::test]
async fn without_a_view_of_the_sessions() {
    let lab = Lab::new(v19(), &["SELECT_CATALOG_ROLE"]);
    let (mut admin, user, jobs) = (lab.admin().await, lab.credentials("DZ_U"), lab.table("JOBS"));
    admin.create_user(&user).await.unwrap();
    admin.grant(&user.user, &jobs, &[]).await.unwrap();
    let mut client = lab.client(&user);
    assert!(reads_jobs(client.as_mut()));
    let error = admin.drop_user(&user.user).await.unwrap_err();
    is(&error, ErrorKind::SessionsRemain, Some("ORA-01940"), "GRANT SELECT ON SYS.GV_$SESSION TO \"DZ\"");
    // What this admin granted, it sees without the catalog, too; whether somebody else did, it does not.
    assert!(!reads_jobs(client.as_mut()), "the grant was this admin's own");
    assert!(error.to_string().contains("only those READ and SELECT privileges that this admin sees"), "{error}");
    drop(client);
    admin.drop_user(&user.user).await.unwrap();
    assert!(!admin.user_exists(&user.user).await.unwrap());
}

fn reads_jobs(client: &mut dyn Connection) -> bool {
    match client.execute("SELECT 1 FROM hr.jobs WHERE 1 = 0", &[], SECOND) {
        Ok(_) => true,
        Err(refusal) => {
            assert_eq!(refusal.trouble, Trouble::Server(942));
            false
        }
    }
}

/// The error says no more than what was done.
#[tokio::test]
async fn what_others_granted_may_outlive_the_lock() {
    let lab = Lab::new(v19(), &["ALTER SYSTEM"]);
    let (mut admin, user, jobs) = (lab.admin().await, lab.credentials("DZ_U"), lab.table("JOBS"));
    admin.create_user(&user).await.unwrap();
    admin.grant(&user.user, &jobs, &[]).await.unwrap();
    let mut client = lab.client(&user);
    let error = admin.drop_user(&user.user).await.unwrap_err();
    assert!(error.to_string().contains("is locked and has lost its READ and SELECT"), "{error}");
    assert!(!reads_jobs(client.as_mut()));
    lab.sys("GRANT SELECT ON hr.jobs TO \"DZ_U\"");
    let error = admin.drop_user(&user.user).await.unwrap_err();
    assert!(error.to_string().contains("has lost only those"), "{error}");
    assert!(reads_jobs(client.as_mut()));
}

#[tokio::test]
async fn on_rds_sessions_are_ended_by_its_package() {
    let lab = Lab::new(v19().rds(), &["ALTER SYSTEM"]);
    lab.sys("GRANT EXECUTE ON rdsadmin.rdsadmin_util TO dz");
    let (mut admin, user) = (lab.admin().await, lab.credentials("DZ_U"));
    admin.lock(&key(), SECOND, SECOND).await.unwrap();
    admin.create_user(&user).await.unwrap();
    let _client = lab.client(&user);
    admin.drop_user(&user.user).await.unwrap();
    assert!(!admin.user_exists(&user.user).await.unwrap());
}

#[tokio::test]
async fn on_a_cluster_sessions_end_on_every_instance() {
    let lab = Lab::new(v19().instances(3), &[]);
    let (mut admin, user) = (lab.admin().await, lab.credentials("DZ_U"));
    admin.create_user(&user).await.unwrap();
    let _clients: Vec<_> = (0..5).map(|_| lab.client(&user)).collect();
    admin.drop_user(&user.user).await.unwrap();
}

#[tokio::test]
async fn on_rds_the_advice_is_what_its_master_user_can_do() {
    let lab = Lab::new(v19().rds(), &["ALTER SYSTEM", "SELECT_CATALOG_ROLE"]);
    let (mut admin, user) = (lab.admin().await, lab.credentials("DZ_U"));
    admin.create_user(&user).await.unwrap();
    let client = lab.client(&user);
    drop(admin);
    lab.sys("GRANT EXECUTE ON rdsadmin.rdsadmin_util TO dz");
    let mut admin = lab.admin().await;
    let error = admin.drop_user(&user.user).await.unwrap_err();
    is(
        &error,
        ErrorKind::SessionsRemain,
        Some("ORA-01940"),
        "as the master user: BEGIN rdsadmin.rdsadmin_util.grant_sys_object('GV_$SESSION', 'DZ', 'SELECT')",
    );
    lab.sys("GRANT SELECT_CATALOG_ROLE TO dz");
    lab.sys("REVOKE EXECUTE ON rdsadmin.rdsadmin_util FROM dz");
    let mut admin = lab.admin().await;
    let error = admin.drop_user(&user.user).await.unwrap_err();
    is(
        &error,
        ErrorKind::SessionsRemain,
        Some("ORA-01031"),
        "on RDS, where nobody has that: GRANT EXECUTE ON rdsadmin.rdsadmin_util TO \"DZ\"",
    );
    drop(client);
}

/// ODPI-C takes ORA-00031 for the end of its own session, and a session that is told to go twice answers so.
#[tokio::test]
async fn over_odpi_the_admin_outlives_the_sessions_that_it_ends() {
    for rds in [false, true] {
        let options = if rds { v19().rds() } else { v19() }.odpi();
        let lab = Lab::new(options, if rds { &["ALTER SYSTEM"] } else { &[] });
        if rds {
            lab.sys("GRANT EXECUTE ON rdsadmin.rdsadmin_util TO dz");
        }
        let (mut admin, user) = (lab.admin().await, lab.credentials("DZ_U"));
        for locked in [false, true] {
            if locked {
                admin.lock(&key(), SECOND, SECOND).await.unwrap();
            }
            admin.create_user(&user).await.unwrap();
            let _clients: Vec<_> = (0..3).map(|_| lab.client(&user)).collect();
            admin.drop_user(&user.user).await.unwrap();
            assert!(!admin.user_exists(&user.user).await.unwrap());
        }
    }
}
