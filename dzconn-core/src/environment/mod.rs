//! Environments that come and go: what makes an environment's role fit for what is granted to it, and what puts all of it back.
//!
//! When an environment is **active**, its user role gets the solution's permissions boundary instead of the portal's, and the
//! policies that let it read its secrets; its Glue databases get the solution's Lake Formation tag. When it is **deleted**, or is
//! cleaned by hand, the role is put back as the portal made it, so that the portal can delete it; the tag goes; and everything
//! that the environment was granted is revoked, from tracking.
//!
//! Events are hints here too: [`Environments::handle`] asks the portal how the environment is *now*, and brings about what that
//! asks for. Only the end of an environment is not doubted: an event that says so equips nothing.
//! [`DESIGN.md`](https://github.com/dzconn/dzconn) says why this is a plain sequence and no state machine.
//!
//! ```
//! use dzconn_core::environment::{EnvironmentEvent, Equipment};
//! use dzconn_core::environment::{Effect, RoleState};
//!
//! let event = r#"{"detail-type": "Environment Deletion Started", "source": "aws.datazone",
//!     "detail": {"metadata": {"domain": "dzd_1"}, "data": {"environmentId": "env1", "projectId": "fin"}}}"#;
//! assert_eq!(EnvironmentEvent::from_json(event)?.environment.as_str(), "env1");
//!
//! // What is to be done is a function of what is there.
//! let equipment = Equipment::new("ours", "the portal's");
//! let before = RoleState { boundary: Some("the portal's".into()), ..RoleState::default() };
//! let steps = equipment.equip(&before)?;
//! assert_eq!(steps[0].effect, Effect::SetBoundary("ours".into()));
//! # Ok::<(), dzconn_core::Error>(())
//! ```

mod equipment;
mod event;
mod memory;
mod ports;
mod run;

pub use equipment::{Effect, Equipment, LakeTag, Planned, RoleState};
pub use event::EnvironmentEvent;
pub use memory::{MemoryAccount, MemoryEnvironments};
pub use ports::{Environment, EnvironmentPortal, EnvironmentRoles, LakeTags, Stage, Tagged};
pub use run::{Brought, EnvironmentReport, Environments};
