//! One error type: what failed, on what, at which step, whether a retry can help, and what to do.

use std::error::Error as StdError;
use std::fmt;

/// The result of everything in this crate that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong. The kind decides whether a retry can help ([`ErrorKind::is_retryable`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// An argument, event, URL or name that cannot be right.
    InvalidInput,
    /// The configuration is incomplete or contradicts itself.
    InvalidConfig,
    /// No engine is registered for the connection's sub-protocol.
    UnknownEngine,
    /// The catalogue does not know the asset or the connection.
    NotFound,
    /// The source has no such table.
    TableNotFound,
    /// The path fits more than one table of the source.
    TableAmbiguous,
    /// A name is longer than the source allows.
    NameTooLong,
    /// The admin may not do this on the source.
    AdminDenied,
    /// The admin may read the table but not pass that right on.
    NoGrantOption,
    /// The privilege was given by another role, and only that role (or a superuser) can take it back.
    GrantedByOther,
    /// The source refuses the admin's credentials.
    AdminLoginRefused,
    /// The source refuses a login that has just been created or verified.
    UserLoginRefused,
    /// The user owns objects: somebody gave it more than dzconn ever does.
    UserOwnsObjects,
    /// Sessions of the user could not be ended, or it cannot be told whether there are any.
    SessionsRemain,
    /// The source's password policy rejects generated passwords.
    PasswordRejected,
    /// A limit of the source or store is reached (privileges per table, item size).
    LimitReached,
    /// The source takes no writes (replica, maintenance).
    ReadOnly,
    /// The source cannot hold a lock that every session would see.
    LockUnsupported,
    /// Somebody else held the source's lock for longer than the deadline allows.
    LockTimeout,
    /// The session does not hold the lock any more.
    LockLost,
    /// No connection to the source or store can be made.
    Unreachable,
    /// The source has no connection left to give.
    TooManyConnections,
    /// TLS could not be established as the connection demands it.
    Tls,
    /// The connection broke in mid-work.
    ConnectionLost,
    /// The deadline passed.
    Timeout,
    /// Another transaction was in the way (deadlock, serialisation, concurrent update).
    Contention,
    /// A store asks to slow down.
    Throttled,
    /// A secret has not the shape that it must have.
    SecretInvalid,
    /// A secret that must be there has been deleted.
    SecretGone,
    /// The store refuses the caller.
    StoreDenied,
    /// A store failed for a reason that may pass.
    StoreFailed,
    /// A tracking record cannot be read or contradicts itself; somebody may have edited it.
    RecordInvalid,
    /// The subscription asks for more, or for something else, than may be granted (row or column filters).
    Refused,
    /// The source or store answered with something that dzconn has no rule for.
    Unexpected,
}

impl ErrorKind {
    /// Whether the same call may succeed later without anybody doing anything.
    pub const fn is_retryable(self) -> bool {
        matches!(
            self,
            Self::LockTimeout
                | Self::LockLost
                | Self::Unreachable
                | Self::TooManyConnections
                | Self::ConnectionLost
                | Self::Timeout
                | Self::Contention
                | Self::Throttled
                | Self::StoreFailed
        )
    }

    /// Whether the session in which it happened is of no use any more.
    pub const fn ends_session(self) -> bool {
        matches!(self, Self::ConnectionLost | Self::LockLost | Self::Timeout)
    }

    const fn summary(self) -> &'static str {
        match self {
            Self::InvalidInput => "invalid input",
            Self::InvalidConfig => "invalid configuration",
            Self::UnknownEngine => "unknown engine",
            Self::NotFound => "not in the catalogue",
            Self::TableNotFound => "the source has no such table",
            Self::TableAmbiguous => "the path fits more than one table",
            Self::NameTooLong => "a name is too long for the source",
            Self::AdminDenied => "the admin user may not do this",
            Self::NoGrantOption => "the admin user may not grant on that table",
            Self::GrantedByOther => "the privilege was given by another role",
            Self::AdminLoginRefused => "the source refuses the admin login",
            Self::UserLoginRefused => "the source refuses the user's login",
            Self::UserOwnsObjects => "the user owns objects",
            Self::SessionsRemain => "sessions of the user remain",
            Self::PasswordRejected => "the source rejects the generated password",
            Self::LimitReached => "a limit is reached",
            Self::ReadOnly => "the source is read-only",
            Self::LockUnsupported => "the source cannot hold a lock",
            Self::LockTimeout => "another run holds the lock",
            Self::LockLost => "the lock was lost",
            Self::Unreachable => "cannot be reached",
            Self::TooManyConnections => "too many connections",
            Self::Tls => "TLS failed",
            Self::ConnectionLost => "the connection was lost",
            Self::Timeout => "the deadline passed",
            Self::Contention => "another transaction was in the way",
            Self::Throttled => "throttled",
            Self::SecretInvalid => "the secret has the wrong shape",
            Self::SecretGone => "the secret was deleted",
            Self::StoreDenied => "the store refuses access",
            Self::StoreFailed => "the store failed",
            Self::RecordInvalid => "a tracking record is invalid",
            Self::Refused => "refused",
            Self::Unexpected => "unexpected answer",
        }
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.summary())
    }
}

/// Where in a workflow an error happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Step {
    /// Reading configuration or an event.
    Input,
    /// Looking a subscription, asset or connection up.
    LookUp,
    /// Connecting to the source.
    Connect,
    /// Taking or giving back the source's lock.
    Lock,
    /// Asking the portal what is wanted.
    Ask,
    /// Finding the table in the source.
    Resolve,
    /// Reading or writing the producer's secret.
    ProducerSecret,
    /// Creating the user or setting its password.
    User,
    /// Granting.
    Grant,
    /// Reading back what was granted.
    ReadBack,
    /// Revoking.
    Revoke,
    /// Ending sessions and dropping the user.
    Drop,
    /// Reading or writing tracking records.
    Tracking,
    /// Reading or writing the consumer's copy of the secret.
    ConsumerSecret,
    /// Telling the portal the outcome.
    Report,
    /// Reading or changing an environment's user role.
    EnvironmentRole,
    /// Reading or changing the tags of an environment's databases.
    EnvironmentTags,
    /// Reading or changing a bucket's policy.
    BucketPolicy,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Input => "input",
            Self::LookUp => "look-up",
            Self::Connect => "producer, connect",
            Self::Lock => "producer, lock",
            Self::Ask => "producer, ask the portal",
            Self::Resolve => "producer, find the table",
            Self::ProducerSecret => "producer, secret",
            Self::User => "producer, user",
            Self::Grant => "producer, grant",
            Self::ReadBack => "producer, read back",
            Self::Revoke => "producer, revoke",
            Self::Drop => "producer, drop user",
            Self::Tracking => "tracking",
            Self::ConsumerSecret => "consumer, secret",
            Self::Report => "report",
            Self::EnvironmentRole => "environment, role",
            Self::EnvironmentTags => "environment, database tags",
            Self::BucketPolicy => "bucket policy",
        })
    }
}

/// What an error is about, in the operator's words. Never holds a secret.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Subject {
    /// The asset path or id.
    pub asset: Option<String>,
    /// The source: engine, host, port, database, and the connection's name.
    pub source: Option<String>,
    /// The consumer's environment.
    pub environment: Option<String>,
}

/// What a failed operation has left behind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Changed {
    /// Nothing was changed, or what had been changed was undone.
    Nothing,
    /// The work stopped half way; the next run for the same environment and source finishes or undoes it.
    #[default]
    Unfinished,
}

/// What failed, on what, at which step, and whether a retry can help.
///
/// An error never holds a secret: adapters keep of a statement that carried a password only the vendor's code.
pub struct Error(Box<Inner>);

struct Inner {
    kind: ErrorKind,
    detail: String,
    vendor: Option<String>,
    advice: Option<String>,
    step: Option<Step>,
    subject: Subject,
    changed: Changed,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl Error {
    /// An error of this kind; `detail` says what happened, in a sentence without a full stop.
    #[must_use]
    pub fn new(kind: ErrorKind, detail: impl Into<String>) -> Self {
        Self(Box::new(Inner {
            kind,
            detail: detail.into(),
            vendor: None,
            advice: None,
            step: None,
            subject: Subject::default(),
            changed: Changed::default(),
            source: None,
        }))
    }

    /// Adds the vendor's own code, such as `PostgreSQL 42501`.
    #[must_use]
    pub fn vendor(mut self, code: impl Into<String>) -> Self {
        self.0.vendor = Some(code.into());
        self
    }

    /// Adds what to do about it.
    #[must_use]
    pub fn advise(mut self, advice: impl Into<String>) -> Self {
        self.0.advice = Some(advice.into());
        self
    }

    /// Names the step, unless an inner layer has named one already.
    #[must_use]
    pub fn at(mut self, step: Step) -> Self {
        self.0.step.get_or_insert(step);
        self
    }

    /// Names the asset, unless an inner layer has.
    #[must_use]
    pub fn on_asset(mut self, asset: impl fmt::Display) -> Self {
        self.0.subject.asset.get_or_insert_with(|| asset.to_string());
        self
    }

    /// Names the source, unless an inner layer has.
    #[must_use]
    pub fn on_source(mut self, source: impl fmt::Display) -> Self {
        self.0.subject.source.get_or_insert_with(|| source.to_string());
        self
    }

    /// Names the environment, unless an inner layer has.
    #[must_use]
    pub fn for_environment(mut self, environment: impl fmt::Display) -> Self {
        self.0.subject.environment.get_or_insert_with(|| environment.to_string());
        self
    }

    /// Says what was left behind.
    #[must_use]
    pub fn changed(mut self, changed: Changed) -> Self {
        self.0.changed = changed;
        self
    }

    /// Chains the cause. Adapters pass only errors whose text holds no secret.
    #[must_use]
    pub fn because(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// What went wrong.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Whether the same call may succeed later without anybody doing anything.
    pub fn is_retryable(&self) -> bool {
        self.0.kind.is_retryable()
    }

    /// What happened, in a sentence.
    pub fn detail(&self) -> &str {
        &self.0.detail
    }

    /// The vendor's own code, if a vendor answered.
    pub fn vendor_code(&self) -> Option<&str> {
        self.0.vendor.as_deref()
    }

    /// What to do about it, where that is known.
    pub fn advice(&self) -> Option<&str> {
        self.0.advice.as_deref()
    }

    /// The step at which it happened.
    pub fn step(&self) -> Option<Step> {
        self.0.step
    }

    /// What it is about.
    pub fn subject(&self) -> &Subject {
        &self.0.subject
    }

    /// What was left behind.
    pub fn left(&self) -> Changed {
        self.0.changed
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner { kind, detail, vendor, step, subject, .. } = &*self.0;
        if let Some(asset) = &subject.asset {
            write!(f, "{asset}: ")?;
        }
        write!(f, "{kind}: {detail}")?;
        if let Some(vendor) = vendor {
            write!(f, " ({vendor})")?;
        }
        if let Some(source) = &subject.source {
            write!(f, ", source {source}")?;
        }
        if let Some(environment) = &subject.environment {
            write!(f, ", environment {environment}")?;
        }
        if let Some(step) = step {
            write!(f, ", step {step}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner { kind, detail, vendor, advice, step, subject, changed, source } = &*self.0;
        f.debug_struct("Error")
            .field("kind", kind)
            .field("detail", detail)
            .field("vendor", vendor)
            .field("advice", advice)
            .field("step", step)
            .field("subject", subject)
            .field("changed", changed)
            .field("source", source)
            .finish()
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|e| e as &(dyn StdError + 'static))
    }
}
