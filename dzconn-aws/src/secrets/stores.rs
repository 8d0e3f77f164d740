//! One store for each account and region.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use dzconn_core::Result;
use dzconn_core::model::Owner;
use dzconn_core::store::{CredentialStore, CredentialStores};

use super::SecretsManager;
use crate::Accounts;

/// The secrets of all accounts that the host works in, each as the role that works there sees them. The same owner always
/// gets the same store, so that what one run has seen of a secret's policy serves the next.
#[derive(Clone, Debug)]
pub struct SecretsManagerStores {
    accounts: Accounts,
    stores: Arc<Mutex<HashMap<Owner, Arc<SecretsManager>>>>,
}

impl SecretsManagerStores {
    /// The stores of these accounts, with their settings.
    pub fn new(accounts: Accounts) -> Self {
        Self { accounts, stores: Arc::default() }
    }
}

#[async_trait]
impl CredentialStores for SecretsManagerStores {
    /// # Errors
    /// [`ErrorKind::InvalidConfig`](dzconn_core::ErrorKind::InvalidConfig), as of [`SecretsManager::new`]. No call is made: a
    /// role that cannot be assumed shows at the store's first one.
    async fn of(&self, owner: &Owner) -> Result<Arc<dyn CredentialStore>> {
        let found = self.stores.lock().unwrap_or_else(PoisonError::into_inner).get(owner).map(Arc::clone);
        if let Some(found) = found {
            return Ok(found);
        }
        let client = self.accounts.clients(owner).await.secrets;
        let made = Arc::new(SecretsManager::new(client, owner.clone(), &self.accounts.config().secrets)?);
        let mut stores = self.stores.lock().unwrap_or_else(PoisonError::into_inner);
        let store: Arc<dyn CredentialStore> = Arc::clone(stores.entry(owner.clone()).or_insert(made)) as _;
        Ok(store)
    }
}
