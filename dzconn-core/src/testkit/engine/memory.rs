//! The in-memory source as a fixture: an example, and a way to test what is wrapped around an engine.

use std::sync::Arc;

use async_trait::async_trait;

use super::{Attempt, Attempted, EngineFixture, UserSession, Wire};
use crate::Result;
use crate::engine::{EngineConnector, LockKey};
use crate::memory::{MemoryClient, MemoryEngine, MemoryRead};
use crate::model::{Credentials, Source, SourceEndpoint, TableName, UserName};

/// A [`MemoryEngine`] under test, or something around one.
#[derive(Debug)]
pub struct MemoryFixture {
    engine: MemoryEngine,
    connector: Arc<dyn EngineConnector>,
    ends_sessions: bool,
}

impl MemoryFixture {
    /// The engine itself.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// What `wrap` makes of the engine.
    pub fn of<C: EngineConnector + 'static>(wrap: impl FnOnce(MemoryEngine) -> C) -> Self {
        let engine = MemoryEngine::new();
        Self { connector: Arc::new(wrap(engine.clone())), engine, ends_sessions: true }
    }

    /// From now on, the admin may not end other users' sessions.
    #[must_use]
    pub fn without_ending_sessions(mut self) -> Self {
        self.engine.with(crate::memory::MemoryDatabase::forbid_ending_sessions);
        self.ends_sessions = false;
        self
    }
}

impl Default for MemoryFixture {
    fn default() -> Self {
        Self::of(|engine| engine)
    }
}

#[async_trait]
impl EngineFixture for MemoryFixture {
    fn connector(&self) -> Arc<dyn EngineConnector> {
        Arc::clone(&self.connector)
    }

    fn source(&self) -> Source {
        self.engine.source()
    }

    fn table(&self, name: &str) -> TableName {
        // Only an empty name, or one with a NUL, is no table's name, and no rule asks for one.
        TableName::in_schema("memory", "kit", name).unwrap_or_else(|_| unreachable!("no table's name: {name:?}"))
    }

    async fn create_table(&self, table: &TableName) -> Result<()> {
        self.engine.add_table(table);
        Ok(())
    }

    async fn drop_table(&self, table: &TableName) -> Result<()> {
        self.engine.drop_table(table);
        Ok(())
    }

    async fn open(&self, credentials: &Credentials) -> Result<Option<Box<dyn UserSession>>> {
        Ok(self.engine.open(credentials).ok().map(|client| Box::new(client) as Box<dyn UserSession>))
    }

    async fn disable_user(&self, user: &UserName) -> Result<()> {
        self.engine.with(|database| database.disable_user(user));
        Ok(())
    }

    async fn remove_user(&self, user: &UserName) -> Result<()> {
        self.engine.with(|database| database.remove_user(user));
        Ok(())
    }

    async fn privileges(&self, user: &UserName) -> Result<Vec<String>> {
        Ok(self.engine.with(|database| database.granted(user).map(ToString::to_string).collect()))
    }

    async fn break_lock(&self, key: &LockKey) -> Result<()> {
        self.engine.break_lock(key);
        Ok(())
    }

    fn wire(&self) -> Wire {
        Wire::None
    }

    fn unreachable(&self) -> Result<SourceEndpoint> {
        Ok(SourceEndpoint { port: 9, ..self.engine.source().endpoint })
    }

    fn ends_sessions(&self) -> bool {
        self.ends_sessions
    }

    async fn create_view(&self, view: &TableName) -> Result<bool> {
        // A view is a table to whoever only reads it.
        self.engine.add_table(view);
        Ok(true)
    }

    async fn create_foreign_table(&self, table: &TableName) -> Result<bool> {
        self.engine.add_table(table);
        self.engine.forbid_grant_option(table);
        Ok(true)
    }

    async fn grant_by_other(&self, user: &UserName, table: &TableName) -> Result<Option<String>> {
        self.engine.with(|database| database.grant_by_other("somebody", user, table));
        Ok(Some("somebody".to_owned()))
    }

    async fn grant_to_public(&self, table: &TableName) -> Result<bool> {
        self.engine.grant_to_public(table);
        Ok(true)
    }

    async fn give_away(&self, table: &TableName, user: &UserName) -> Result<bool> {
        self.engine.with(|database| database.set_owner(table, Some(user.clone())));
        Ok(true)
    }
}

#[async_trait]
impl UserSession for MemoryClient {
    async fn attempt(&mut self, attempt: &Attempt) -> Result<Attempted> {
        // Nobody but the admin does anything but read, in this source.
        let (table, is_read) = match attempt {
            Attempt::Read(table) => (table, true),
            Attempt::Insert(table)
            | Attempt::Update(table)
            | Attempt::Delete(table)
            | Attempt::DropTable(table)
            | Attempt::CreateTable(table)
            | Attempt::Grant(table, _) => (table, false),
            Attempt::CreateUser(_) => return Ok(Attempted::Denied),
        };
        Ok(match self.read(table) {
            MemoryRead::Rows(rows) if is_read => Attempted::Did(rows),
            MemoryRead::Ended => Attempted::Ended,
            MemoryRead::Rows(_) | MemoryRead::Denied => Attempted::Denied,
        })
    }
}
