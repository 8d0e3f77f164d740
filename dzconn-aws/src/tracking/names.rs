//! What the attributes are called. Those that are documented ("Tracking tables") keep their names to the letter; our own
//! begin with `dzconn_`, but for the marker that is documented under another name, and for the key of our own table.

/// Glue's ARN of the connection, or any name of its own.
pub(super) const CONNECTION: &str = "glue_connection_arn";
pub(super) const ENVIRONMENT: &str = "datazone_consumer_environment_id";
pub(super) const PROJECT: &str = "datazone_consumer_project_id";
pub(super) const DOMAIN: &str = "datazone_domain_id";
/// The domain, in the mappings alone.
pub(super) const MAPPING_DOMAIN: &str = "datazone_domain";
pub(super) const DATA_ASSETS: &str = "data_assets";
pub(super) const LAST_UPDATED: &str = "last_updated";
pub(super) const OWNER_ACCOUNT: &str = "owner_account";
pub(super) const OWNER_REGION: &str = "owner_region";
pub(super) const SECRET_ARN: &str = "secret_arn";
pub(super) const SECRET_NAME: &str = "secret_name";
pub(super) const SHARED_SECRET_ARN: &str = "shared_secret_arn";
pub(super) const ASSET: &str = "datazone_asset_id";
pub(super) const ASSET_REVISION: &str = "datazone_asset_revision";
pub(super) const ASSET_TYPE: &str = "datazone_asset_type";
pub(super) const LISTING: &str = "datazone_listing_id";
pub(super) const LISTING_NAME: &str = "datazone_listing_name";
pub(super) const LISTING_REVISION: &str = "datazone_listing_revision";

/// Whether `data_assets` is complete.
pub(super) const DATA_ASSETS_COMPLETE: &str = "data_assets_complete";
/// The key of our own table.
pub(super) const PARTITION: &str = "pk";
pub(super) const SORT: &str = "sk";

/// What our own attributes begin with. An item without any was written by the older system.
pub(super) const OURS: &str = "dzconn_";
pub(super) const VERSION: &str = "dzconn_version";
pub(super) const PHASE: &str = "dzconn_phase";
pub(super) const GENERATION: &str = "dzconn_generation";
pub(super) const USER: &str = "dzconn_user";
pub(super) const COPY: &str = "dzconn_copy_secret_name";
/// The other user of the generation, and the rotation that is under way. Items written before there were rotations have none.
pub(super) const SPARE: &str = "dzconn_spare_user";
pub(super) const TURN: &str = "dzconn_turn";
pub(super) const TURN_STAGE: &str = "dzconn_turn_stage";
pub(super) const OLDER: &str = "dzconn_older_assets";
pub(super) const SETTLED: &str = "dzconn_settled";
pub(super) const OPEN: &str = "dzconn_open";
pub(super) const REVOKED: &str = "dzconn_revoked";
pub(super) const RETIRED: &str = "dzconn_retired";
/// Where an asset was granted: the connection, where that lives, the path as published, and the table's names.
pub(super) const PLACE_CONNECTION: &str = "dzconn_connection";
pub(super) const PLACE_ACCOUNT: &str = "dzconn_account";
pub(super) const PLACE_REGION: &str = "dzconn_region";
pub(super) const PLACE_PATH: &str = "dzconn_path";
pub(super) const TABLE: &str = "dzconn_table";
pub(super) const ASSETS: &str = "dzconn_assets";
pub(super) const SINCE: &str = "dzconn_since";
pub(super) const WANTED: &str = "dzconn_wanted";

/// Of objects: what is read, by whom, and how that stands.
pub(super) const OBJECTS: &str = "dzconn_objects";
pub(super) const PRINCIPALS: &str = "dzconn_principals";
pub(super) const OBJECT_STATE: &str = "dzconn_state";
/// Of a bucket: which, the domains of its claims, the claims, and since when a run works on its policy.
pub(super) const BUCKET: &str = "dzconn_bucket";
pub(super) const DOMAINS: &str = "dzconn_domains";
pub(super) const CLAIMS: &str = "dzconn_claims";
pub(super) const LEASED: &str = "dzconn_leased";

/// Members of our own maps.
pub(super) const ID: &str = "id";
pub(super) const STATE: &str = "state";
pub(super) const PATHS: &str = "assets";
pub(super) const PATH: &str = "path";
pub(super) const RETAINED: &str = "retained";
pub(super) const CLAIM_DOMAIN: &str = "domain";
pub(super) const HAS: &str = "has";
pub(super) const OPENED: &str = "open";

/// The index of the asset subscriptions by project and listing.
pub(super) const BY_LISTING: &str = "dzconn_by_listing";
