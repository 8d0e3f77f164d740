//! Everything that a [`Fulfilment`] needs, on AWS.

use dzconn_core::fulfilment::Settings;
use dzconn_core::model::Principal;
use dzconn_core::{Engines, Environments, Fulfilment, Result};

use crate::Accounts;
use crate::buckets::S3Policies;
use crate::datazone::DataZonePortal;
use crate::environment::{self, IamRoles, LakeFormationTags};
use crate::glue::GlueCatalog;
use crate::secrets::SecretsManagerStores;
use crate::tracking::{self, Created, DynamoTracking};

/// The ports on AWS, put together: tracking and portal in the governance account, connections and secrets in every account.
#[derive(Clone, Debug)]
pub struct Aws {
    accounts: Accounts,
    dynamodb: aws_sdk_dynamodb::Client,
    tracking: DynamoTracking,
    secrets: SecretsManagerStores,
    catalog: GlueCatalog,
    portal: DataZonePortal,
    buckets: S3Policies,
}

impl Aws {
    /// Over these accounts. Nothing is called yet.
    pub async fn new(accounts: Accounts) -> Self {
        let governance = accounts.governance().await;
        let dynamodb = aws_sdk_dynamodb::Client::new(&governance);
        Self {
            tracking: DynamoTracking::new(dynamodb.clone(), accounts.config().tables.clone()),
            secrets: SecretsManagerStores::new(accounts.clone()),
            catalog: GlueCatalog::new(accounts.clone()),
            portal: DataZonePortal::new(aws_sdk_datazone::Client::new(&governance), accounts.clone()),
            buckets: S3Policies::new(accounts.clone()),
            dynamodb,
            accounts,
        }
    }

    /// Grants and revokes with these engines. What the configuration says about users and readers goes before `settings`.
    pub fn fulfilment(&self, engines: Engines, mut settings: Settings) -> Result<Fulfilment> {
        let config = self.accounts.config();
        settings.user_naming = config.user_naming;
        settings.share_within_account = config.roles.reader.is_some();
        settings.reader = Some(config.roles.reader.clone().unwrap_or_else(|| config.roles.account.clone()));
        // At home nothing is assumed: whoever the host is there reads what other accounts share.
        if let (None, Some(role)) = (&config.roles.reader, self.accounts.own_role()) {
            settings.reader_in.insert(self.accounts.own().clone(), Principal::new(role)?);
        }
        Fulfilment::builder()
            .engines(engines)
            .credential_stores(self.secrets.clone())
            .tracking(self.tracking.clone())
            .catalog(self.catalog.clone())
            .portal(self.portal.clone())
            .buckets(self.buckets.clone())
            .settings(settings)
            .build()
    }

    /// Equips and cleans environments; what one was granted is revoked through `fulfilment`.
    pub fn environments(&self, fulfilment: Fulfilment) -> Environments {
        let accounts = &self.accounts;
        Environments::new(
            self.portal.clone(),
            IamRoles::new(accounts.clone()),
            LakeFormationTags::new(accounts.clone()),
            environment::equipment(&accounts.config().environments),
            fulfilment,
        )
    }

    /// Makes the tracking tables in the governance account; see [`tracking::create_tables`].
    pub async fn create_tables(&self) -> Result<Vec<Created>> {
        tracking::create_tables(&self.dynamodb, &self.accounts.config().tables).await
    }

    /// Who we are in which account.
    pub fn accounts(&self) -> &Accounts {
        &self.accounts
    }

    /// The tracking tables.
    pub fn tracking(&self) -> &DynamoTracking {
        &self.tracking
    }

    /// The secrets of every account.
    pub fn secrets(&self) -> &SecretsManagerStores {
        &self.secrets
    }

    /// The connections.
    pub fn catalog(&self) -> &GlueCatalog {
        &self.catalog
    }

    /// The policies of buckets.
    pub fn buckets(&self) -> &S3Policies {
        &self.buckets
    }

    /// The portal.
    pub fn portal(&self) -> &DataZonePortal {
        &self.portal
    }
}
