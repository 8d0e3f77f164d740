//! The steps of a grant.

use std::collections::{BTreeMap, BTreeSet};

use super::rotate::is_own;
use super::{At, Change, Delivery, Did, OUT_OF_STEP, ProducerRun, ProducerTask, Step};
use crate::ErrorKind;
use crate::engine::{Login, Reads};
use crate::model::{
    Credentials, Generation, Phase, SecretName, SecretTags, SourceEndpoint, SourceRecord, Subscription, Target,
    TurnStage, UserName,
};
use crate::store::{NewSecret, Slot};
use crate::workflow::effect::{Effect, Failure, Fresh};
use crate::workflow::transition::Move;

impl ProducerRun {
    pub(super) fn intend_grant(&mut self, fresh: &mut dyn Fresh) -> Step {
        let table = self.own_table()?;
        let record = Box::new(self.new_record(fresh)?);
        let Subscription { asset, location, .. } = &self.task.subscription;
        let step = Move::Grant { asset: asset.id.clone(), path: location.path.clone(), table, fresh: record };
        self.write(&step, At::IntendGrant, fresh)
    }

    pub(super) fn with_secret(&mut self, slot: Slot, fresh: &mut dyn Fresh) -> Step {
        let generation = self.generation()?.clone();
        match slot {
            Slot::Live(secret) if !may_name(&generation, &secret.credentials.user) => Err(Failure::found(
                ErrorKind::SecretInvalid,
                "the environment's secret names another user than the record does",
            )),
            Slot::Live(secret) if !same_address(&secret.credentials.endpoint, &self.task.endpoint) => {
                Err(Failure::found(
                    ErrorKind::SecretInvalid,
                    "the environment's secret names another host or port than the connection does by now",
                ))
            }
            Slot::Live(secret) => {
                self.secret = Some(secret);
                let readers = self.task.readers.clone();
                self.go(At::Share, Effect::Share(generation.secret, readers))
            }
            Slot::Empty => {
                let secret = Box::new(self.new_secret(generation.user, fresh)?);
                self.go(At::Secret, Effect::CreateSecret(generation.secret, secret))
            }
            Slot::Burnt => {
                Err(Failure::found(ErrorKind::SecretGone, "the environment's secret was deleted, but not by dzconn"))
            }
        }
    }

    pub(super) fn create_user(&mut self) -> Step {
        let credentials = self.credentials()?;
        self.go(At::User, Effect::CreateUser(credentials))
    }

    pub(super) fn grant(&mut self) -> Step {
        self.left = self.users()?;
        self.grant_next()
    }

    /// To every user that the consumer's copy may hold, now or before this grant is delivered.
    pub(super) fn grant_next(&mut self) -> Step {
        let generation = self.generation()?;
        let both = matches!(generation.stage(), Some(TurnStage::Ready | TurnStage::Delivering));
        let (main, table, take_back) = (generation.user.clone(), self.own_table()?, self.revoking());
        while let Some(user) = self.left.pop() {
            if both || user == main {
                return self.go(At::Grant, Effect::Grant { user, table, take_back });
            }
            if !take_back.is_empty() {
                return self.go(At::Grant, Effect::Revoke { user, tables: take_back });
            }
        }
        self.log_in()
    }

    /// The strongest proof: as the user, with what the secret holds.
    pub(super) fn log_in(&mut self) -> Step {
        let credentials = self.credentials()?;
        let table = self.own_table()?;
        self.go(At::LogIn, Effect::LogIn(credentials, table))
    }

    pub(super) fn with_login(&mut self, login: &Login, fresh: &mut dyn Fresh) -> Step {
        match login {
            Login::In(Some(Reads::No)) => Err(Failure::found(
                ErrorKind::Unexpected,
                "the user logs in but cannot read the table although it was granted: something denies it",
            )),
            Login::In(_) => {
                let Subscription { asset, location, .. } = &self.task.subscription;
                let secret_id = self.secret.as_ref().map(|secret| secret.id.clone()).ok_or(OUT_OF_STEP)?;
                let step = Move::Granted {
                    asset: asset.id.clone(),
                    path: location.path.clone(),
                    table: self.own_table()?,
                    secret_id,
                    older: self.task.older,
                };
                self.write(&step, At::Granted, fresh)
            }
            Login::Refused if self.mended => Err(Failure::found(
                ErrorKind::UserLoginRefused,
                "the source refuses the user's login with the password that was just set",
            )),
            Login::Refused => {
                let name = self.generation()?.secret.clone();
                self.go(At::SecretAgain, Effect::InspectSecret(name))
            }
        }
    }

    /// The stored password does not log in. Before it is set, look again: somebody may be rotating it.
    pub(super) fn with_secret_again(&mut self, slot: Slot) -> Step {
        let turn = self.generation()?.turn;
        match slot {
            // Under the lock, our own is a dead run's, and does not touch this user.
            Slot::Live(now) if now.pending.as_ref().is_some_and(|pending| !is_own(turn, pending)) => {
                Err(Failure::found(ErrorKind::Contention, "the user's password is being rotated by somebody else"))
            }
            Slot::Live(now) if self.secret.as_ref().is_some_and(|seen| seen.version == now.version) => {
                self.mended = true;
                self.note(Change::Made);
                let credentials = self.credentials()?;
                self.go(At::Password, Effect::SetPassword(credentials))
            }
            Slot::Live(now) => {
                self.secret = Some(now);
                self.log_in()
            }
            Slot::Empty | Slot::Burnt => self.read(),
        }
    }

    pub(super) fn delivered(&mut self, did: fn(Delivery) -> Did) -> Step {
        let table = self.own_table()?;
        let Generation { id, user, secret, secret_id, copy, .. } = self.generation()?.clone();
        let Some(secret_id) = secret_id else {
            return Err(Failure::found(
                ErrorKind::RecordInvalid,
                "the source record does not say which secret it granted with",
            ));
        };
        // While a rotation hands over, it may be the other one.
        let user = self.secret.as_ref().map_or(user, |secret| secret.credentials.user.clone());
        let super::Tally { new_user, change, .. } = self.tally;
        let changed = change != Change::Nothing;
        self.did = Some(did(Delivery { generation: id, table, user, secret, secret_id, copy, new_user, changed }));
        self.unlock()
    }

    fn new_record(&self, fresh: &mut dyn Fresh) -> Result<SourceRecord, Failure> {
        let Subscription { domain, consumer, location, .. } = &self.task.subscription;
        let id = fresh.generation();
        let suffix = id.to_string().split_off(24);
        let name = |side: &str| {
            SecretName::new(format!("dz-conn-{side}-{}-{}-{suffix}", consumer.project, consumer.environment))
                .map_err(|error| Failure::of_effect(error.kind()))
        };
        Ok(SourceRecord {
            key: self.task.subscription.key(),
            domain: domain.clone(),
            project: consumer.project.clone(),
            owner: location.owner.clone(),
            phase: Phase::Active,
            generation: Some(Generation {
                id,
                user: self.task.user.clone(),
                secret: name("p")?,
                secret_id: None,
                copy: name("c")?,
                spare: None,
                turn: None,
            }),
            older: BTreeSet::new(),
            settled: 0,
            open: BTreeMap::new(),
            revoked: BTreeSet::new(),
            retired: BTreeSet::new(),
            data_assets: BTreeSet::new(),
            data_assets_complete: true,
            last_updated: fresh.now(),
        })
    }

    fn new_secret(&self, user: UserName, fresh: &mut dyn Fresh) -> Result<NewSecret, Failure> {
        let ProducerTask { subscription, endpoint, ssl, .. } = &*self.task;
        let database = match &endpoint.target {
            Target::Service(name) | Target::Sid(name) => name.clone(),
            Target::Default | Target::Database(_) | Target::Descriptor(_) => self.own_table()?.database().to_owned(),
        };
        let password = fresh.password();
        Ok(NewSecret {
            credentials: Credentials {
                endpoint: endpoint.clone(),
                database: Some(database),
                user,
                password,
                ssl: *ssl,
            },
            tags: SecretTags {
                domain: subscription.domain.clone(),
                project: subscription.consumer.project.clone(),
                environment: subscription.consumer.environment.clone(),
            },
        })
    }
}

/// Whether the secret may name this user: while a rotation hands over, it may name the one or the other.
fn may_name(generation: &Generation, user: &UserName) -> bool {
    let handing_over = generation.stage() == Some(TurnStage::Ready) && generation.spare.as_ref() == Some(user);
    generation.user == *user || handing_over
}

/// Whether what logs in here would also log in where the secret says.
pub(super) fn same_address(one: &SourceEndpoint, other: &SourceEndpoint) -> bool {
    (&one.host, one.port) == (&other.host, other.port)
}
