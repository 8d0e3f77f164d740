//! Errors with Oracle's numbers.

use std::fmt;

/// What a statement or a login was refused with. The text never quotes the statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OraError {
    /// The number of ORA-nnnnn.
    pub code: u32,
    /// What stands after it; further errors of the stack in lines of their own.
    pub text: String,
}

/// What most of this crate answers.
pub(crate) type Result<T> = std::result::Result<T, OraError>;

impl fmt::Display for OraError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ORA-{:05}: {}", self.code, self.text)
    }
}

impl std::error::Error for OraError {}

pub(crate) fn ora(code: u32, text: impl Into<String>) -> OraError {
    OraError { code, text: text.into() }
}

/// An error, as a result.
pub(crate) fn fail<T>(code: u32, text: impl Into<String>) -> Result<T> {
    Err(ora(code, text))
}

/// What this simulator does not know is no statement of Oracle's to it. It never succeeds in silence.
pub(crate) fn unknown<T>(what: impl fmt::Display) -> Result<T> {
    fail(900, format!("invalid SQL statement (the simulator does not know {what})"))
}

pub(crate) fn denied() -> OraError {
    ora(1031, "insufficient privileges")
}

pub(crate) fn no_table() -> OraError {
    ora(942, "table or view does not exist")
}

/// What is wrong with a block before it runs ("PL/SQL Language Reference", "Compile-Time Warnings and Errors").
pub(crate) fn compile<T>(what: impl fmt::Display) -> Result<T> {
    fail(6550, format!("line 1, column 1:\n{what}"))
}
