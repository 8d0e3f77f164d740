//! What is wrong with a block before it runs. All of it is ORA-06550.

use std::cell::RefCell;
use std::collections::BTreeSet;

use super::{PREDEFINED, package};
use crate::ast::{Arg, Block, Declared, Expr, Query, Statement, Step};
use crate::error::{OraError, Result, compile};
use crate::eval::{Eval, Scope, Variables};
use crate::session::Session;
use crate::value::Value;

pub(super) fn check(session: &Session, block: &Block, binds: &[Value]) -> Result<()> {
    Compiler { session, binds, scopes: RefCell::default() }.block(block)
}

#[derive(Debug, Default)]
struct Names {
    variables: BTreeSet<String>,
    records: BTreeSet<String>,
    exceptions: BTreeSet<String>,
    /// Cursors, procedures and functions.
    others: BTreeSet<String>,
}

struct Compiler<'a> {
    session: &'a Session,
    binds: &'a [Value],
    scopes: RefCell<Vec<Names>>,
}

impl Variables for Compiler<'_> {
    fn variable(&self, path: &[String]) -> Option<Value> {
        let known = |names: fn(&Names) -> &BTreeSet<String>, name: &String| {
            self.scopes.borrow().iter().any(|scope| names(scope).contains(name))
        };
        let found = match path {
            [name] => {
                known(|names| &names.variables, name) || matches!(name.as_str(), "SQLCODE" | "SQLERRM" | "SQL%ROWCOUNT")
            }
            [record, _] => known(|names| &names.records, record),
            _ => false,
        };
        found.then_some(Value::Null)
    }
}

fn undeclared<T>(path: &[String]) -> Result<T> {
    compile(format!("PLS-00201: identifier '{}' must be declared", path.join(".")))
}

/// An error of SQL inside a block.
fn inside(error: OraError) -> OraError {
    if error.code == 6550 {
        return error;
    }
    OraError { code: 6550, text: format!("line 1, column 1:\nPL/SQL: ORA-{:05}: {}", error.code, error.text) }
}

impl Compiler<'_> {
    fn knows(&self, names: fn(&Names) -> &BTreeSet<String>, name: &str) -> bool {
        self.scopes.borrow().iter().any(|scope| names(scope).contains(name))
    }

    fn declare(&self, into: fn(&mut Names) -> &mut BTreeSet<String>, name: &str) {
        if let Some(scope) = self.scopes.borrow_mut().last_mut() {
            into(scope).insert(name.to_owned());
        }
    }

    fn block(&self, block: &Block) -> Result<()> {
        self.scopes.borrow_mut().push(Names::default());
        for declared in &block.declared {
            match declared {
                Declared::Variable { name, init, .. } => {
                    init.iter().try_for_each(|init| self.expr(init))?;
                    self.declare(|names| &mut names.variables, name);
                }
                Declared::Exception(name) => self.declare(|names| &mut names.exceptions, name),
                Declared::ExceptionInit(name, _) if !self.knows(|names| &names.exceptions, name) => {
                    return undeclared(std::slice::from_ref(name));
                }
                Declared::ExceptionInit(..) => {}
                Declared::Cursor(name, query) => {
                    self.query(query)?;
                    self.declare(|names| &mut names.others, name);
                }
                Declared::Procedure { name, params, body, .. } => {
                    self.declare(|names| &mut names.others, name);
                    self.scopes.borrow_mut().push(Names::default());
                    params.iter().for_each(|(name, _)| self.declare(|names| &mut names.variables, name));
                    self.block(body)?;
                    self.scopes.borrow_mut().pop();
                }
            }
        }
        self.steps(&block.body)?;
        for (names, steps) in &block.handlers {
            for name in names {
                let known = name == "OTHERS"
                    || PREDEFINED.iter().any(|(known, _)| known == name)
                    || self.knows(|names| &names.exceptions, name);
                if !known {
                    return undeclared(std::slice::from_ref(name));
                }
            }
            self.steps(steps)?;
        }
        self.scopes.borrow_mut().pop();
        Ok(())
    }

    fn steps(&self, steps: &[Step]) -> Result<()> {
        steps.iter().try_for_each(|step| self.step(step))
    }

    fn step(&self, step: &Step) -> Result<()> {
        match step {
            Step::Null | Step::Raise(None) => Ok(()),
            Step::Assign(target, value) => {
                self.target(target)?;
                self.expr(value)
            }
            Step::If(branches, otherwise) => {
                for (condition, steps) in branches {
                    self.expr(condition)?;
                    self.steps(steps)?;
                }
                self.steps(otherwise)
            }
            Step::Loop(steps) => self.steps(steps),
            Step::While(condition, steps) => {
                self.expr(condition)?;
                self.steps(steps)
            }
            Step::ForRange { variable, low, high, body, .. } => {
                self.expr(low)?;
                self.expr(high)?;
                self.looped(|names| &mut names.variables, variable, body)
            }
            Step::ForQuery { variable, query, body } => {
                self.query(query)?;
                self.looped(|names| &mut names.records, variable, body)
            }
            Step::ForCursor { variable, cursor, body } => {
                if !self.knows(|names| &names.others, cursor) {
                    return undeclared(std::slice::from_ref(cursor));
                }
                self.looped(|names| &mut names.records, variable, body)
            }
            Step::Exit(when) | Step::Continue(when) | Step::Return(when) => {
                when.iter().try_for_each(|when| self.expr(when))
            }
            Step::Call(path, args) => self.call(path, args, false),
            Step::Execute { text, into, using } => {
                self.expr(text)?;
                into.iter().try_for_each(|target| self.target(target))?;
                using.iter().try_for_each(|value| self.expr(value))
            }
            Step::Select(query) => {
                if query.into.is_empty() {
                    return compile("PLS-00428: an INTO clause is expected in this SELECT statement");
                }
                query.into.iter().try_for_each(|target| self.target(target))?;
                self.query(query)
            }
            Step::Sql(statement) => self.sql(statement),
            Step::Raise(Some(name)) => {
                let known = PREDEFINED.iter().any(|(known, _)| known == name);
                if known || self.knows(|names| &names.exceptions, name) {
                    return Ok(());
                }
                undeclared(std::slice::from_ref(name))
            }
            Step::Block(block) => self.block(block),
        }
    }

    fn looped(&self, into: fn(&mut Names) -> &mut BTreeSet<String>, variable: &str, body: &[Step]) -> Result<()> {
        self.scopes.borrow_mut().push(Names::default());
        self.declare(into, variable);
        self.steps(body)?;
        self.scopes.borrow_mut().pop();
        Ok(())
    }

    fn target(&self, target: &Expr) -> Result<()> {
        match target {
            Expr::Name(path) if self.variable(path).is_some() => Ok(()),
            Expr::Name(path) => undeclared(path),
            _ => compile("PLS-00363: expression cannot be used as an assignment target"),
        }
    }

    fn query(&self, query: &Query) -> Result<()> {
        let who = self.session.who()?;
        let database = self.session.server().lock();
        Eval::new(&database, &who, self.binds, self).check(query, &Scope::EMPTY).map(drop).map_err(inside)
    }

    /// The tables of a change must be there; the rest shows when it is run.
    fn sql(&self, statement: &Statement) -> Result<()> {
        let who = self.session.who()?;
        let database = self.session.server().lock();
        let (table, verb) = match statement {
            Statement::Insert { table, .. } => (table, "INSERT"),
            Statement::Update { table, .. } => (table, "UPDATE"),
            Statement::Delete { table, .. } => (table, "DELETE"),
            _ => return Ok(()),
        };
        database.writable(&who, table.schema.as_deref(), &table.name, verb).map(drop).map_err(inside)
    }

    fn call(&self, path: &[String], args: &[Arg], function: bool) -> Result<()> {
        args.iter().try_for_each(|arg| self.expr(&arg.value))?;
        if let [name] = path {
            if self.knows(|names| &names.others, name) {
                return Ok(());
            }
            if !function && name == "RAISE_APPLICATION_ERROR" && (2..=3).contains(&args.len()) {
                return Ok(());
            }
        }
        let who = self.session.who()?;
        let database = self.session.server().lock();
        let Some((key, member)) = package::find(&database, &who, path) else { return undeclared(path) };
        let Some(found) = package::subprogram(database.major(), &key.1, &member) else {
            return compile(format!("PLS-00302: component '{member}' must be declared"));
        };
        match (found.function, function) {
            (true, false) => return compile(format!("PLS-00221: '{member}' is not a procedure or is undefined")),
            (false, true) => {
                return compile(format!("PLS-00222: no function with name '{member}' exists in this scope"));
            }
            _ => {}
        }
        for (arg, place) in args.iter().zip(found.places(args)?) {
            let out = found.params.get(place).is_some_and(|(name, _)| found.out.contains(name));
            if out {
                self.target(&arg.value)?;
            }
        }
        Ok(())
    }

    /// An expression of PL/SQL: names, constants of packages, calls.
    fn expr(&self, expr: &Expr) -> Result<()> {
        match expr {
            Expr::Literal(_) | Expr::Bind(_) | Expr::Attribute(..) => Ok(()),
            Expr::Name(path) => self.name(path),
            Expr::Call { path, args, .. } => {
                if crate::eval::is_function(path, args.len()) {
                    return args.iter().try_for_each(|arg| self.expr(&arg.value));
                }
                self.call(path, args, true)
            }
            Expr::Not(inner) | Expr::Negative(inner) | Expr::IsNull(inner, _) => self.expr(inner),
            Expr::Binary(_, left, right) => {
                self.expr(left)?;
                self.expr(right)
            }
            Expr::Like { text, pattern, .. } => {
                self.expr(text)?;
                self.expr(pattern)
            }
            Expr::Between { value, low, high, .. } => {
                [value, low, high].into_iter().try_for_each(|part| self.expr(part))
            }
            Expr::InList { value, list, .. } => {
                self.expr(value)?;
                list.iter().try_for_each(|item| self.expr(item))
            }
            Expr::Case { operand, whens, otherwise } => {
                operand.iter().try_for_each(|part| self.expr(part))?;
                whens.iter().try_for_each(|(when, then)| self.expr(when).and_then(|()| self.expr(then)))?;
                otherwise.iter().try_for_each(|part| self.expr(part))
            }
            Expr::Exists(_) | Expr::Scalar(_) | Expr::InQuery { .. } => {
                compile("PLS-00405: subquery not allowed in this context")
            }
            Expr::Prior(_) | Expr::Row(_) => compile("PLS-00103: Encountered the symbol \"PRIOR\""),
        }
    }

    fn name(&self, path: &[String]) -> Result<()> {
        if self.variable(path).is_some() || crate::eval::is_bare_function(path) {
            return Ok(());
        }
        if let [name] = path {
            // A function that is called without parentheses.
            if self.knows(|names| &names.others, name) {
                return Ok(());
            }
        }
        let who = self.session.who()?;
        let database = self.session.server().lock();
        match package::find(&database, &who, path) {
            Some((key, member)) if package::constant(&key.1, &member).is_some() => Ok(()),
            Some((_, member)) => compile(format!("PLS-00302: component '{member}' must be declared")),
            None => undeclared(path),
        }
    }
}
