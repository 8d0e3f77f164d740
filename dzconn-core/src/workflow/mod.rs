//! The grant and revoke workflows.
/// What a run brought about.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// a
    Superseded,
}
