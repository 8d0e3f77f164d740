//! Blocks, step by step.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;

use super::{PREDEFINED, package};
use crate::ast::{Arg, Block, Declared, Expr, Query, Step};
use crate::error::{OraError, Result, fail, ora};
use crate::eval::{Eval, Relation, Scope, Variables};
use crate::session::{SILENT, Session};
use crate::value::Value;

/// What comes after a step.
enum Flow {
    Next,
    Exit,
    Continue,
    Return(Value),
}

/// The parameters of a local procedure, with whether they give values back, and its body.
type Local = (Vec<(String, bool)>, Arc<Block>);

/// What is declared here.
#[derive(Default)]
struct Frame {
    variables: BTreeMap<String, Value>,
    records: BTreeMap<String, BTreeMap<String, Value>>,
    /// Exceptions, and the numbers that they stand for.
    exceptions: BTreeMap<String, Option<u32>>,
    cursors: BTreeMap<String, Arc<Query>>,
    procedures: BTreeMap<String, Local>,
}

pub(super) struct Machine<'a> {
    session: &'a Session,
    binds: &'a [Value],
    frames: RefCell<Vec<Frame>>,
    /// The error that is being handled.
    error: RefCell<Option<OraError>>,
    count: RefCell<usize>,
}

impl Variables for Machine<'_> {
    fn variable(&self, path: &[String]) -> Option<Value> {
        let frames = self.frames.borrow();
        match path {
            [name] if name == "SQLCODE" => {
                let code = self.error.borrow().as_ref().map_or(0, |error| i128::from(error.code));
                Some(Value::Number(if code == 1403 { 100 } else { -code }))
            }
            [name] if name == "SQLERRM" => {
                let text = self.error.borrow().as_ref().map(ToString::to_string);
                Some(Value::text(text.unwrap_or_else(|| "ORA-0000: normal, successful completion".to_owned())))
            }
            [name] if name == "SQL%ROWCOUNT" => Some(Value::Number(i128::try_from(*self.count.borrow()).unwrap_or(0))),
            [name] => frames.iter().rev().find_map(|frame| frame.variables.get(name)).cloned(),
            [record, field] => {
                let fields = frames.iter().rev().find_map(|frame| frame.records.get(record))?;
                fields.get(field).cloned()
            }
            _ => None,
        }
    }
}

impl<'a> Machine<'a> {
    pub(super) fn new(session: &'a Session, binds: &'a [Value]) -> Self {
        Self { session, binds, frames: RefCell::default(), error: RefCell::default(), count: RefCell::default() }
    }

    pub(super) fn run(&self, block: &Block) -> Result<()> {
        self.block(block).map(drop)
    }

    fn frame<T>(&self, act: impl FnOnce(&mut Frame) -> T) -> Option<T> {
        self.frames.borrow_mut().last_mut().map(act)
    }

    fn block(&self, block: &Block) -> Result<Flow> {
        let depth = self.frames.borrow().len();
        self.frames.borrow_mut().push(Frame::default());
        let result = self.declare(&block.declared).and_then(|()| {
            let result = self.steps(&block.body);
            self.frames.borrow_mut().truncate(depth + 1);
            match result {
                Err(error) => self.handle(block, error),
                done => done,
            }
        });
        self.frames.borrow_mut().truncate(depth);
        result
    }

    fn declare(&self, declared: &[Declared]) -> Result<()> {
        for declared in declared {
            match declared {
                Declared::Variable { name, init, .. } => {
                    let value = init.as_ref().map_or(Ok(Value::Null), |init| self.expr(init))?;
                    self.frame(|frame| frame.variables.insert(name.clone(), value));
                }
                Declared::Exception(name) => {
                    self.frame(|frame| frame.exceptions.insert(name.clone(), None));
                }
                Declared::ExceptionInit(name, number) => {
                    let code = u32::try_from(number.abs()).ok();
                    self.frame(|frame| frame.exceptions.insert(name.clone(), code));
                }
                Declared::Cursor(name, query) => {
                    self.frame(|frame| frame.cursors.insert(name.clone(), Arc::clone(query)));
                }
                Declared::Procedure { name, params, body, .. } => {
                    self.frame(|frame| frame.procedures.insert(name.clone(), (params.clone(), Arc::clone(body))));
                }
            }
        }
        Ok(())
    }

    /// The number or text by which an exception is known.
    fn is_exception(&self, name: &str, error: &OraError) -> bool {
        if let Some((_, code)) = PREDEFINED.iter().find(|(known, _)| *known == name) {
            return error.code == *code;
        }
        let declared = self.frames.borrow().iter().rev().find_map(|frame| frame.exceptions.get(name).copied());
        match declared {
            Some(Some(code)) => error.code == code,
            Some(None) => *error == unhandled(name),
            None => false,
        }
    }

    fn handle(&self, block: &Block, error: OraError) -> Result<Flow> {
        // A session that is gone handles nothing.
        if matches!(error.code, 28 | SILENT) {
            return Err(error);
        }
        let fits = |names: &[String]| names.iter().any(|name| name == "OTHERS" || self.is_exception(name, &error));
        let Some((_, steps)) = block.handlers.iter().find(|(names, _)| fits(names)) else { return Err(error) };
        let before = self.error.replace(Some(error));
        let result = self.steps(steps);
        self.error.replace(before);
        result
    }

    fn steps(&self, steps: &[Step]) -> Result<Flow> {
        for step in steps {
            match self.step(step)? {
                Flow::Next => {}
                other => return Ok(other),
            }
        }
        Ok(Flow::Next)
    }

    /// Runs a loop's body once; `None` to go on.
    fn turn(&self, body: &[Step]) -> Result<Option<Flow>> {
        self.session.who()?;
        self.session.is_waited_for()?;
        Ok(match self.steps(body)? {
            Flow::Next | Flow::Continue => None,
            Flow::Exit => Some(Flow::Next),
            Flow::Return(value) => Some(Flow::Return(value)),
        })
    }

    fn step(&self, step: &Step) -> Result<Flow> {
        match step {
            Step::Null => {}
            Step::Assign(target, value) => {
                let value = self.expr(value)?;
                self.assign(target, value)?;
            }
            Step::If(branches, otherwise) => {
                for (condition, steps) in branches {
                    if self.truth(condition)? == Some(true) {
                        return self.steps(steps);
                    }
                }
                return self.steps(otherwise);
            }
            Step::Loop(body) => loop {
                if let Some(flow) = self.turn(body)? {
                    return Ok(flow);
                }
            },
            Step::While(condition, body) => {
                while self.truth(condition)? == Some(true) {
                    if let Some(flow) = self.turn(body)? {
                        return Ok(flow);
                    }
                }
            }
            Step::ForRange { variable, reverse, low, high, body } => {
                let (low, high) = (self.expr(low)?.to_number()?, self.expr(high)?.to_number()?);
                let (Some(low), Some(high)) = (low, high) else { return fail(6502, "PL/SQL: numeric or value error") };
                let mut numbers: Vec<i128> = (low..=high).collect();
                if *reverse {
                    numbers.reverse();
                }
                return self.each(
                    body,
                    numbers.into_iter().map(|number| {
                        let mut frame = Frame::default();
                        frame.variables.insert(variable.clone(), Value::Number(number));
                        frame
                    }),
                );
            }
            Step::ForQuery { variable, query, body } => return self.for_query(variable, query, body),
            Step::ForCursor { variable, cursor, body } => {
                let query = self.frames.borrow().iter().rev().find_map(|frame| frame.cursors.get(cursor).cloned());
                if let Some(query) = query {
                    return self.for_query(variable, &query, body);
                }
            }
            Step::Exit(when) | Step::Continue(when) => {
                let due = when.as_ref().map_or(Ok(Some(true)), |when| self.truth(when))?;
                if due == Some(true) {
                    return Ok(if matches!(step, Step::Exit(_)) { Flow::Exit } else { Flow::Continue });
                }
            }
            Step::Call(path, args) => drop(self.call(path, args)?),
            Step::Execute { text, into, using } => self.execute(text, into, using)?,
            Step::Select(query) => {
                let found = self.query(query)?;
                self.into(&found, &query.into)?;
            }
            Step::Sql(statement) => {
                let done = self.session.run(statement, self.binds, self)?;
                self.count.replace(done.rows.len());
            }
            Step::Raise(None) => {
                let error = self.error.borrow().clone();
                return Err(error.unwrap_or_else(|| ora(6550, "PLS-00367: a RAISE statement with no exception name")));
            }
            Step::Raise(Some(name)) => return Err(self.raised(name)),
            Step::Return(value) => {
                let value = value.as_ref().map_or(Ok(Value::Null), |value| self.expr(value))?;
                return Ok(Flow::Return(value));
            }
            Step::Block(block) => return self.block(block),
        }
        Ok(Flow::Next)
    }

    fn raised(&self, name: &str) -> OraError {
        if let Some((name, code)) = PREDEFINED.iter().find(|(known, _)| *known == name) {
            return ora(*code, (*name).to_lowercase().replace('_', " "));
        }
        let declared = self.frames.borrow().iter().rev().find_map(|frame| frame.exceptions.get(name).copied());
        match declared {
            Some(Some(code)) => ora(code, ""),
            _ => unhandled(name),
        }
    }

    fn each(&self, body: &[Step], frames: impl Iterator<Item = Frame>) -> Result<Flow> {
        for frame in frames {
            self.frames.borrow_mut().push(frame);
            let flow = self.turn(body);
            self.frames.borrow_mut().pop();
            if let Some(flow) = flow? {
                return Ok(flow);
            }
        }
        Ok(Flow::Next)
    }

    fn for_query(&self, variable: &str, query: &Query, body: &[Step]) -> Result<Flow> {
        let found = self.query(query)?;
        let names: Vec<String> = found.columns.into_iter().map(|column| column.name).collect();
        self.each(
            body,
            found.rows.into_iter().map(|row| {
                let mut frame = Frame::default();
                frame.records.insert(variable.to_owned(), names.iter().cloned().zip(row).collect());
                frame
            }),
        )
    }

    fn query(&self, query: &Query) -> Result<Relation> {
        let who = self.session.who()?;
        let database = self.session.server().lock();
        Eval::new(&database, &who, self.binds, self).run(query)
    }

    fn into(&self, found: &Relation, targets: &[Expr]) -> Result<()> {
        let row = match found.rows.as_slice() {
            [] => return fail(1403, "no data found"),
            [row] => row,
            _ => return fail(1422, "exact fetch returns more than requested number of rows"),
        };
        if row.len() != targets.len() {
            return fail(947, "not enough values");
        }
        targets.iter().zip(row).try_for_each(|(target, value)| self.assign(target, value.clone()))
    }

    fn assign(&self, target: &Expr, value: Value) -> Result<()> {
        let Expr::Name(path) = target else { return fail(6550, "PLS-00363") };
        let mut frames = self.frames.borrow_mut();
        let place = match path.as_slice() {
            [name] => frames.iter_mut().rev().find_map(|frame| frame.variables.get_mut(name)),
            [record, field] => {
                let fields = frames.iter_mut().rev().find_map(|frame| frame.records.get_mut(record));
                fields.and_then(|fields| fields.get_mut(field))
            }
            _ => None,
        };
        match place {
            Some(place) => *place = value,
            None => return fail(6550, "PLS-00201"),
        }
        Ok(())
    }

    /// EXECUTE IMMEDIATE: a text that is read only now, with what the session may do now.
    fn execute(&self, text: &Expr, into: &[Expr], using: &[Expr]) -> Result<()> {
        let text = self.expr(text)?.to_text();
        let values = using.iter().map(|value| self.expr(value)).collect::<Result<Vec<_>>>()?;
        let statement = self.session.parse(&text)?;
        let done = self.session.run(&statement, &values, &crate::eval::NoVariables)?;
        self.count.replace(done.rows.len());
        if into.is_empty() { Ok(()) } else { self.into(&done, into) }
    }

    /// Calls a procedure or function.
    fn call(&self, path: &[String], args: &[Arg]) -> Result<Value> {
        if let [name] = path {
            if name == "RAISE_APPLICATION_ERROR" {
                return self.raise_application_error(args);
            }
            let local = self.frames.borrow().iter().rev().find_map(|frame| frame.procedures.get(name).cloned());
            if let Some((params, body)) = local {
                return self.local(&params, &body, args);
            }
        }
        let who = self.session.who()?;
        let database = self.session.server().lock();
        let major = database.major();
        let found = package::find(&database, &who, path);
        drop(database);
        let member = found.and_then(|(key, member)| package::subprogram(major, &key.1, &member));
        let Some(member) = member else { return fail(6550, format!("PLS-00201: identifier '{}'", path.join("."))) };
        let mut values: Vec<Option<Value>> = vec![None; member.params.len()];
        let mut outs = vec![None; member.params.len()];
        for (arg, place) in args.iter().zip(member.places(args)?) {
            let out = member.params.get(place).is_some_and(|(name, _)| member.out.contains(name));
            if let (Some(value), Some(target)) = (values.get_mut(place), outs.get_mut(place)) {
                *value = Some(self.expr(&arg.value)?);
                *target = out.then_some(&arg.value);
            }
        }
        let (value, given) = package::call(self.session, member, &values)?;
        for (target, value) in outs.into_iter().flatten().zip(given) {
            self.assign(target, value)?;
        }
        Ok(value)
    }

    fn local(&self, params: &[(String, bool)], body: &Block, args: &[Arg]) -> Result<Value> {
        let mut frame = Frame::default();
        for (at, (name, _)) in params.iter().enumerate() {
            let arg = args.iter().find(|arg| arg.name.as_ref() == Some(name)).or_else(|| args.get(at));
            let value = arg.map_or(Ok(Value::Null), |arg| self.expr(&arg.value))?;
            frame.variables.insert(name.clone(), value);
        }
        self.frames.borrow_mut().push(frame);
        let result = self.block(body);
        let frame = self.frames.borrow_mut().pop().unwrap_or_default();
        let value = match result? {
            Flow::Return(value) => value,
            _ => Value::Null,
        };
        for (at, (name, out)) in params.iter().enumerate() {
            if let (true, Some(arg), Some(value)) = (*out, args.get(at), frame.variables.get(name)) {
                self.assign(&arg.value, value.clone())?;
            }
        }
        Ok(value)
    }

    /// "Raising Application Errors": -20000 to -20999.
    fn raise_application_error(&self, args: &[Arg]) -> Result<Value> {
        let mut values = args.iter().map(|arg| self.expr(&arg.value));
        let number = values.next().transpose()?.map(|value| value.to_number()).transpose()?.flatten();
        let text = values.next().transpose()?.unwrap_or(Value::Null).to_text();
        match number.and_then(|number| u32::try_from(-number).ok()) {
            Some(code @ 20_000..=20_999) => fail(code, text),
            _ => fail(21000, "error number argument to raise_application_error is out of range"),
        }
    }

    fn truth(&self, expr: &Expr) -> Result<Option<bool>> {
        match self.expr(expr)? {
            Value::Bool(yes) => Ok(Some(yes)),
            Value::Null => Ok(None),
            _ => fail(6550, "PLS-00382: expression is of wrong type"),
        }
    }

    fn expr(&self, expr: &Expr) -> Result<Value> {
        let settled = self.settle(expr)?;
        let who = self.session.who()?;
        let database = self.session.server().lock();
        Eval::new(&database, &who, self.binds, self).value(&settled, &Scope::EMPTY)
    }

    /// Carries out all calls of packages and local functions, in order; what is left is plain.
    fn settle(&self, expr: &Expr) -> Result<Expr> {
        let boxed = |inner: &Expr| self.settle(inner).map(Box::new);
        Ok(match expr {
            // The right side is evaluated only if it matters.
            Expr::Binary(op @ ("AND" | "OR"), left, right) => {
                let left = self.truth(left)?;
                if left == Some(*op == "OR") {
                    return Ok(Expr::Literal(Value::Bool(*op == "OR")));
                }
                let left = left.map_or(Value::Null, Value::Bool);
                Expr::Binary(op, Box::new(Expr::Literal(left)), boxed(right)?)
            }
            Expr::Binary(op, left, right) => Expr::Binary(op, boxed(left)?, boxed(right)?),
            Expr::Not(inner) => Expr::Not(boxed(inner)?),
            Expr::Negative(inner) => Expr::Negative(boxed(inner)?),
            Expr::IsNull(inner, not) => Expr::IsNull(boxed(inner)?, *not),
            Expr::InList { value, list, not } => {
                let list = list.iter().map(|item| self.settle(item)).collect::<Result<_>>()?;
                Expr::InList { value: boxed(value)?, list, not: *not }
            }
            Expr::Between { value, low, high, not } => {
                Expr::Between { value: boxed(value)?, low: boxed(low)?, high: boxed(high)?, not: *not }
            }
            Expr::Case { operand, whens, otherwise } => {
                return self.case(operand.as_deref(), whens, otherwise.as_deref());
            }
            Expr::Call { path, args, distinct, star, order } if crate::eval::is_function(path, args.len()) => {
                let args = args
                    .iter()
                    .map(|arg| Ok(Arg { name: arg.name.clone(), value: self.settle(&arg.value)? }))
                    .collect::<Result<_>>()?;
                Expr::Call { path: path.clone(), args, distinct: *distinct, star: *star, order: order.clone() }
            }
            Expr::Call { path, args, .. } => Expr::Literal(self.call(path, args)?),
            Expr::Name(path) if self.variable(path).is_none() && !crate::eval::is_bare_function(path) => {
                Expr::Literal(self.constant(path)?)
            }
            plain => plain.clone(),
        })
    }

    fn case(&self, operand: Option<&Expr>, whens: &[(Expr, Expr)], otherwise: Option<&Expr>) -> Result<Expr> {
        let operand = operand.map(|operand| self.expr(operand)).transpose()?;
        for (when, then) in whens {
            let fits = match &operand {
                Some(operand) => operand.compare(&self.expr(when)?)? == Some(std::cmp::Ordering::Equal),
                None => self.truth(when)? == Some(true),
            };
            if fits {
                return self.settle(then);
            }
        }
        otherwise.map_or(Ok(Expr::Literal(Value::Null)), |otherwise| self.settle(otherwise))
    }

    /// A package's constant, or a local function without arguments.
    fn constant(&self, path: &[String]) -> Result<Value> {
        let who = self.session.who()?;
        let database = self.session.server().lock();
        let found = package::find(&database, &who, path);
        drop(database);
        match found.and_then(|(key, member)| package::constant(&key.1, &member)) {
            Some(value) => Ok(value),
            None => self.call(path, &[]),
        }
    }
}

/// What comes of an exception without a number that nobody handles.
fn unhandled(name: &str) -> OraError {
    ora(6510, format!("PL/SQL: unhandled user-defined exception ({name})"))
}
