//! What is granted, read back, and taken back.

use dzconn_core::ErrorKind;
use dzconn_core::engine::Reads;
use dzconn_oracle_simulator::{Options, Version};

use crate::lab::{Lab, SECOND, is, v19};

#[tokio::test]
async fn roles_and_system_privileges_are_ways_to_read() {
    let lab = Lab::new(Options::new(Version::V23), &[]);
    let (mut admin, user, jobs) = (lab.admin().await, lab.credentials("DZ_U"), lab.table("JOBS"));
    admin.create_user(&user).await.unwrap();
    for statement in [
        "CREATE ROLE outer_role",
        "CREATE ROLE inner_role",
        "GRANT inner_role TO outer_role",
        "GRANT outer_role TO \"DZ_U\"",
        "GRANT SELECT ON hr.jobs TO inner_role",
        "GRANT READ ANY TABLE TO \"DZ_U\"",
    ] {
        lab.sys(statement);
    }
    let Reads::Yes(ways) = admin.reads(&user.user, &jobs).await.unwrap() else { panic!("it reads") };
    assert_eq!(
        ways,
        ["SELECT, granted to the role \"INNER_ROLE\"", "the system privilege READ ANY TABLE, granted to \"DZ_U\""]
    );
    let found = admin.excess(&user.user, std::slice::from_ref(&jobs), 99).await.unwrap();
    for line in [
        "\"DZ_U\" has the system privilege READ ANY TABLE",
        "\"DZ_U\" has the role \"OUTER_ROLE\"",
        "the role \"OUTER_ROLE\" has the role \"INNER_ROLE\"",
    ] {
        assert!(found.iter().any(|found| found == line), "{line} is not in {found:#?}");
    }
}

#[tokio::test]
async fn a_grant_by_another_is_named() {
    let lab = Lab::new(v19(), &[]);
    let (mut admin, user, jobs) = (lab.admin().await, lab.credentials("DZ_U"), lab.table("JOBS"));
    admin.create_user(&user).await.unwrap();
    admin.grant(&user.user, &jobs, &[]).await.unwrap();
    lab.sys("GRANT SELECT ON hr.jobs TO \"DZ_U\"");
    let error = admin.revoke(&user.user, std::slice::from_ref(&jobs)).await.unwrap_err();
    is(
        &error,
        ErrorKind::GrantedByOther,
        Some("ORA-01927"),
        "REVOKE SELECT ON \"HR\".\"JOBS\" FROM \"DZ_U\" as \"HR\"",
    );
    let Reads::Yes(ways) = admin.reads(&user.user, &jobs).await.unwrap() else { panic!("it still reads") };
    assert_eq!(ways, ["SELECT, granted to \"DZ_U\""], "its own grant is gone");
    // A drop takes everything along.
    admin.drop_user(&user.user).await.unwrap();
}

#[tokio::test]
async fn what_may_be_passed_on_is_more_than_was_granted() {
    let lab = Lab::new(v19(), &[]);
    let (mut admin, user, jobs) = (lab.admin().await, lab.credentials("DZ_U"), lab.table("JOBS"));
    admin.create_user(&user).await.unwrap();
    admin.grant(&user.user, &jobs, &[]).await.unwrap();
    assert_eq!(admin.excess(&user.user, std::slice::from_ref(&jobs), 9).await.unwrap(), [""; 0]);
    lab.sys("CREATE ROLE some_role");
    for statement in [
        "GRANT READ ON hr.jobs TO \"DZ_U\" WITH GRANT OPTION",
        "GRANT CREATE SESSION TO \"DZ_U\" WITH ADMIN OPTION",
        "GRANT some_role TO \"DZ_U\" WITH ADMIN OPTION",
    ] {
        lab.sys(statement);
    }
    let mut found = admin.excess(&user.user, std::slice::from_ref(&jobs), 9).await.unwrap();
    found.sort_unstable();
    assert_eq!(
        found,
        [
            "\"DZ_U\" has READ on \"HR\".\"JOBS\", and may pass it on",
            "\"DZ_U\" has the role \"SOME_ROLE\", and may pass it on",
            "\"DZ_U\" has the system privilege CREATE SESSION, and may pass it on",
        ]
    );
}

/// An upgrade leaves the SELECT of a version that had no READ: it also lets a reader lock rows.
#[tokio::test]
async fn select_is_more_than_was_granted() {
    let lab = Lab::new(v19(), &[]);
    let (mut admin, user, jobs) = (lab.admin().await, lab.credentials("DZ_U"), lab.table("JOBS"));
    admin.create_user(&user).await.unwrap();
    lab.sys("GRANT SELECT ON hr.jobs TO \"DZ_U\"");
    admin.grant(&user.user, &jobs, &[]).await.unwrap();
    let found = admin.excess(&user.user, std::slice::from_ref(&jobs), 9).await.unwrap();
    assert_eq!(found, ["\"DZ_U\" has SELECT on \"HR\".\"JOBS\""]);
}

#[tokio::test]
async fn what_everybody_has_does_not_hide_what_the_user_has() {
    let lab = Lab::new(v19(), &[]);
    for number in 0..9 {
        lab.sys(&format!("CREATE TABLE hr.open_{number} (n NUMBER)"));
        lab.sys(&format!("GRANT READ ON hr.open_{number} TO PUBLIC"));
    }
    let (mut admin, user) = (lab.admin().await, lab.credentials("DZ_U"));
    admin.create_user(&user).await.unwrap();
    lab.sys("GRANT CREATE TABLE TO \"DZ_U\"");
    let found = admin.excess(&user.user, &[], 1).await.unwrap();
    assert_eq!(found, ["\"DZ_U\" has the system privilege CREATE TABLE"]);
}

/// A grant goes into the recycle bin with its table, and comes back with it.
#[tokio::test]
async fn a_grant_in_the_recycle_bin_is_not_taken_back() {
    let lab = Lab::new(v19(), &[]);
    let (mut admin, user, jobs) = (lab.admin().await, lab.credentials("DZ_U"), lab.table("JOBS"));
    let other = lab.credentials("DZ_V");
    for user in [&user, &other] {
        admin.create_user(user).await.unwrap();
    }
    admin.grant(&user.user, &jobs, &[]).await.unwrap();
    lab.sys("DROP TABLE hr.jobs");
    for _ in 0..2 {
        let error = admin.revoke(&user.user, std::slice::from_ref(&jobs)).await.unwrap_err();
        is(&error, ErrorKind::TableNotFound, None, "have its owner PURGE it");
        assert!(error.to_string().contains("BIN$"), "{error}");
    }
    // Who had nothing on it has nothing there.
    admin.revoke(&other.user, std::slice::from_ref(&jobs)).await.unwrap();
    // A table of the old name is another one, on which nothing is left.
    lab.sys("CREATE TABLE hr.jobs (n NUMBER)");
    admin.revoke(&user.user, std::slice::from_ref(&jobs)).await.unwrap();
    admin.drop_user(&user.user).await.unwrap();
}

/// Without the catalog its own grants are what an admin sees; what it grants in an owner's name is not among them.
#[tokio::test]
async fn without_the_catalog_a_grant_in_the_owners_name_counts() {
    let lab = Lab::new(v19(), &["SELECT_CATALOG_ROLE", "hr.jobs"]);
    lab.sys("GRANT GRANT ANY OBJECT PRIVILEGE TO dz");
    let (mut admin, user, jobs) = (lab.admin().await, lab.credentials("DZ_U"), lab.table("JOBS"));
    admin.create_user(&user).await.unwrap();
    admin.grant(&user.user, &jobs, &[]).await.unwrap();
    let mut client = lab.client(&user);
    let mut reads = || client.execute("SELECT 1 FROM hr.jobs WHERE 1 = 0", &[], SECOND).is_ok();
    assert!(reads());
    admin.revoke(&user.user, std::slice::from_ref(&jobs)).await.unwrap();
    assert!(!reads());
}

#[tokio::test]
async fn the_profile_lets_neither_passwords_nor_accounts_expire() {
    let lab = Lab::new(v19(), &[]);
    let (mut admin, user) = (lab.admin().await, lab.credentials("DZ_U"));
    admin.create_user(&user).await.unwrap();
    lab.sys("GRANT SELECT_CATALOG_ROLE TO \"DZ_U\"");
    let look = "SELECT resource_name FROM sys.dba_profiles WHERE profile = 'DZCONN' AND limit = 'UNLIMITED'";
    let mut found = lab.client(&user).execute(look, &[], SECOND).unwrap();
    found.sort_unstable();
    let text = |text: &str| vec![Some(text.to_owned())];
    assert_eq!(found, [text("INACTIVE_ACCOUNT_TIME"), text("PASSWORD_LIFE_TIME")]);
}
