//! What the stub knows. All of it can be edited from Rust, and read from and written to JSON.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Everything.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct State {
    /// The most items that a page holds. The service's own limit is 50; a small one exercises pagination.
    #[serde(default = "two")]
    pub page: usize,
    /// Whether a grant's status may go to its end only by way of `..._IN_PROGRESS`. The API reference does not say; the stub
    /// does either.
    #[serde(default)]
    pub stepwise: bool,
    /// The domains.
    #[serde(default)]
    pub domains: Vec<Domain>,
    /// Seconds; every write moves it on by one.
    #[serde(default = "start")]
    pub clock: u64,
}

impl Default for State {
    fn default() -> Self {
        Self { page: two(), stepwise: false, domains: Vec::new(), clock: start() }
    }
}

/// A domain.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Domain {
    /// `dzd-...` or `dzd_...`.
    pub id: String,
    /// Its projects.
    pub projects: Vec<Project>,
    /// Its blueprints.
    pub blueprints: Vec<Blueprint>,
    /// Its environment profiles; newer domains have none.
    pub profiles: Vec<Profile>,
    /// Its environments.
    pub environments: Vec<Environment>,
    /// Its listings.
    pub listings: Vec<Listing>,
    /// Its subscription requests.
    pub requests: Vec<Request>,
    /// Its subscriptions.
    pub subscriptions: Vec<Subscription>,
    /// Its subscription targets.
    pub targets: Vec<Target>,
    /// Its subscription grants.
    pub grants: Vec<Grant>,
}

impl Domain {
    /// An empty one.
    #[must_use]
    pub fn new(id: impl Into<String>) -> Self {
        Self { id: id.into(), ..Self::default() }
    }
}

/// A project.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Project {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
}

/// A blueprint.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Blueprint {
    /// Its id.
    pub id: String,
    /// Its name, such as `DefaultDataLake`.
    pub name: String,
}

/// An environment profile.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Profile {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its blueprint's id.
    pub blueprint: String,
}

/// An environment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Environment {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its project's id.
    pub project: String,
    /// Its blueprint's id.
    pub blueprint: Option<String>,
    /// Its profile's id.
    pub profile: Option<String>,
    /// Its account.
    pub account: Option<String>,
    /// Its region.
    pub region: Option<String>,
    /// Who provides it.
    pub provider: String,
    /// `ACTIVE`, `CREATING`, `DELETING` ...
    pub status: String,
    /// What was provisioned, by name.
    pub resources: BTreeMap<String, String>,
}

impl Default for Environment {
    fn default() -> Self {
        Self {
            id: String::new(),
            name: String::new(),
            project: String::new(),
            blueprint: None,
            profile: None,
            account: None,
            region: None,
            provider: "Amazon DataZone".to_owned(),
            status: "ACTIVE".to_owned(),
            resources: BTreeMap::new(),
        }
    }
}

/// A listing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Listing {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its revision.
    #[serde(default = "one")]
    pub revision: String,
    /// `ACTIVE`, `INACTIVE` ...
    #[serde(default = "active")]
    pub status: String,
    /// The project that published it.
    pub owner: String,
    /// What is published.
    pub item: Item,
}

/// What a listing publishes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", deny_unknown_fields)]
pub enum Item {
    /// An asset of any type.
    Asset {
        /// The asset's id.
        id: String,
        /// The asset's revision.
        #[serde(default = "one")]
        revision: String,
        /// The asset's type.
        r#type: String,
        /// The forms by name. A text is sent as it is, whatever stands in it.
        forms: Value,
    },
    /// A data product.
    DataProduct {
        /// The product's id.
        id: String,
    },
}

impl Listing {
    /// A Glue table that `owner` has published, with the form that a data source run writes.
    #[must_use]
    pub fn glue_table(id: &str, owner: &str, asset: &str, table: (&str, &str, &str, &str)) -> Self {
        let (account, region, database, name) = table;
        let form = json!({
            "catalogId": account,
            "region": region,
            "tableName": name,
            "tableArn": format!("arn:aws:glue:{region}:{account}:table/{database}/{name}"),
            "sourceClassification": "postgresql",
            "columns": [{"columnName": "id", "dataType": "int"}],
        });
        Self::asset(
            id,
            owner,
            asset,
            "GlueTableAssetType",
            json!({"AssetCommonDetailsForm": {}, "GlueTableForm": form}),
        )
    }

    /// A collection of S3 objects.
    #[must_use]
    pub fn s3_objects(id: &str, owner: &str, asset: &str, arn: &str) -> Self {
        let forms = json!({"S3ObjectCollectionForm": {"bucketArn": arn}});
        Self::asset(id, owner, asset, "S3ObjectCollectionAssetType", forms)
    }

    /// An asset of any type, with any forms.
    #[must_use]
    pub fn asset(id: &str, owner: &str, asset: &str, asset_type: &str, forms: Value) -> Self {
        let item = Item::Asset { id: asset.to_owned(), revision: one(), r#type: asset_type.to_owned(), forms };
        Self { item, ..Self::data_product(id, owner, "") }
    }

    /// A data product.
    #[must_use]
    pub fn data_product(id: &str, owner: &str, product: &str) -> Self {
        Self {
            id: id.to_owned(),
            name: format!("name of {id}"),
            revision: one(),
            status: active(),
            owner: owner.to_owned(),
            item: Item::DataProduct { id: product.to_owned() },
        }
    }
}

/// Who has subscribed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Principal {
    /// A project, by id.
    Project(String),
    /// A user, by id.
    User(String),
    /// A group, by id.
    Group(String),
    /// An IAM principal, by ARN.
    Iam(String),
}

/// A subscription request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Request {
    /// Its id.
    pub id: String,
    /// `PENDING`, `ACCEPTED` or `REJECTED`.
    pub status: String,
    /// Who asks.
    pub principal: Principal,
    /// For which listing.
    pub listing: String,
    /// Why.
    #[serde(default)]
    pub reason: String,
}

/// A subscription.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Subscription {
    /// Its id.
    pub id: String,
    /// `APPROVED`, `REVOKED` or `CANCELLED`.
    pub status: String,
    /// Who has subscribed.
    pub principal: Principal,
    /// To which listing. It may have been deleted since.
    pub listing: String,
    /// The filters of its asset scope; no scope without them.
    #[serde(default)]
    pub filters: Option<Vec<String>>,
    /// Whether permissions stay when it ends.
    #[serde(default)]
    pub retain: Option<bool>,
    /// The request that led to it.
    #[serde(default)]
    pub request: Option<String>,
    /// When it was last changed, in seconds.
    #[serde(default)]
    pub updated: u64,
    /// The status that lists still show; empty where they do not know it yet. `None`: lists are up to date.
    #[serde(default)]
    pub listed: Option<String>,
}

impl Subscription {
    /// An approved one, without filters.
    #[must_use]
    pub fn approved(id: &str, project: &str, listing: &str) -> Self {
        Self {
            id: id.to_owned(),
            status: "APPROVED".to_owned(),
            principal: Principal::Project(project.to_owned()),
            listing: listing.to_owned(),
            filters: None,
            retain: None,
            request: None,
            updated: 0,
            listed: None,
        }
    }
}

/// A subscription target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Target {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its environment's id.
    pub environment: String,
    /// Who fulfils it; `Amazon DataZone` for the service's own.
    pub provider: String,
    /// Its type.
    #[serde(default = "custom")]
    pub r#type: String,
    /// Who may use it.
    #[serde(default)]
    pub principals: Vec<String>,
    /// The asset types that it takes.
    #[serde(default)]
    pub asset_types: Vec<String>,
}

/// A subscription grant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Grant {
    /// Its id.
    pub id: String,
    /// Its environment's id.
    pub environment: String,
    /// Its target's id.
    pub target: String,
    /// The listing.
    pub listing: String,
    /// The listing's revision.
    #[serde(default = "one")]
    pub revision: String,
    /// Its assets.
    #[serde(default)]
    pub assets: Vec<AssetGrant>,
    /// The token that it was made with.
    #[serde(default)]
    pub token: Option<String>,
    /// Every status that it was given, oldest first.
    #[serde(default)]
    pub history: Vec<Change>,
    /// When it was last changed, in seconds.
    #[serde(default)]
    pub updated: u64,
}

impl Grant {
    /// A grant of one asset, in this status.
    #[must_use]
    pub fn new(id: &str, environment: &str, target: &str, listing: &str, asset: (&str, &str)) -> Self {
        let (asset, status) = asset;
        Self {
            id: id.to_owned(),
            environment: environment.to_owned(),
            target: target.to_owned(),
            listing: listing.to_owned(),
            revision: one(),
            assets: vec![AssetGrant::new(asset, &one(), status)],
            token: None,
            history: Vec::new(),
            updated: 0,
        }
    }
}

/// Where the grant of one asset stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AssetGrant {
    /// The asset.
    pub asset: String,
    /// Its revision.
    #[serde(default = "one")]
    pub revision: String,
    /// `GRANT_PENDING`, `GRANTED` ...
    pub status: String,
    /// Why it failed.
    #[serde(default)]
    pub cause: Option<String>,
    /// Its name in the target.
    #[serde(default)]
    pub target_name: Option<String>,
}

impl AssetGrant {
    pub(crate) fn new(asset: &str, revision: &str, status: &str) -> Self {
        let text = str::to_owned;
        Self { asset: text(asset), revision: text(revision), status: text(status), cause: None, target_name: None }
    }
}

/// One update of a grant's status.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Change {
    /// The asset.
    pub asset: String,
    /// The new status.
    pub status: String,
    /// Why it failed.
    #[serde(default)]
    pub cause: Option<String>,
}

fn two() -> usize {
    2
}

fn start() -> u64 {
    1_750_000_000
}

fn one() -> String {
    "1".to_owned()
}

fn active() -> String {
    "ACTIVE".to_owned()
}

fn custom() -> String {
    "CustomSubscriptionTargetType".to_owned()
}
