//! What each template asks for; a test compares it with the templates.

use super::rules::{self, Rule};
use super::{Parameter, Product};

/// In the template's order.
pub(super) const fn parameters(product: Product) -> &'static [Parameter] {
    match product {
        Product::LakeFormationAdmin => LAKE_FORMATION_ADMIN_TAKES,
        Product::ProducerCommon => PRODUCER_COMMON_TAKES,
        Product::ProducerPortfolio => PRODUCER_PORTFOLIO_TAKES,
        Product::GlueConnection => GLUE_CONNECTION_TAKES,
        Product::GlueCrawler => GLUE_CRAWLER_TAKES,
        Product::SpillBucket => SPILL_BUCKET_TAKES,
        Product::ConsumerPortfolio => CONSUMER_PORTFOLIO_TAKES,
        Product::AthenaMySql => ATHENA_MYSQL_TAKES,
        Product::AthenaPostgreSql => ATHENA_POSTGRESQL_TAKES,
        Product::AthenaSqlServer => ATHENA_SQLSERVER_TAKES,
        Product::AthenaOracle => ATHENA_ORACLE_TAKES,
    }
}

const fn needed(name: &'static str, rule: &'static Rule, about: &'static str) -> Parameter {
    Parameter { name, about, default: None, rule }
}

const fn usual(name: &'static str, default: &'static str, rule: &'static Rule, about: &'static str) -> Parameter {
    Parameter { name, about, default: Some(default), rule }
}

const LAKE_FORMATION_ADMIN_TAKES: &[Parameter] = &[DEPLOYMENT_ROLE_ARN, SOLUTION_ROLE_ARN];
const PRODUCER_COMMON_TAKES: &[Parameter] = &[
    DATA_ZONE_DOMAIN_ID,
    DATA_ZONE_PROJECT_ID,
    GLUE_ROLE_NAME,
    SECRET_KEY_ARN,
    CERTIFICATE_OBJECT_ARN,
    MAKE_LF_TAG,
    LF_TAG_KEY,
    LF_TAG_VALUE,
    SOLUTION_ROLE_NAME,
];
const PRODUCER_PORTFOLIO_TAKES: &[Parameter] = &[
    PRODUCER_NAME_SUFFIX,
    DATA_ZONE_DOMAIN_ID,
    PORTFOLIO_DATA_ZONE_PROJECT_ID,
    PORTFOLIO_GLUE_ROLE_NAME,
    TEMPLATE_BUCKET,
    TEMPLATE_PREFIX,
    PRODUCT_VERSION,
    PROVIDER_NAME,
    PRODUCER_ENVIRONMENT_ROLE_PATTERN,
];
const GLUE_CONNECTION_TAKES: &[Parameter] = &[
    CONNECTION_DATA_ZONE_DOMAIN_ID,
    CONNECTION_DATA_ZONE_PROJECT_ID,
    DATA_ZONE_ENVIRONMENT_ID,
    CONNECTION_NAME,
    JDBC_URL,
    SECRET_ID,
    ENFORCE_TLS,
    CERTIFICATE_LOCATION,
    SUBNET_ID,
    AVAILABILITY_ZONE,
    SECURITY_GROUP_IDS,
];
const GLUE_CRAWLER_TAKES: &[Parameter] = &[
    CONNECTION_DATA_ZONE_DOMAIN_ID,
    CONNECTION_DATA_ZONE_PROJECT_ID,
    DATA_ZONE_ENVIRONMENT_ID,
    CONNECTION_NAME,
    JDBC_URL,
    SECRET_ID,
    ENFORCE_TLS,
    CERTIFICATE_LOCATION,
    SUBNET_ID,
    AVAILABILITY_ZONE,
    SECURITY_GROUP_IDS,
    CRAWLER_NAME,
    SOURCE_PATH,
    GLUE_DATABASE,
    TABLE_PREFIX,
    GLUE_CRAWLER_GLUE_ROLE_NAME,
    SCHEDULE,
];
const SPILL_BUCKET_TAKES: &[Parameter] = &[BUCKET_NAME, RETENTION_DAYS, ENVIRONMENT_ROLE_PATTERN];
const CONSUMER_PORTFOLIO_TAKES: &[Parameter] = &[
    NAME_SUFFIX,
    TEMPLATE_BUCKET,
    TEMPLATE_PREFIX,
    PRODUCT_VERSION,
    PROVIDER_NAME,
    ENVIRONMENT_ROLE_PATTERN,
    SPILL_BUCKET,
];
const ATHENA_MYSQL_TAKES: &[Parameter] = &[
    CONNECTION_DATA_ZONE_DOMAIN_ID,
    CONNECTION_DATA_ZONE_PROJECT_ID,
    DATA_ZONE_ENVIRONMENT_ID,
    CONNECTOR_NAME,
    HOST,
    PORT,
    DATABASE_NAME,
    SECRET_NAME,
    SUBNET_IDS,
    CONNECTOR_SECURITY_GROUP_IDS,
    CONNECTOR_SPILL_BUCKET,
    KEY_ALIAS,
    PERMISSIONS_BOUNDARY_NAME,
    CONNECTOR_VERSION,
];
const ATHENA_POSTGRESQL_TAKES: &[Parameter] = &[
    CONNECTION_DATA_ZONE_DOMAIN_ID,
    CONNECTION_DATA_ZONE_PROJECT_ID,
    DATA_ZONE_ENVIRONMENT_ID,
    CONNECTOR_NAME,
    HOST,
    ATHENA_POSTGRESQL_PORT,
    DATABASE_NAME,
    SECRET_NAME,
    SUBNET_IDS,
    CONNECTOR_SECURITY_GROUP_IDS,
    CONNECTOR_SPILL_BUCKET,
    KEY_ALIAS,
    PERMISSIONS_BOUNDARY_NAME,
    CONNECTOR_VERSION,
];
const ATHENA_SQLSERVER_TAKES: &[Parameter] = &[
    CONNECTION_DATA_ZONE_DOMAIN_ID,
    CONNECTION_DATA_ZONE_PROJECT_ID,
    DATA_ZONE_ENVIRONMENT_ID,
    CONNECTOR_NAME,
    HOST,
    ATHENA_SQLSERVER_PORT,
    DATABASE_NAME,
    SECRET_NAME,
    SUBNET_IDS,
    CONNECTOR_SECURITY_GROUP_IDS,
    CONNECTOR_SPILL_BUCKET,
    KEY_ALIAS,
    PERMISSIONS_BOUNDARY_NAME,
    CONNECTOR_VERSION,
];
const ATHENA_ORACLE_TAKES: &[Parameter] = &[
    CONNECTION_DATA_ZONE_DOMAIN_ID,
    CONNECTION_DATA_ZONE_PROJECT_ID,
    DATA_ZONE_ENVIRONMENT_ID,
    CONNECTOR_NAME,
    HOST,
    ATHENA_ORACLE_PORT,
    SERVICE_NAME,
    SECRET_NAME,
    SUBNET_IDS,
    CONNECTOR_SECURITY_GROUP_IDS,
    CONNECTOR_SPILL_BUCKET,
    KEY_ALIAS,
    PERMISSIONS_BOUNDARY_NAME,
    CONNECTOR_VERSION,
];

const DEPLOYMENT_ROLE_ARN: Parameter = needed(
    "DeploymentRoleArn",
    rules::ROLE_ARN,
    "The role that deploys the other stacks; it makes an LF-tag and grants",
);
const SOLUTION_ROLE_ARN: Parameter = usual(
    "SolutionRoleArn",
    "",
    rules::ROLE_ARN,
    "The role that tags the environments' Glue databases, if it is there already, such as dz_conn_a_common_lambda_role",
);
const DATA_ZONE_DOMAIN_ID: Parameter = needed("DataZoneDomainId", rules::ID, "The domain of the project");
const DATA_ZONE_PROJECT_ID: Parameter = needed(
    "DataZoneProjectId",
    rules::ID,
    "The project whose admin secrets the role may read; they are tagged dzconn:source-domain and dzconn:source-project",
);
const GLUE_ROLE_NAME: Parameter = usual(
    "GlueRoleName",
    "dz_conn_a_common_glue_role",
    rules::ROLE_NAME,
    "The role that crawlers run as; the project's portfolio passes this one only",
);
const SECRET_KEY_ARN: Parameter =
    usual("SecretKeyArn", "", rules::KEY_ARN, "The customer managed key of the admin secrets; none for AWS's own");
const CERTIFICATE_OBJECT_ARN: Parameter = usual(
    "CertificateObjectArn",
    "",
    rules::OBJECT_ARN,
    "The object in S3 with the certificate that connections name as CertificateLocation, such as arn:aws:s3:::bucket/ca.pem",
);
const MAKE_LF_TAG: Parameter =
    usual("MakeLfTag", "true", rules::FLAG, "Whether this stack makes the LF-tag; once for each account and region");
const LF_TAG_KEY: Parameter =
    usual("LfTagKey", "dz_conn_p_access", rules::LF_KEY, "The LF-tag of the Glue databases that are crawled into");
const LF_TAG_VALUE: Parameter = usual("LfTagValue", "True", rules::LF_VALUE, "Its value");
const SOLUTION_ROLE_NAME: Parameter = usual(
    "SolutionRoleName",
    "dz_conn_a_common_lambda_role",
    rules::SOLUTION_ROLE,
    "The role that tags databases, which must be there; none if the tag is put on by hand",
);
const NAME_SUFFIX: Parameter = usual(
    "NameSuffix",
    "",
    rules::SUFFIX,
    "Behind the names of roles and policies, which an account has once for all regions; for its second region",
);
const PRODUCER_NAME_SUFFIX: Parameter = usual(
    "NameSuffix",
    "",
    rules::SUFFIX,
    "Behind the launch role's name, which an account has once; for its second project or region",
);
const PORTFOLIO_DATA_ZONE_PROJECT_ID: Parameter =
    needed("DataZoneProjectId", rules::ID, "The project whose producers launch the products, and nobody else");
const PORTFOLIO_GLUE_ROLE_NAME: Parameter = usual(
    "GlueRoleName",
    "dz_conn_a_common_glue_role",
    rules::ROLE_NAME,
    "The project's Glue role, which producer-common makes; launched crawlers run as no other one",
);
const PRODUCER_ENVIRONMENT_ROLE_PATTERN: Parameter = needed(
    "EnvironmentRolePattern",
    rules::ROLE_PATTERN,
    "The names of the roles of this project's environments; datazone_usr_* would let every project launch",
);
const TEMPLATE_BUCKET: Parameter =
    needed("TemplateBucket", rules::BUCKET, "The bucket with the templates, in this region");
const TEMPLATE_PREFIX: Parameter =
    usual("TemplatePrefix", "dzconn/toolkit", rules::FOLDER, "The folder in that bucket, without a slash at its ends");
const PRODUCT_VERSION: Parameter =
    usual("ProductVersion", "v1", rules::LABEL, "What this version of the products is called");
const PROVIDER_NAME: Parameter = usual("ProviderName", "Data Governance Team", rules::TITLE, "Who offers them");
const ENVIRONMENT_ROLE_PATTERN: Parameter =
    usual("EnvironmentRolePattern", "datazone_usr_*", rules::ROLE_PATTERN, "The names of the environments' roles");
const CONNECTION_DATA_ZONE_DOMAIN_ID: Parameter =
    needed("DataZoneDomainId", rules::ID, "The DataZone domain, as every resource is tagged with it");
const CONNECTION_DATA_ZONE_PROJECT_ID: Parameter =
    needed("DataZoneProjectId", rules::ID, "The project that owns what is made");
const DATA_ZONE_ENVIRONMENT_ID: Parameter =
    needed("DataZoneEnvironmentId", rules::ID, "The environment that what is made belongs to");
const CONNECTION_NAME: Parameter =
    needed("ConnectionName", rules::LINE, "The connection's name, new in this account and region");
const JDBC_URL: Parameter = needed(
    "JdbcUrl",
    rules::URL,
    "Where the source is, such as jdbc:postgresql://db.internal:5432/sales; without user and password",
);
const SECRET_ID: Parameter = needed(
    "SecretId",
    rules::SECRET,
    "Name or ARN of the secret with the admin's username and password; tagged dzconn:source-domain and dzconn:source-project",
);
const ENFORCE_TLS: Parameter =
    usual("EnforceTls", "true", rules::FLAG, "Whether only TLS will do, with a certificate for the source's host");
const CERTIFICATE_LOCATION: Parameter = usual(
    "CertificateLocation",
    "",
    rules::OBJECT,
    "Where the authority's certificate is that signed the source's, such as s3://bucket/ca.pem; AWS's own need none",
);
const SUBNET_ID: Parameter = usual(
    "SubnetId",
    "",
    rules::SUBNET,
    "The subnet from which the source is reached; none for a source on the internet",
);
const AVAILABILITY_ZONE: Parameter = usual("AvailabilityZone", "", rules::ZONE, "The subnet's availability zone");
const SECURITY_GROUP_IDS: Parameter = usual(
    "SecurityGroupIds",
    "",
    rules::GROUPS,
    "The security groups of the connection, separated by commas; one of them must admit itself",
);
const CRAWLER_NAME: Parameter =
    needed("CrawlerName", rules::LINE, "The crawler's name, new in this account and region");
const SOURCE_PATH: Parameter = needed(
    "SourcePath",
    rules::PATH,
    "What is crawled, such as sales/hr/% (MySQL and MariaDB, sales/%); % stands for anything",
);
const GLUE_DATABASE: Parameter = needed(
    "GlueDatabase",
    rules::LINE,
    "The Glue database that tables are written to, tagged dz_conn_p_access=True in Lake Formation; an environment's is its glueProducerDBName",
);
const TABLE_PREFIX: Parameter = usual("TablePrefix", "", rules::PREFIX, "What the names of Glue tables begin with");
const GLUE_CRAWLER_GLUE_ROLE_NAME: Parameter = usual(
    "GlueRoleName",
    "dz_conn_a_common_glue_role",
    rules::ROLE_NAME,
    "The role that the crawler runs as; see producer-common",
);
const SCHEDULE: Parameter = usual(
    "Schedule",
    "",
    rules::SCHEDULE,
    "When it runs by itself, such as cron(15 2 * * ? *), in UTC; only by hand if empty",
);
const BUCKET_NAME: Parameter =
    usual("BucketName", "", rules::BUCKET, "The bucket's name; if empty, dz-conn-c-spill-ACCOUNT-REGION");
const RETENTION_DAYS: Parameter = usual("RetentionDays", "1", rules::DAYS, "After how many days what was spilled goes");
const SPILL_BUCKET: Parameter =
    needed("SpillBucket", rules::BUCKET, "The bucket of spill-bucket, into which connectors may write");
const CONNECTOR_NAME: Parameter = needed(
    "ConnectorName",
    rules::CONNECTOR,
    "What the catalogue is called in Athena, behind dz_conn_c_; new in this account",
);
const HOST: Parameter = needed("Host", rules::HOST, "The source's host, or its address; one of IPv6 in brackets");
const PORT: Parameter = usual("Port", "3306", rules::PORT, "The source's port");
const DATABASE_NAME: Parameter = needed(
    "DatabaseName",
    rules::DATABASE,
    "The database; what has a meaning of its own in a JDBC URL cannot stand in its name",
);
const SECRET_NAME: Parameter =
    needed("SecretName", rules::SECRET_NAME, "The consumer secret's name; `dzconn list` shows it");
const SUBNET_IDS: Parameter = needed(
    "SubnetIds",
    rules::SUBNETS,
    "The subnets from which the source, S3 and Secrets Manager are reached, separated by commas",
);
const CONNECTOR_SECURITY_GROUP_IDS: Parameter =
    needed("SecurityGroupIds", rules::GROUPS, "The security groups of the connector, separated by commas");
const CONNECTOR_SPILL_BUCKET: Parameter =
    needed("SpillBucket", rules::BUCKET, "The bucket for what does not fit into one answer; spill-bucket makes it");
const KEY_ALIAS: Parameter = usual("KeyAlias", "alias/dz_conn_a_common_key", rules::KEY_ALIAS, "The key of the secret");
const PERMISSIONS_BOUNDARY_NAME: Parameter = usual(
    "PermissionsBoundaryName",
    "dz_conn_c_connector_boundary",
    rules::BOUNDARY,
    "The policy that bounds the connector's role; consumer-portfolio makes it, with its NameSuffix behind the name. None if empty",
);
const CONNECTOR_VERSION: Parameter = usual(
    "ConnectorVersion",
    "2026.17.1",
    rules::VERSION,
    "The connector's version in the Serverless Application Repository",
);
const ATHENA_POSTGRESQL_PORT: Parameter = usual("Port", "5432", rules::PORT, "The source's port");
const ATHENA_SQLSERVER_PORT: Parameter = usual("Port", "1433", rules::PORT, "The source's port");
const ATHENA_ORACLE_PORT: Parameter = usual("Port", "1521", rules::PORT, "The source's port");
const SERVICE_NAME: Parameter = needed(
    "ServiceName",
    rules::DATABASE,
    "The service, such as a pluggable database's; what has a meaning of its own in a JDBC URL cannot stand in its name",
);
