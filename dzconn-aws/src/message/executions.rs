//! The objects that the state machines accumulate, each from its input on.

use serde::{Deserialize, Serialize};

use super::{
    AccountAddLfTagEnvironmentDbsDetails, AccountCleanEnvironmentRolesDetails, AccountUpdateEnvironmentRolesDetails,
    ConnectionDetails, ConsumerGrantDetails, ConsumerRevokeDetails, CopySubscriptionSecretDetails,
    DeleteKeepSubscriptionSecretDetails, DeleteSubscriptionSecretDetails, EnvironmentActiveResources,
    EnvironmentDeletingResources, EnvironmentDetails, EnvironmentEventDetails, GrantSubscriptionDetails, Others,
    ProducerGrantDetails, ProducerRevokeDetails, RevokeSubscriptionDetails, ShareSubscriptionSecretDetails,
    SubscriptionDetails, SubscriptionEventDetails, SubscriptionRecordDetails, SubscriptionResources,
};

/// An execution: what it starts with, and what its steps add, in their order.
macro_rules! execution {
    ($(#[$doc:meta])* $name:ident
        begins { $($(#[$first_doc:meta])* $first:ident: $first_type:ty,)+ }
        adds { $($(#[$then_doc:meta])* $then:ident: $then_type:ty,)+ }
    ) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(rename_all = "PascalCase")]
        pub struct $name {
            $($(#[$first_doc])* pub $first: $first_type,)+
            $(
                $(#[$then_doc])*
                #[serde(default, skip_serializing_if = "Option::is_none")]
                pub $then: Option<$then_type>,
            )+
            /// What else there is.
            #[serde(flatten)]
            pub others: Others,
        }

        impl $name {
            /// What it starts with.
            #[must_use]
            pub fn begin($($first: $first_type),+) -> Self {
                Self { $($first,)+ $($then: None,)+ others: Others::default() }
            }
        }
    };
}

execution!(
    /// The primary's grant, in the governance account.
    GrantExecution
    begins {
        /// What started it.
        event_details: SubscriptionEventDetails,
    }
    adds {
        /// Who is to read what.
        subscription_details: SubscriptionDetails,
        /// What is started in the other accounts.
        cross_account_resources: SubscriptionResources,
        /// What the producer did.
        producer_grant_details: ProducerGrantDetails,
        /// What the consumer did.
        consumer_grant_details: ConsumerGrantDetails,
    }
);

execution!(
    /// The primary's revoke, in the governance account.
    RevokeExecution
    begins {
        /// What started it.
        event_details: SubscriptionEventDetails,
    }
    adds {
        /// Who is no longer to read what.
        subscription_details: SubscriptionDetails,
        /// What is started in the other accounts.
        cross_account_resources: SubscriptionResources,
        /// What the producer did.
        producer_revoke_details: ProducerRevokeDetails,
        /// What the consumer did.
        consumer_revoke_details: ConsumerRevokeDetails,
    }
);

execution!(
    /// The producer's grant.
    ProducerGrantExecution
    begins {
        /// Who is to read what.
        subscription_details: SubscriptionDetails,
    }
    adds {
        /// Which connection it comes from.
        connection_details: ConnectionDetails,
        /// The source's record.
        grant_subscription_details: GrantSubscriptionDetails,
        /// The shared secret.
        share_subscription_secret_details: ShareSubscriptionSecretDetails,
    }
);

execution!(
    /// The producer's revoke.
    ProducerRevokeExecution
    begins {
        /// Who is no longer to read what.
        subscription_details: SubscriptionDetails,
    }
    adds {
        /// Which connection it comes from.
        connection_details: ConnectionDetails,
        /// The source's record.
        revoke_subscription_details: RevokeSubscriptionDetails,
        /// What has become of the secret.
        delete_keep_subscription_secret_details: DeleteKeepSubscriptionSecretDetails,
    }
);

execution!(
    /// The consumer's grant.
    ConsumerGrantExecution
    begins {
        /// Who is to read what.
        subscription_details: SubscriptionDetails,
        /// What the producer did.
        producer_grant_details: ProducerGrantDetails,
    }
    adds {
        /// The copy, if one was made.
        copy_subscription_secret_details: CopySubscriptionSecretDetails,
        /// The asset's record.
        update_subscription_records_details: SubscriptionRecordDetails,
    }
);

execution!(
    /// The consumer's revoke.
    ConsumerRevokeExecution
    begins {
        /// Who is no longer to read what.
        subscription_details: SubscriptionDetails,
        /// What the producer did.
        producer_revoke_details: ProducerRevokeDetails,
    }
    adds {
        /// The asset's record, as it was.
        remove_subscription_records_details: SubscriptionRecordDetails,
        /// What has become of the copy.
        delete_subscription_secret_details: DeleteSubscriptionSecretDetails,
    }
);

execution!(
    /// An environment that is active.
    EnvironmentActiveExecution
    begins {
        /// What started it.
        event_details: EnvironmentEventDetails,
    }
    adds {
        /// The environment.
        environment_details: EnvironmentDetails,
        /// What is invoked in its account.
        cross_account_resources: EnvironmentActiveResources,
        /// What was done to its role.
        account_update_environment_roles_details: AccountUpdateEnvironmentRolesDetails,
        /// What was done to its databases.
        #[serde(rename = "AccountAddLFTagEnvironmentDBsDetails")]
        account_add_lf_tag_environment_dbs_details: AccountAddLfTagEnvironmentDbsDetails,
    }
);

execution!(
    /// An environment that is being deleted.
    EnvironmentDeletingExecution
    begins {
        /// What started it.
        event_details: EnvironmentEventDetails,
    }
    adds {
        /// The environment.
        environment_details: EnvironmentDetails,
        /// What is invoked in its account.
        cross_account_resources: EnvironmentDeletingResources,
        /// What was done to its role.
        account_clean_environment_roles_details: AccountCleanEnvironmentRolesDetails,
    }
);

/// What the primary takes out of the other executions' output (`$.Output`).
impl ProducerGrantExecution {
    /// The primary's `ProducerGrantDetails`, once the last step has run.
    pub fn details(&self) -> Option<ProducerGrantDetails> {
        self.share_subscription_secret_details.clone()
    }
}

impl ProducerRevokeExecution {
    /// The primary's `ProducerRevokeDetails`, once the last step has run: the secret as the revoke found it, and what became
    /// of it.
    pub fn details(&self) -> Option<ProducerRevokeDetails> {
        let revoked = self.revoke_subscription_details.as_ref()?;
        Some(ProducerRevokeDetails {
            secret_arn: revoked.secret_arn.clone(),
            secret_name: revoked.secret_name.clone(),
            ..self.delete_keep_subscription_secret_details.clone()?
        })
    }
}

impl ConsumerGrantExecution {
    /// The primary's `ConsumerGrantDetails`, once the last step has run.
    pub fn details(&self) -> Option<ConsumerGrantDetails> {
        let record = self.update_subscription_records_details.as_ref()?;
        Some(ConsumerGrantDetails {
            secret_arn: record.secret_arn.0.clone()?,
            secret_name: record.secret_name.0.clone()?,
            data_zone_asset_id: record.data_zone_asset_id.clone(),
            data_zone_consumer_environment_id: record.data_zone_consumer_environment_id.clone(),
            others: Others::default(),
        })
    }
}

impl ConsumerRevokeExecution {
    /// The primary's `ConsumerRevokeDetails`, once the last step has run.
    pub fn details(&self) -> Option<ConsumerRevokeDetails> {
        let record = self.remove_subscription_records_details.as_ref()?;
        Some(ConsumerRevokeDetails {
            secret: self.delete_subscription_secret_details.clone()?,
            data_zone_asset_id: record.data_zone_asset_id.clone(),
            data_zone_consumer_environment_id: record.data_zone_consumer_environment_id.clone(),
        })
    }
}
