//! An admin's session behind gates.

use std::time::Duration;

use async_trait::async_trait;
use dzconn_core::engine::{Created, Lock, LockKey, Reads};
use dzconn_core::memory::{MemoryDatabase, MemoryEngine};
use dzconn_core::model::{AssetPath, Credentials, TableName, UserName};
use dzconn_core::{Result, SourceEngine};

use crate::gate::{Gates, Touches};
use crate::ports::Guard;

#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) port: Box<dyn SourceEngine>,
    pub(crate) server: MemoryEngine,
    pub(crate) gates: Gates,
    pub(crate) without: Option<Guard>,
}

impl Session {
    /// Where the lock is not checked, the server does what it is told, whoever holds it.
    fn unchecked<T>(&self, work: impl FnOnce(&mut MemoryDatabase) -> T) -> Option<T> {
        (self.without == Some(Guard::LockChecked)).then(|| self.server.with(work))
    }
}

macro_rules! source {
    ($self:ident, $name:literal, $call:expr) => {
        $self.gates.call($name, Touches::Source, $call).await
    };
}

macro_rules! change {
    ($self:ident, $name:literal, $unchecked:expr, $call:expr) => {{
        let gates = $self.gates.clone();
        gates
            .call($name, Touches::Source, async {
                match $self.unchecked($unchecked) {
                    Some(done) => done,
                    None => $call.await,
                }
            })
            .await
    }};
}

#[async_trait]
impl SourceEngine for Session {
    async fn lock(&mut self, key: &LockKey, _: Duration, hold: Duration) -> Result<Lock> {
        if self.without == Some(Guard::Lock) {
            return source!(self, "source.lock", async { Ok(Lock::Held) });
        }
        // Who waits is known, so nobody waits long.
        let mut tried = None;
        loop {
            let attempt = self.port.lock(key, Duration::ZERO, hold);
            match self.gates.lock("source.lock", tried, attempt).await {
                Some(answer) => return answer,
                None => tried = Some(self.gates.effects()),
            }
        }
    }

    async fn unlock(&mut self) -> Result<()> {
        source!(self, "source.unlock", self.port.unlock())
    }

    async fn resolve(&mut self, path: &AssetPath) -> Result<TableName> {
        source!(self, "source.resolve", self.port.resolve(path))
    }

    async fn create_user(&mut self, credentials: &Credentials) -> Result<Created> {
        change!(
            self,
            "source.create_user",
            |database| Ok(database.create_user(credentials)),
            self.port.create_user(credentials)
        )
    }

    async fn set_password(&mut self, credentials: &Credentials) -> Result<()> {
        change!(
            self,
            "source.set_password",
            |database| database.set_password(credentials),
            self.port.set_password(credentials)
        )
    }

    async fn grant(&mut self, user: &UserName, table: &TableName, take_back: &[TableName]) -> Result<()> {
        change!(
            self,
            "source.grant",
            |database| database.grant(user, table, take_back),
            self.port.grant(user, table, take_back)
        )
    }

    async fn revoke(&mut self, user: &UserName, tables: &[TableName]) -> Result<()> {
        change!(self, "source.revoke", |database| database.revoke(user, tables), self.port.revoke(user, tables))
    }

    async fn drop_user(&mut self, user: &UserName) -> Result<()> {
        change!(self, "source.drop_user", |database| database.drop_user(user), self.port.drop_user(user))
    }

    async fn reads(&mut self, user: &UserName, table: &TableName) -> Result<Reads> {
        source!(self, "source.reads", self.port.reads(user, table))
    }

    async fn excess(&mut self, user: &UserName, granted: &[TableName], limit: usize) -> Result<Vec<String>> {
        source!(self, "source.excess", self.port.excess(user, granted, limit))
    }

    async fn user_exists(&mut self, user: &UserName) -> Result<bool> {
        source!(self, "source.user_exists", self.port.user_exists(user))
    }

    async fn users(&mut self, prefix: &str) -> Result<Vec<UserName>> {
        source!(self, "source.users", self.port.users(prefix))
    }

    async fn granted(&mut self, user: &UserName) -> Result<Vec<TableName>> {
        source!(self, "source.granted", self.port.granted(user))
    }

    async fn close(self: Box<Self>) -> Result<()> {
        self.port.close().await
    }
}
