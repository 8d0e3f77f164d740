//! The toolkit's templates: what they ask for, what they would make, who may do what; read by cfn-lint, at the path that
//! `DZCONN_TEST_CFN_LINT` names; and deployed in moto, as far as moto's `CloudFormation` goes.

// A test may panic: that is how it fails.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod forms;
mod makes;
mod moto;
mod policies;
mod sample;

use std::future::Future;
use std::pin::Pin;
use std::process::{Command, ExitCode};

use dzconn_aws::toolkit::Product;
use dzconn_tests::aws::MOTO;
use libtest_mimic::{Arguments, Completion, Failed, Trial};

const LINT: &str = "DZCONN_TEST_CFN_LINT";

type Check = fn();
type OnMoto = fn(String) -> Pin<Box<dyn Future<Output = ()> + Send>>;

macro_rules! checks {
    ($($module:ident { $($name:ident),* $(,)? })*) => {
        const CHECKS: &[(&str, Check)] =
            &[$($((concat!(stringify!($module), "::", stringify!($name)), $module::$name as Check),)*)*];
    };
}

macro_rules! on_moto {
    ($($name:ident),* $(,)?) => {
        const ON_MOTO: &[(&str, OnMoto)] =
            &[$((concat!("moto::", stringify!($name)), |url| Box::pin(moto::$name(url))),)*];
    };
}

checks! {
    forms {
        a_form_and_a_request_ask_for_the_same,
        what_a_request_takes_a_form_takes,
        the_four_connectors_differ_in_nothing_but_their_engine,
    }
    makes {
        a_connection_says_what_was_said,
        a_crawler_runs_over_its_path_as_the_projects_role,
        names_come_out_as_they_went_in,
        connection_strings_are_those_that_the_connectors_read,
        applications_are_named_as_the_transform_reads_them,
        a_connection_is_called_by_its_name,
        a_connector_is_wired_to_its_role_secret_and_bucket,
        everything_that_takes_tags_is_tagged,
        administrators_are_added_and_not_replaced,
        a_private_authoritys_certificate_is_the_only_object_read,
        lake_formation_grants_what_a_crawler_needs,
        portfolios_offer_every_product_to_the_environments_roles,
    }
    policies {
        no_action_is_allowed_on_more_than_it_needs,
        secrets_are_read_by_tag_only,
        roles_are_made_within_bounds_and_passed_to_one_service,
        roles_trust_one_service,
        the_boundary_lets_a_connector_do_its_work,
        a_broad_policy_is_noticed,
    }
}

on_moto! {
    roles_policies_and_buckets_come_out_as_written,
    a_connection_and_its_crawler_are_read_back,
    a_table_of_the_crawler_leads_to_its_source,
}

fn main() -> ExitCode {
    let mut trials: Vec<_> = CHECKS
        .iter()
        .map(|(name, check)| {
            Trial::test(format!("toolkit::{name}"), move || {
                check();
                Ok(())
            })
        })
        .collect();
    let ignored = |name: String, variable: &'static str| {
        Trial::ignorable_test(name, move || Ok(Completion::ignored_with(format!("set {variable}"))))
    };
    for product in Product::ALL {
        let name = format!("toolkit::cfn_lint::{product}");
        trials.push(match std::env::var(LINT) {
            Ok(program) => Trial::test(name, move || lint(&program, product.template(), true)),
            Err(_) => ignored(name, LINT),
        });
    }
    let nonsense = "toolkit::cfn_lint::nonsense_is_noticed".to_owned();
    trials.push(match std::env::var(LINT) {
        Ok(program) => Trial::test(nonsense, move || {
            let broken = Product::GlueConnection.template().replace("ConnectionType: JDBC", "ConnectionTyp: JDBC");
            lint(&program, &broken, false)
        }),
        Err(_) => ignored(nonsense, LINT),
    });
    let runtime = tokio::runtime::Runtime::new().unwrap();
    for (name, check) in ON_MOTO {
        let name = format!("toolkit::{name}");
        trials.push(match std::env::var(MOTO) {
            Ok(url) => {
                let handle = runtime.handle().clone();
                Trial::test(name, move || {
                    handle.block_on(check(url));
                    Ok(())
                })
            }
            Err(_) => ignored(name, MOTO),
        });
    }
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

/// Whether cfn-lint has nothing to say, not even in passing.
fn lint(program: &str, template: &str, clean: bool) -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("template.yaml");
    std::fs::write(&file, template)?;
    let output = Command::new(program)
        .args(["--non-zero-exit-code", "informational", "--include-checks", "I"])
        // The account that AWS publishes the connectors from is no parameter; and Fn::Sub cannot write `${` around what it puts in.
        .args(["--ignore-checks", "I3042", "I1022", "--"])
        .arg(&file)
        // No configuration of this machine's.
        .current_dir(folder.path())
        .env("HOME", folder.path())
        .output()
        .map_err(|error| format!("{program} cannot be run: {error}"))?;
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    match (output.status.success(), clean) {
        (true, true) => Ok(()),
        (false, false) if said.contains("ConnectionTyp") => Ok(()),
        _ => Err(said.into()),
    }
}
