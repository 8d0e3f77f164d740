//! Statements, taken apart.

use std::sync::Arc;

use crate::value::Value;

/// An expression or condition.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Expr {
    Literal(Value),
    Bind(String),
    /// Names with dots between them: a column, a variable, or a function without arguments.
    Name(Vec<String>),
    Call {
        path: Vec<String>,
        args: Vec<Arg>,
        distinct: bool,
        star: bool,
        order: Vec<Order>,
    },
    Not(Box<Expr>),
    Negative(Box<Expr>),
    Prior(Box<Expr>),
    Binary(&'static str, Box<Expr>, Box<Expr>),
    IsNull(Box<Expr>, bool),
    Like {
        text: Box<Expr>,
        pattern: Box<Expr>,
        escape: Option<Box<Expr>>,
        not: bool,
    },
    Between {
        value: Box<Expr>,
        low: Box<Expr>,
        high: Box<Expr>,
        not: bool,
    },
    InList {
        value: Box<Expr>,
        list: Vec<Expr>,
        not: bool,
    },
    InQuery {
        value: Box<Expr>,
        query: Arc<Query>,
        not: bool,
    },
    Exists(Arc<Query>),
    Scalar(Arc<Query>),
    Row(Vec<Expr>),
    Case {
        operand: Option<Box<Expr>>,
        whens: Vec<(Expr, Expr)>,
        otherwise: Option<Box<Expr>>,
    },
    /// A cursor's attribute: `SQL%ROWCOUNT`.
    Attribute(String, String),
}

/// An argument, with its name where it was given by name.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Arg {
    pub(crate) name: Option<String>,
    pub(crate) value: Expr,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Order {
    pub(crate) expr: Expr,
    pub(crate) descending: bool,
    pub(crate) nulls_first: Option<bool>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Query {
    pub(crate) with: Vec<Cte>,
    pub(crate) body: Body,
    pub(crate) order: Vec<Order>,
    pub(crate) offset: Option<Expr>,
    pub(crate) fetch: Option<Expr>,
    pub(crate) for_update: bool,
    /// `INTO`, in PL/SQL.
    pub(crate) into: Vec<Expr>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Cte {
    pub(crate) name: String,
    pub(crate) columns: Vec<String>,
    pub(crate) query: Arc<Query>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Body {
    Select(Box<Select>),
    Set(SetOp, Box<Body>, Box<Body>),
    Nested(Box<Query>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SetOp {
    Union,
    UnionAll,
    Intersect,
    Minus,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Select {
    pub(crate) distinct: bool,
    pub(crate) items: Vec<Item>,
    pub(crate) from: Vec<From>,
    pub(crate) filter: Option<Expr>,
    pub(crate) start: Option<Expr>,
    pub(crate) connect: Option<Expr>,
    pub(crate) nocycle: bool,
    pub(crate) group: Vec<Expr>,
    pub(crate) having: Option<Expr>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Item {
    /// `*` or `alias.*`.
    Star(Option<String>),
    Expr(Expr, Option<String>),
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum From {
    Table { schema: Option<String>, name: String, alias: Option<String> },
    Query { query: Arc<Query>, alias: Option<String> },
    Join { left: Box<From>, right: Box<From>, kind: Join, on: Option<Expr> },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Join {
    Inner,
    Left,
    Right,
}

/// A name with its schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ObjectName {
    pub(crate) schema: Option<String>,
    pub(crate) name: String,
}

/// How a user proves who it is.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Identified {
    By(String),
    Values(String),
    Nothing,
}

impl std::fmt::Debug for Identified {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Identified([redacted])")
    }
}

/// What CREATE USER and ALTER USER may say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct UserClauses {
    pub(crate) identified: Option<Identified>,
    pub(crate) profile: Option<String>,
    pub(crate) lock: Option<bool>,
    pub(crate) expire: bool,
    pub(crate) quotas: Vec<(String, bool)>,
    pub(crate) default_tablespace: Option<String>,
    pub(crate) default_roles: Option<DefaultRoles>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum DefaultRoles {
    All { except: Vec<String> },
    None,
    These(Vec<String>),
}

/// One privilege of a GRANT or REVOKE on an object, with its columns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ObjectPrivilege {
    pub(crate) name: String,
    pub(crate) columns: Vec<String>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Statement {
    Query(Arc<Query>),
    Insert {
        table: ObjectName,
        columns: Vec<String>,
        rows: Vec<Vec<Expr>>,
        query: Option<Arc<Query>>,
    },
    Update {
        table: ObjectName,
        alias: Option<String>,
        set: Vec<(String, Expr)>,
        filter: Option<Expr>,
    },
    Delete {
        table: ObjectName,
        alias: Option<String>,
        filter: Option<Expr>,
    },
    Commit,
    Rollback,
    CreateUser {
        name: String,
        if_not_exists: bool,
        clauses: UserClauses,
    },
    AlterUser {
        name: String,
        clauses: UserClauses,
    },
    DropUser {
        name: String,
        if_exists: bool,
        cascade: bool,
    },
    CreateRole {
        name: String,
    },
    DropRole {
        name: String,
    },
    CreateProfile {
        name: String,
        limits: Vec<(String, String)>,
    },
    AlterProfile {
        name: String,
        limits: Vec<(String, String)>,
    },
    DropProfile {
        name: String,
        cascade: bool,
    },
    CreateTable {
        name: ObjectName,
        columns: Vec<String>,
        query: Option<Arc<Query>>,
    },
    CreateView {
        name: ObjectName,
        columns: Vec<String>,
        query: Arc<Query>,
        replace: bool,
    },
    CreateSynonym {
        name: ObjectName,
        public: bool,
        replace: bool,
        target: ObjectName,
    },
    Drop {
        kind: &'static str,
        name: ObjectName,
        if_exists: bool,
        cascade: bool,
        purge: bool,
        public: bool,
    },
    GrantObject {
        privileges: Vec<ObjectPrivilege>,
        on: ObjectName,
        to: Vec<String>,
        grant_option: bool,
        hierarchy: bool,
    },
    GrantSystem {
        privileges: Vec<String>,
        to: Vec<String>,
        admin_option: bool,
    },
    GrantSchema {
        privileges: Vec<String>,
        schema: String,
        to: Vec<String>,
    },
    RevokeObject {
        privileges: Vec<ObjectPrivilege>,
        on: ObjectName,
        from: Vec<String>,
    },
    RevokeSystem {
        privileges: Vec<String>,
        from: Vec<String>,
    },
    RevokeSchema {
        privileges: Vec<String>,
        schema: String,
        from: Vec<String>,
    },
    SetRole {
        roles: DefaultRoles,
    },
    KillSession {
        session: String,
        immediate: bool,
    },
    AlterSession {
        settings: Vec<(String, String)>,
    },
    Block(Arc<Block>),
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Block {
    pub(crate) declared: Vec<Declared>,
    pub(crate) body: Vec<Step>,
    pub(crate) handlers: Vec<(Vec<String>, Vec<Step>)>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Declared {
    Variable { name: String, init: Option<Expr>, constant: bool },
    Exception(String),
    ExceptionInit(String, i128),
    Cursor(String, Arc<Query>),
    Procedure { name: String, params: Vec<(String, bool)>, function: bool, body: Arc<Block> },
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Step {
    Null,
    Assign(Expr, Expr),
    If(Vec<(Expr, Vec<Step>)>, Vec<Step>),
    Loop(Vec<Step>),
    While(Expr, Vec<Step>),
    ForRange { variable: String, reverse: bool, low: Expr, high: Expr, body: Vec<Step> },
    ForQuery { variable: String, query: Arc<Query>, body: Vec<Step> },
    ForCursor { variable: String, cursor: String, body: Vec<Step> },
    Exit(Option<Expr>),
    Continue(Option<Expr>),
    Call(Vec<String>, Vec<Arg>),
    Execute { text: Expr, into: Vec<Expr>, using: Vec<Expr> },
    Select(Arc<Query>),
    Sql(Box<Statement>),
    Raise(Option<String>),
    Return(Option<Expr>),
    Block(Arc<Block>),
}
