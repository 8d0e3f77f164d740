//! What is left in the accounts once [`uninstall`](dzconn_core::uninstall) has taken everything back: what dzconn has not made, or
//! what others may use too.

use std::collections::BTreeSet;

use crate::Config;

/// Something that a person removes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ByHand {
    /// What kind of thing.
    pub what: &'static str,
    /// By which names, as far as they are known.
    pub names: Vec<String>,
    /// Where, and what is to be seen to.
    pub note: &'static str,
}

/// All of it, in the order in which it is removed, by the names that the configuration and the documented defaults have.
pub fn by_hand(config: &Config) -> Vec<ByHand> {
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let of = |what, names: Vec<String>, note| ByHand { what, names, note };
    let tables = &config.tables;
    let mut all = vec![
        of("event rules", Vec::new(), "whatever delivers DataZone's events to dzconn; first of all"),
        of(
            "toolkit products and stacks",
            names(&["dz-conn-c-service-portfolio-stack", "dz-conn-p-service-portfolio-stack"]),
            "provisioned products first: their connectors, crawlers and Glue connections go with them; then the portfolios' \
             stacks, and the bucket with the templates",
        ),
        of(
            "stacks",
            names(&[
                "dz-conn-c-workflows-stack",
                "dz-conn-p-workflows-stack",
                "dz-conn-g-workflows-stack",
                "dz-conn-p-common-stack",
                "dz-conn-a-common-stack",
                "dz-conn-g-common-stack",
                "dz-conn-base-env",
            ]),
            "in this order, in each account that has them",
        ),
        of(
            "policies",
            config.environments.policies.iter().chain([&config.environments.boundary]).cloned().collect(),
            "in each account, those of the solution; AWS's own stay",
        ),
        of(
            "roles",
            [&config.roles.account]
                .into_iter()
                .chain(&config.roles.reader)
                .chain(&config.governance.role)
                .cloned()
                .chain(names(&[
                    "dz_conn_a_cross_account_assume_role",
                    "dz_conn_g_cross_account_assume_role",
                    "dz_conn_a_common_glue_role",
                    "dz_conn_g_common_stepfunctions_role",
                ]))
                .collect(),
            "in each account; this command works with them, so they go after it has proven that nothing remains",
        ),
        of(
            "tracking tables",
            [&tables.sources, &tables.mappings, &tables.assets, &tables.state].map(Clone::clone).to_vec(),
            "in the governance account, empty by then",
        ),
        of(
            "admin secrets",
            Vec::new(),
            "in the producers' accounts, and the admin users in the databases: their owner's",
        ),
        of(
            "keys",
            vec![config.secrets.kms_key.clone()],
            "in each account, after the recovery window of the secrets that were deleted: without it none can be restored",
        ),
    ];
    if !config.environments.tag_key.is_empty() {
        let tag = format!("{}={}", config.environments.tag_key, config.environments.tag_value);
        all.push(of("Lake Formation tag", vec![tag], "in each account and region"));
    }
    let mut seen = BTreeSet::new();
    for one in &mut all {
        one.names.retain(|name| seen.insert(name.clone()));
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_the_configurations_and_stand_once() {
        let mut config = Config::default();
        config.tables.state = "another".to_owned();
        config.environments.tag_key = String::new();
        let all = by_hand(&config);
        let of = |what: &str| all.iter().find(|one| one.what == what).map(|one| one.names.clone());
        assert!(of("tracking tables").unwrap().contains(&"another".to_owned()));
        assert_eq!(of("keys").unwrap(), ["alias/dz_conn_a_common_key"]);
        assert!(of("roles").unwrap().iter().any(|name| name.ends_with("dz_conn_a_common_lambda_role")));
        assert_eq!(of("Lake Formation tag"), None);
        assert!(by_hand(&Config::default()).iter().any(|one| one.names == ["dz_conn_p_access=True"]));
        assert_eq!(of("stacks").unwrap().last().unwrap(), "dz-conn-base-env");
    }
}
