use dzconn_core::model::UserNaming;

use super::*;

const NONE: [(&str, &str); 0] = [];

#[test]
fn the_defaults_are_fine() {
    let config = Config::read(None, NONE).unwrap();
    assert_eq!(config, Config::default());
    assert_eq!(config.tables.sources, "dz_conn_g_p_source_subscriptions");
    assert_eq!(
        (config.secrets.kms_key.as_str(), config.secrets.recovery_window_days),
        ("alias/dz_conn_a_common_key", 7)
    );
}

#[test]
fn a_variable_wins_over_the_file() {
    let file = r#"
        [tables]
        state = "my_state"
        assets = "my_assets"
        [users]
        naming = "per-environment"
        [roles]
        external_id = "secret handshake"
        [portal]
        blueprints = ["A, with a comma", "B"]
    "#;
    let variables = [
        ("DZCONN_AWS_TABLES_STATE", "their_state"),
        ("DZCONN_AWS_PORTAL_ASSET_TYPES", "One, Two"),
        ("DZCONN_AWS_BUCKETS_ROLES", "one=111122223333,two=arn:aws:iam::444455556666:role/team/x"),
        ("DZCONN_AWS_ROLES_EXTERNAL_ID", ""),
        ("DZCONN_AWS_CALLS_ATTEMPT_TIMEOUT_SECONDS", "3"),
        ("DZCONN_STORE", "not ours"),
        ("DZCONN_AWS_SECRETS_TAGS", "team=data, cost-centre=42"),
    ];
    let config = Config::read(Some(file), variables).unwrap();
    assert_eq!((config.tables.state.as_str(), config.tables.assets.as_str()), ("their_state", "my_assets"));
    assert_eq!(config.portal.blueprints, ["A, with a comma", "B"]);
    assert_eq!(config.portal.asset_types, ["One", "Two"]);
    assert_eq!((config.roles.external_id, config.user_naming), (None, UserNaming::PerEnvironment));
    assert_eq!(config.secrets.tags.get("cost-centre").map(String::as_str), Some("42"));
    assert_eq!(config.calls.attempt_timeout, Duration::from_secs(3));
    let (role, [one, two]) = ("arn:aws:iam::444455556666:role/team/x", ["111122223333", "444455556666"]);
    let account = |text: &str| text.parse().unwrap();
    assert_eq!(config.buckets.roles["one"], BucketRole::In(account(one)));
    assert_eq!(config.buckets.roles["two"], BucketRole::As(role.to_owned(), account(two)));
}

#[test]
fn every_mistake_is_named_at_once() {
    let file = r#"
        [tables]
        sources = "a b"
        assets = 7
        statte = "x"
        [roles]
        account = "arn:aws:iam::123:role/x"
        [secrets]
        recovery_window_days = 0
        tags = ["AmazonDataZoneProject=other"]
        [environments]
        policies = ["arn:aws:iam::1:role/x"]
        tag_value = "a value of fifty-one characters, one more than may."
        [buckets]
        roles = ["data=role/x"]
        [sources]
        tls = "maybe"
        ca_bundle = "/does/not/exist.pem"
    "#;
    let variables =
        [("DZCONN_AWS_CALLS_ATTEMPTS", "many"), ("DZCONN_AWS_TABELS_STATE", "x"), ("DZCONN_AWS_PORTAL_BLUEPRINTS", "")];
    let error = Config::read(Some(file), variables).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidConfig);
    for mistake in [
        "\"a b\" is no table's name",
        "tables.assets must be text",
        "tables.statte is no key",
        "roles.account is no role's ARN with {account}",
        "recovery_window_days is not between 7 and 30",
        "AmazonDataZoneProject is not free",
        "\"arn:aws:iam::1:role/x\" is no policy's ARN",
        "environments.tag_value not 1 to 50",
        "sources.tls must be",
        "neither an account nor a role's ARN for data",
        "sources.ca_bundle cannot be read from /does/not/exist.pem",
        "DZCONN_AWS_CALLS_ATTEMPTS must be a whole number",
        "DZCONN_AWS_TABELS_STATE is no variable",
        "portal.blueprints is empty",
    ] {
        assert!(error.detail().contains(mistake), "{mistake:?} is not in {error}");
    }
}

#[test]
fn a_file_that_is_no_toml_is_not_quoted() {
    let error = Config::read(Some("[roles]\nexternal_id = hunter2"), NONE).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidConfig);
    assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
}

#[test]
fn tables_must_differ() {
    let error = Config::read(None, [("DZCONN_AWS_TABLES_STATE", "dz_conn_g_c_secrets_mapping")]).unwrap_err();
    assert!(error.detail().contains("same name"), "{error}");
}

#[test]
fn no_two_keys_share_a_variable() {
    let names: std::collections::BTreeSet<_> = read::keys().map(|key| key.replace('.', "_")).collect();
    assert_eq!(names.len(), read::keys().count());
}

#[cfg(unix)]
#[test]
fn variables_that_are_not_text_matter_only_if_they_are_ours() {
    use std::ffi::OsString;
    use std::os::unix::ffi::OsStringExt as _;

    let odd = || OsString::from_vec(vec![b'x', 0xff]);
    Config::read(None, [("OTHER".into(), odd()), (odd(), "x".into())]).unwrap();
    let ours = OsString::from_vec(b"DZCONN_AWS_\xff".to_vec());
    for (name, value) in [(OsString::from("DZCONN_AWS_TABLES_STATE"), odd()), (ours, "x".into())] {
        let error = Config::read(None, [(name, value)]).unwrap_err();
        assert!(error.detail().contains("DZCONN_AWS_") && error.detail().contains("not text"), "{error}");
    }
}
