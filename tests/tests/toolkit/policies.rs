//! Who may do what: every statement that a template can write, against a list of what is stated.

use serde_json::{Value, json};

use crate::sample::{CONNECTORS, every_way, made, only, rendered, texts};
use dzconn_aws::toolkit::Product;

/// What has no narrower resource, by the Service Authorization Reference, or is limited by its condition.
const WITHOUT_RESOURCE: [&str; 16] = [
    "cloudformation:GetTemplateSummary",
    "cloudformation:ValidateTemplate",
    "cloudwatch:PutMetricData",
    "ec2:AssignPrivateIpAddresses",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeRouteTables",
    "ec2:DescribeSecurityGroups",
    "ec2:DescribeSubnets",
    "ec2:DescribeVpcAttribute",
    "ec2:DescribeVpcEndpoints",
    "ec2:DescribeVpcs",
    "ec2:UnassignPrivateIpAddresses",
    "lakeformation:GetDataAccess",
    "s3:GetObject",
    // Lambda's own, in a connector's name.
    "ec2:CreateNetworkInterface",
    "ec2:DeleteNetworkInterface",
];

/// A statement, and where it stands.
struct Statement {
    place: String,
    body: Value,
}

impl Statement {
    fn actions(&self) -> Vec<String> {
        texts(&self.body["Action"])
    }

    fn resources(&self) -> Vec<String> {
        texts(&self.body["Resource"])
    }

    fn allows(&self, action: &str) -> bool {
        self.body["Effect"] == "Allow" && self.actions().iter().any(|one| one == action)
    }
}

/// Of roles and managed policies; a bucket's policy is looked at by itself.
fn statements() -> Vec<Statement> {
    let mut all = Vec::new();
    for (product, made) in every_way() {
        for (name, resource) in made {
            let policies: Vec<_> = match resource.kind.as_str() {
                "AWS::IAM::Role" => {
                    assert!(resource.properties.get("ManagedPolicyArns").is_none(), "{product} {name}");
                    let policies = resource.properties["Policies"].as_array().unwrap();
                    policies.iter().map(|policy| policy["PolicyDocument"].clone()).collect()
                }
                "AWS::IAM::ManagedPolicy" | "AWS::IAM::Policy" => vec![resource.properties["PolicyDocument"].clone()],
                kind => {
                    assert!(!kind.starts_with("AWS::IAM::"), "{product} {name}: {kind}");
                    continue;
                }
            };
            for policy in policies {
                assert_eq!(policy["Version"], "2012-10-17", "{product} {name}");
                for body in policy["Statement"].as_array().unwrap() {
                    let place = format!("{product} {name} {}", body["Sid"]);
                    all.push(Statement { place, body: body.clone() });
                }
            }
        }
    }
    assert!(all.len() > 60, "{}", all.len());
    all
}

/// What is wrong with a statement, if anything is.
fn breadth(statement: &Statement) -> Option<String> {
    let body = &statement.body;
    if body["Effect"] != "Allow" || !body["NotAction"].is_null() || !body["NotResource"].is_null() {
        return Some("it is not a plain permission".into());
    }
    let (actions, resources) = (statement.actions(), statement.resources());
    if let Some(wild) = actions.iter().find(|action| action.contains('*') || !action.contains(':')) {
        return Some(format!("{wild} is more than one action"));
    }
    for resource in &resources {
        let known = WITHOUT_RESOURCE.iter().copied();
        if resource == "*" {
            if let Some(action) = actions.iter().find(|action| !known.clone().any(|one| one == *action)) {
                return Some(format!("{action} on everything"));
            }
            let limited = body["Condition"].is_object();
            if actions.iter().any(|action| action == "s3:GetObject" || action == "cloudwatch:PutMetricData") && !limited
            {
                return Some("everything, without a condition".into());
            }
        } else if !resource.starts_with("arn:aws:") {
            return Some(format!("{resource} is no ARN"));
        } else {
            let parts: Vec<_> = resource.splitn(6, ':').collect();
            let foreign = ["s3", "serverlessrepo"].contains(&parts[2]) || resource.contains("transform/");
            let registry = parts[2] == "ecr" && parts[5].starts_with("repository/athena-federation-repository-");
            if parts[4] != "111122223333" && !foreign && !registry {
                return Some(format!("{resource} is in another account"));
            }
            if parts[5] == "*" || (parts[2] == "s3" && (parts[5].starts_with('*'))) {
                return Some(format!("{resource} is all of a service"));
            }
        }
    }
    None
}

pub(crate) fn no_action_is_allowed_on_more_than_it_needs() {
    for statement in statements() {
        assert_eq!(breadth(&statement), None, "{}: {}", statement.place, statement.body);
    }
}

/// The check itself: each of these must be seen.
pub(crate) fn a_broad_policy_is_noticed() {
    for body in [
        json!({"Effect": "Allow", "Action": "*", "Resource": "*"}),
        json!({"Effect": "Allow", "Action": "s3:*", "Resource": "arn:aws:s3:::bucket/*"}),
        json!({"Effect": "Allow", "Action": "secretsmanager:GetSecretValue", "Resource": "*"}),
        json!({"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}),
        json!({"Effect": "Allow", "NotAction": "iam:CreateUser", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/*"}),
        json!({"Effect": "Allow", "Action": "iam:PassRole", "Resource": "arn:aws:iam::444455556666:role/x"}),
        json!({"Effect": "Allow", "Action": "kms:Decrypt", "Resource": "arn:aws:kms:eu-west-1:111122223333:*"}),
        json!({"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::*"}),
    ] {
        let statement = Statement { place: "made up".into(), body };
        assert!(breadth(&statement).is_some(), "{}", statement.body);
    }
    let secret = json!({"Effect": "Allow", "Action": "secretsmanager:GetSecretValue",
        "Resource": "arn:aws:secretsmanager:eu-west-1:111122223333:secret:*",
        "Condition": {"StringEquals": {"aws:ResourceTag/AmazonDataZoneProject": "sales"}}});
    assert!(!is_by_tag("athena-mysql Role", &secret), "three tags are due");
}

/// Whether a statement on secrets is limited by the tags that are due in its place.
fn is_by_tag(place: &str, body: &Value) -> bool {
    let condition = &body["Condition"];
    if place.starts_with("consumer-portfolio Boundary") {
        return *condition == json!({"Null": {"aws:ResourceTag/AmazonDataZoneProject": "false"}})
            && body["Resource"] == "arn:aws:secretsmanager:eu-west-1:111122223333:secret:dz-conn-c-*";
    }
    if place.starts_with("producer-common") {
        return *condition
            == json!({"StringEquals": {
                "aws:ResourceTag/dzconn:source-domain": "dzd_1", "aws:ResourceTag/dzconn:source-project": "sales"}});
    }
    let one = format!("arn:aws:secretsmanager:eu-west-1:111122223333:secret:{}-??????", crate::sample::SECRET);
    *condition
        == json!({"StringEquals": {
            "aws:ResourceTag/AmazonDataZoneDomain": "dzd_1",
            "aws:ResourceTag/AmazonDataZoneProject": "sales",
            "aws:ResourceTag/AmazonDataZoneEnvironment": "sales-prod"}})
        && body["Resource"] == one.as_str()
}

pub(crate) fn secrets_are_read_by_tag_only() {
    let mut readers = 0;
    for Statement { place, body } in statements() {
        let statement = Statement { place, body };
        for action in statement.actions() {
            assert!(
                !action.starts_with("secretsmanager:") || action.ends_with(":GetSecretValue"),
                "{}",
                statement.place
            );
            assert!(!action.starts_with("kms:") || action == "kms:Decrypt", "{}", statement.place);
        }
        if statement.allows("secretsmanager:GetSecretValue") {
            readers += 1;
            assert!(is_by_tag(&statement.place, &statement.body), "{}: {}", statement.place, statement.body);
        }
        if statement.allows("kms:Decrypt") {
            let through = &statement.body["Condition"]["StringEquals"]["kms:ViaService"];
            assert_eq!(through, "secretsmanager.eu-west-1.amazonaws.com", "{}", statement.place);
        }
    }
    // Two Glue roles, a boundary, and four connectors with and without it.
    assert_eq!(readers, 11);
}

pub(crate) fn roles_are_made_within_bounds_and_passed_to_one_service() {
    let (mut made, mut passed) = (0, 0);
    for statement in statements() {
        let condition = &statement.body["Condition"]["StringEquals"];
        for changing in ["iam:CreateRole", "iam:PutRolePolicy", "iam:PutRolePermissionsBoundary"] {
            if statement.allows(changing) {
                made += 1;
                let bound = "arn:aws:iam::111122223333:policy/dz_conn_c_connector_boundary";
                assert_eq!(condition["iam:PermissionsBoundary"], bound, "{}", statement.place);
                assert_eq!(statement.resources(), ["arn:aws:iam::111122223333:role/dz_conn_c_connector_*"]);
            }
        }
        if statement.allows("iam:PassRole") {
            passed += 1;
            let (role, service) = if statement.place.starts_with("producer") {
                ("arn:aws:iam::111122223333:role/dz_conn_a_common_glue_role", "glue.amazonaws.com")
            } else {
                ("arn:aws:iam::111122223333:role/dz_conn_c_connector_*", "lambda.amazonaws.com")
            };
            assert_eq!(
                (statement.resources(), &condition["iam:PassedToService"]),
                (vec![role.into()], &service.into())
            );
        }
        for never in ["iam:AttachRolePolicy", "iam:DeleteRolePermissionsBoundary", "iam:UpdateAssumeRolePolicy"] {
            assert!(!statement.allows(never), "{}", statement.place);
        }
    }
    assert_eq!((made, passed), (3, 2));
}

pub(crate) fn roles_trust_one_service() {
    let mut roles = 0;
    for (product, made) in every_way() {
        for (name, role) in made.iter().filter(|(_, resource)| resource.kind == "AWS::IAM::Role") {
            roles += 1;
            let trust = role.properties["AssumeRolePolicyDocument"]["Statement"].as_array().unwrap();
            let service = match (product.split(',').next().unwrap(), name.as_str()) {
                ("producer-common", _) => "glue.amazonaws.com",
                (_, "LaunchRole") => "servicecatalog.amazonaws.com",
                _ => "lambda.amazonaws.com",
            };
            assert_eq!(trust.len(), 1, "{product} {name}");
            assert_eq!(trust[0]["Principal"], json!({"Service": service}), "{product} {name}");
            assert_eq!(trust[0]["Action"], "sts:AssumeRole");
        }
    }
    assert_eq!(roles, 12);
}

/// What the roles of connectors are allowed, the boundary allows: otherwise no connector would work.
pub(crate) fn the_boundary_lets_a_connector_do_its_work() {
    let portfolio = crate::sample::request(Product::ConsumerPortfolio).render().unwrap();
    let portfolio = made(&portfolio);
    let bound = only(&portfolio, "AWS::IAM::ManagedPolicy")["PolicyDocument"]["Statement"].as_array().unwrap().clone();
    let covers = |pattern: &str, resource: &str| {
        pattern.strip_suffix('*').map_or(pattern == resource, |prefix| resource.starts_with(prefix))
    };
    for product in CONNECTORS {
        let made = made(&rendered(product));
        let role = only(&made, "AWS::IAM::Role");
        let bounded = "arn:aws:iam::111122223333:policy/dz_conn_c_connector_boundary";
        assert_eq!(role["PermissionsBoundary"], bounded, "{product}");
        for statement in role["Policies"][0]["PolicyDocument"]["Statement"].as_array().unwrap() {
            for action in texts(&statement["Action"]) {
                for resource in texts(&statement["Resource"]) {
                    let within = bound.iter().any(|one| {
                        texts(&one["Action"]).contains(&action)
                            && texts(&one["Resource"]).iter().any(|pattern| covers(pattern, &resource))
                    });
                    assert!(within, "{product}: {action} on {resource}");
                }
            }
        }
    }
}
