//! Anonymous blocks: compiled, then run ("PL/SQL Language Reference"). They run with the invoker's rights and enabled roles
//! ("Database Security Guide", Roles Used in Invoker's Rights Procedures and Anonymous PL/SQL Blocks).

mod compile;
mod machine;
mod package;

use crate::ast::Block;
use crate::error::{OraError, Result};
use crate::session::Session;
use crate::value::Value;

/// Compiles a block, and runs it if nothing is wrong with it.
pub(crate) fn run(session: &Session, block: &Block, binds: &[Value]) -> Result<()> {
    compile::check(session, block, binds)?;
    machine::Machine::new(session, binds).run(block).map_err(stacked)
}

/// The innermost error comes first; where it was raised stands below.
fn stacked(error: OraError) -> OraError {
    if error.code == crate::session::SILENT || error.text.contains("ORA-06512") {
        return error;
    }
    OraError { text: format!("{}\nORA-06512: at line 1", error.text), ..error }
}

/// What a handler's name stands for ("Predefined Exceptions").
const PREDEFINED: [(&str, u32); 8] = [
    ("NO_DATA_FOUND", 1403),
    ("TOO_MANY_ROWS", 1422),
    ("DUP_VAL_ON_INDEX", 1),
    ("INVALID_NUMBER", 1722),
    ("VALUE_ERROR", 6502),
    ("ZERO_DIVIDE", 1476),
    ("LOGIN_DENIED", 1017),
    ("TIMEOUT_ON_RESOURCE", 51),
];
