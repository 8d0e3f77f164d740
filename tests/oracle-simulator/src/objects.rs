//! Tables, views, synonyms, and rows.

use std::sync::Arc;

use crate::ast::{Body, Expr, From, ObjectName, Query};
use crate::database::{Database, Key, Kind, Object, Row};
use crate::error::{Result, denied, fail, no_table, ora};
use crate::eval::{Column, Eval, Scope, Variables};
use crate::security::Who;
use crate::value::Value;

/// The tables and views that a query reads directly.
pub(crate) fn bases(body: &Body) -> Vec<(Option<String>, String)> {
    fn of(from: &From, found: &mut Vec<(Option<String>, String)>) {
        match from {
            From::Table { schema, name, .. } => found.push((schema.clone(), name.clone())),
            From::Query { query, .. } => found.extend(bases(&query.body)),
            From::Join { left, right, .. } => {
                of(left, found);
                of(right, found);
            }
        }
    }
    let mut found = Vec::new();
    match body {
        Body::Select(select) => select.from.iter().for_each(|from| of(from, &mut found)),
        Body::Set(_, left, right) => {
            found.extend(bases(left));
            found.extend(bases(right));
        }
        Body::Nested(query) => found.extend(bases(&query.body)),
    }
    found
}

impl Database {
    /// Where something new is to be made, and whether it may be.
    fn place(&self, who: &Who, name: &ObjectName, kind: &str) -> Result<Key> {
        let current = self.sessions.get(&who.session).map_or(&who.user, |session| &session.schema);
        let schema = name.schema.as_ref().unwrap_or(current);
        let any = format!("CREATE ANY {kind}");
        let may = if *schema == who.user {
            self.has(who, &format!("CREATE {kind}")) || self.has(who, &any)
        } else {
            self.has_any(who, &any, schema)
        };
        if !may {
            return Err(denied());
        }
        if !self.users.contains_key(schema) {
            return fail(1918, format!("user '{schema}' does not exist"));
        }
        Ok((schema.clone(), name.name.clone()))
    }

    fn add(&mut self, key: Key, kind: Kind, replace: bool) -> Result<()> {
        match self.objects.get(&key) {
            Some(known) if !replace || std::mem::discriminant(&known.kind) != std::mem::discriminant(&kind) => {
                return fail(955, "name is already used by an existing object");
            }
            _ => {}
        }
        let id = self.next_id();
        self.objects.insert(key, Object { id, kind, maintained: false });
        Ok(())
    }

    pub(crate) fn create_table(
        &mut self,
        who: &Who,
        name: &ObjectName,
        columns: &[String],
        query: Option<&Query>,
        variables: &dyn Variables,
    ) -> Result<()> {
        let key = self.place(who, name, "TABLE")?;
        let (mut columns, mut rows) = (columns.to_vec(), Vec::new());
        if let Some(query) = query {
            let found = Eval::new(self, who, &[], variables).run(query)?;
            if columns.is_empty() {
                columns = found.columns.into_iter().map(|column| column.name).collect();
            }
            rows = found.rows;
        }
        if columns.is_empty() {
            return fail(906, "missing left parenthesis");
        }
        if !rows.is_empty() {
            self.has_room(&key.0)?;
        }
        let committed = |values| Row { values, inserted: None, deleted: None, locked: None };
        let rows = rows.into_iter().map(committed).collect();
        self.add(key, Kind::Table { columns, rows, dropped: None }, false)
    }

    /// A segment needs a quota, which is due with the first row ("Deferred Segment Creation").
    fn has_room(&self, owner: &str) -> Result<()> {
        let room = self.users.get(owner).is_some_and(|user| user.quotas.contains(&user.default_tablespace))
            || self
                .system_grants
                .iter()
                .any(|grant| grant.grantee == owner && grant.privilege == "UNLIMITED TABLESPACE");
        if room { Ok(()) } else { fail(1950, "no privileges on tablespace 'USERS'") }
    }

    pub(crate) fn create_view(
        &mut self,
        who: &Who,
        name: &ObjectName,
        columns: &[String],
        query: &Query,
        replace: bool,
    ) -> Result<()> {
        let key = self.place(who, name, "VIEW")?;
        // Privileges by way of roles do not count ("CREATE VIEW", Prerequisites).
        let owner = Who::definer(&key.0, who.session);
        let none = crate::eval::NoVariables;
        let names = Eval::new(self, &owner, &[], &none).check(query, &Scope::EMPTY)?;
        let names = if columns.is_empty() { names } else { columns.to_vec() };
        self.add(key, Kind::View { columns: names, query: Arc::new(query.clone()) }, replace)
    }

    pub(crate) fn create_synonym(
        &mut self,
        who: &Who,
        name: &ObjectName,
        public: bool,
        replace: bool,
        target: &ObjectName,
    ) -> Result<()> {
        let key = if public {
            self.must_have(who, "CREATE PUBLIC SYNONYM")?;
            ("PUBLIC".to_owned(), name.name.clone())
        } else {
            self.place(who, name, "SYNONYM")?
        };
        let owner = target.schema.clone().unwrap_or_else(|| who.user.clone());
        self.add(key, Kind::Synonym { owner, name: target.name.clone() }, replace)
    }

    /// Forgets an object and what was granted on it.
    pub(crate) fn remove_object(&mut self, key: &Key) {
        self.objects.remove(key);
        self.object_grants.retain(|grant| !(grant.owner == key.0 && grant.object == key.1));
    }

    pub(crate) fn drop_object(
        &mut self,
        who: &Who,
        kind: &str,
        name: &ObjectName,
        if_exists: bool,
        purge: bool,
        public: bool,
    ) -> Result<()> {
        let current = self.sessions.get(&who.session).map_or(&who.user, |session| &session.schema).clone();
        let schema = if public { "PUBLIC".to_owned() } else { name.schema.clone().unwrap_or(current) };
        let key = (schema, name.name.clone());
        let missing = || match kind {
            "SYNONYM" => ora(1434, "private synonym to be dropped does not exist"),
            _ => no_table(),
        };
        if self.objects.get(&key).is_none_or(|object| object.type_name() != kind) {
            return if if_exists { Ok(()) } else { Err(missing()) };
        }
        let may = key.0 == who.user
            || self.has_any(who, &format!("DROP ANY {kind}"), &key.0)
            || (public && self.has(who, "DROP PUBLIC SYNONYM"));
        if !may {
            return Err(if self.sees(who, &key) { denied() } else { missing() });
        }
        self.not_busy(&key, who.session)?;
        if kind == "TABLE" && !purge {
            self.recycle(&key);
        } else {
            self.remove_object(&key);
        }
        Ok(())
    }

    /// Others' uncommitted work keeps a table from being changed.
    fn not_busy(&self, key: &Key, session: u64) -> Result<()> {
        let Some(Kind::Table { rows, .. }) = self.objects.get(key).map(|object| &object.kind) else { return Ok(()) };
        let others = |row: &Row| [row.inserted, row.deleted, row.locked].into_iter().flatten().any(|by| by != session);
        if rows.iter().any(others) {
            return fail(54, "resource busy and acquire with NOWAIT specified or timeout expired");
        }
        Ok(())
    }

    /// A dropped table goes to the recycle bin under another name, with what was granted on it ("Using Flashback Drop and
    /// Managing the Recycle Bin").
    fn recycle(&mut self, key: &Key) {
        let Some(mut object) = self.objects.remove(key) else { return };
        let name = format!("BIN${:022}==$0", object.id);
        if let Kind::Table { dropped, .. } = &mut object.kind {
            *dropped = Some(key.1.clone());
        }
        for grant in self.object_grants.iter_mut().filter(|grant| grant.owner == key.0 && grant.object == key.1) {
            grant.object.clone_from(&name);
        }
        self.objects.insert((key.0.clone(), name), object);
    }

    fn rows(&mut self, key: &Key) -> Result<(&[String], &mut Vec<Row>)> {
        match self.objects.get_mut(key).map(|object| &mut object.kind) {
            Some(Kind::Table { columns, rows, dropped: None }) => Ok((columns, rows)),
            Some(Kind::Table { .. }) => fail(38301, "can not perform DDL/DML over objects in Recycle Bin"),
            Some(Kind::View { .. }) => fail(1732, "data manipulation operation not legal on this view"),
            _ => Err(no_table()),
        }
    }

    #[expect(clippy::too_many_arguments, reason = "all of one INSERT")]
    pub(crate) fn insert(
        &mut self,
        who: &Who,
        table: &ObjectName,
        columns: &[String],
        rows: &[Vec<Expr>],
        query: Option<&Query>,
        binds: &[Value],
        variables: &dyn Variables,
    ) -> Result<usize> {
        let key = self.writable(who, table.schema.as_deref(), &table.name, "INSERT")?;
        let eval = Eval::new(self, who, binds, variables);
        let found = if let Some(query) = query {
            eval.run(query)?.rows
        } else {
            let values =
                |row: &Vec<Expr>| row.iter().map(|expr| eval.value(expr, &Scope::EMPTY)).collect::<Result<Vec<_>>>();
            rows.iter().map(values).collect::<Result<Vec<_>>>()?
        };
        self.has_room(&key.0)?;
        let session = who.session;
        let (names, stored) = self.rows(&key)?;
        let places = if columns.is_empty() {
            (0..names.len()).collect()
        } else {
            let place = |column: &String| {
                names.iter().position(|name| name == column).ok_or_else(|| ora(904, "invalid identifier"))
            };
            columns.iter().map(place).collect::<Result<Vec<_>>>()?
        };
        let width = names.len();
        let count = found.len();
        for given in found {
            if given.len() != places.len() {
                return if given.len() < places.len() {
                    fail(947, "not enough values")
                } else {
                    fail(913, "too many values")
                };
            }
            let mut values = vec![Value::Null; width];
            for (place, value) in places.iter().zip(given) {
                if let Some(cell) = values.get_mut(*place) {
                    *cell = value;
                }
            }
            stored.push(Row { values, inserted: Some(session), deleted: None, locked: None });
        }
        Ok(count)
    }

    /// The numbers of the rows that a condition holds for.
    fn hits(
        &self,
        who: &Who,
        key: &Key,
        alias: &str,
        filter: Option<&Expr>,
        set: &[(String, Expr)],
        given: (&[Value], &dyn Variables),
    ) -> Result<Vec<(usize, Vec<Value>)>> {
        let Some(Kind::Table { columns, rows, .. }) = self.objects.get(key).map(|object| &object.kind) else {
            return fail(1732, "data manipulation operation not legal on this view");
        };
        let eval = Eval::new(self, who, given.0, given.1);
        let names: Vec<Column> =
            columns.iter().map(|name| Column { alias: Some(alias.to_owned()), name: name.clone() }).collect();
        let mut hits = Vec::new();
        for expr in filter.into_iter().chain(set.iter().map(|(_, expr)| expr)) {
            eval.check_expr(expr, &Scope::of(&names, &[]))?;
        }
        for (at, row) in rows.iter().enumerate() {
            let hidden = row.inserted.is_some_and(|by| by != who.session) || row.deleted == Some(who.session);
            let scope = Scope::of(&names, &row.values);
            if hidden || filter.map_or(Ok(false), |filter| eval.truth(filter, &scope).map(|yes| yes != Some(true)))? {
                continue;
            }
            if row.deleted.or(row.locked).is_some_and(|by| by != who.session) {
                // A server would wait; here that is a mistake of the test.
                return fail(54, "resource busy and acquire with NOWAIT specified or timeout expired");
            }
            let mut values = row.values.clone();
            for (column, expr) in set {
                let place = columns.iter().position(|name| name == column);
                let place = place.ok_or_else(|| ora(904, "invalid identifier"))?;
                if let Some(cell) = values.get_mut(place) {
                    *cell = eval.value(expr, &scope)?;
                }
            }
            hits.push((at, values));
        }
        Ok(hits)
    }

    pub(crate) fn update(
        &mut self,
        who: &Who,
        table: &ObjectName,
        alias: Option<&str>,
        set: &[(String, Expr)],
        filter: Option<&Expr>,
        given: (&[Value], &dyn Variables),
    ) -> Result<usize> {
        let key = self.writable(who, table.schema.as_deref(), &table.name, "UPDATE")?;
        let hits = self.hits(who, &key, alias.unwrap_or(&table.name), filter, set, given)?;
        let session = who.session;
        let (_, rows) = self.rows(&key)?;
        let count = hits.len();
        for (at, values) in hits {
            if let Some(row) = rows.get_mut(at) {
                row.deleted = Some(session);
            }
            rows.push(Row { values, inserted: Some(session), deleted: None, locked: None });
        }
        Ok(count)
    }

    pub(crate) fn delete(
        &mut self,
        who: &Who,
        table: &ObjectName,
        alias: Option<&str>,
        filter: Option<&Expr>,
        given: (&[Value], &dyn Variables),
    ) -> Result<usize> {
        let key = self.writable(who, table.schema.as_deref(), &table.name, "DELETE")?;
        let hits = self.hits(who, &key, alias.unwrap_or(&table.name), filter, &[], given)?;
        let session = who.session;
        let (_, rows) = self.rows(&key)?;
        for (at, _) in &hits {
            if let Some(row) = rows.get_mut(*at) {
                row.deleted = Some(session);
            }
        }
        Ok(hits.len())
    }

    /// Locks the rows of a query with FOR UPDATE.
    pub(crate) fn lock_rows(&mut self, who: &Who, query: &Query) -> Result<()> {
        for (schema, name) in bases(&query.body) {
            let key = self.resolve(who, schema.as_deref(), &name).ok_or_else(no_table)?;
            let session = who.session;
            if let Ok((_, rows)) = self.rows(&key) {
                for row in rows {
                    row.locked = Some(session);
                }
            }
        }
        Ok(())
    }
}
