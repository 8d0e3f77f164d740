//! Calls: what they are, what is remembered of them, and how they are made to fail.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

macro_rules! operations {
    ($($name:ident),* $(,)?) => {
        /// The operations that are served.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
        #[allow(missing_docs, reason = "each is named after the operation in the API reference")]
        pub enum Operation { $($name),* }

        impl Operation {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name),*];
        }
    };
}

operations! {
    CreateSubscriptionGrant,
    GetAsset,
    GetEnvironment,
    GetEnvironmentBlueprint,
    GetEnvironmentProfile,
    GetListing,
    GetProject,
    GetSubscription,
    GetSubscriptionGrant,
    GetSubscriptionRequestDetails,
    ListEnvironments,
    ListProjects,
    ListSubscriptionGrants,
    ListSubscriptionTargets,
    ListSubscriptions,
    UpdateSubscriptionGrantStatus,
}

/// A call that was made.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Call {
    /// What was called.
    pub operation: Operation,
    /// The path.
    pub path: String,
    /// The query parameters.
    pub query: BTreeMap<String, String>,
    /// The body; null if there was none.
    pub body: Value,
    /// The status that was answered.
    pub status: u16,
}

/// How a call fails.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// `ThrottlingException`.
    Throttled,
    /// `InternalServerException`.
    Internal,
    /// 503 and no body, as from a load balancer.
    Unavailable,
    /// `AccessDeniedException`.
    Denied,
    /// 200 and a body that is not JSON.
    Garbage,
    /// This status, `x-amzn-ErrorType` and message.
    Error(u16, String, String),
}
