"""Databases, schemas, tables and views: making and dropping them, and changing rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import collation, principals, query, types
from .catalog import find, must_have, place
from .context import Context
from .errors import SqlError, unknown
from .lexer import Kind, Token
from .model import DBO, Database, Object, Schema
from .rights import DATABASE, OBJECT, SCHEMA, SERVER
from .session import Session
from .statements import (
    AlterAuthorization,
    AlterDatabase,
    Column,
    CreateDatabase,
    CreateSchema,
    CreateTable,
    CreateView,
    DeclareTable,
    Delete,
    Drop,
    Insert,
    Name,
    Tokens,
    Update,
)  # fmt: skip

if TYPE_CHECKING:
    from .batch import Run


# Names that nothing else has.
_ROWS, _NUMBER = "@rows_of_the_stand_in", "row of the stand-in"


def table_variable(statement: DeclareTable) -> Object:
    """A table that lives as long as its session's batch."""
    return Object(0, statement.variable, 0, "U", statement.columns)


def _new_in(session: Session, name: Name, permission: str) -> tuple[Context, Database, Schema]:
    """The schema for something new of this name."""
    context, database = place(session, name)
    if not context.may(DATABASE, permission):
        raise SqlError(262, permission, database.name)
    schema_name = name.schema or context.user.default_schema or "dbo"
    schema = database.schema(schema_name)
    if schema is None or not context.may(SCHEMA, "ALTER", schema):
        raise SqlError(2760, schema_name)
    if database.object(schema, name.name) is not None:
        raise SqlError(2714, name.name)
    return context, database, schema


def _create_table(run: Run, statement: CreateTable) -> None:
    session = run.session
    if statement.table.name.startswith("#"):
        raise unknown("temporary tables")
    _, database, schema = _new_in(session, statement.table, "CREATE TABLE")
    for column in statement.columns:
        types.on_wire(column.type)
    thing = Object(database.next_object_id(), statement.table.name, schema.id, "U", statement.columns)
    session.journal.put(database.objects, thing.id, thing)


def _create_view(run: Run, statement: CreateView) -> None:
    session = run.session
    _, database, schema = _new_in(session, statement.view, "CREATE VIEW")
    # Names in it are resolved now, unlike in procedures.
    found = query.select(session, statement.query).columns
    names = statement.columns or [name for name, _ in found]
    columns = [Column(name, kind) for name, (_, kind) in zip(names, found, strict=True)]
    for number, column in enumerate(columns, 1):
        if not column.name:
            raise SqlError(
                4511, text=f"Create View or Function failed because no column name was specified for column {number}."
            )
    thing = Object(database.next_object_id(), statement.view.name, schema.id, "V", columns, query=statement.query)
    session.journal.put(database.objects, thing.id, thing)


def _create_schema(run: Run, statement: CreateSchema) -> None:
    session, context, database = run.session, run.session.context, run.session.database
    if not context.may(DATABASE, "CREATE SCHEMA"):
        raise SqlError(262, "CREATE SCHEMA", database.name)
    if database.schema(statement.name) is not None:
        raise SqlError(2714, statement.name)
    owner = context.user.id
    if statement.owner:
        found = database.principal(statement.owner)
        if found is None:
            raise SqlError(15151, "find", "user", statement.owner)
        if not (context.dbo or found.id in context.users() or context.may(4, "IMPERSONATE", found)):
            raise SqlError(15151, "find", "user", statement.owner)
        owner = found.id
    schema = Schema(database.next_id(), statement.name, owner)
    session.journal.put(database.schemas, schema.id, schema)


def _create_database(run: Run, statement: CreateDatabase) -> None:
    session, server = run.session, run.session.engine.server
    if session.transactions:
        raise SqlError(226, text="CREATE DATABASE statement not allowed within multi-statement transaction.")
    if not session.context.may(SERVER, "CREATE ANY DATABASE"):
        raise SqlError(262, "CREATE DATABASE", "master")
    if server.database(statement.name) is not None:
        raise SqlError(1801, statement.name)
    if statement.contained and not server.containment:
        raise SqlError(12824, "create")
    who = session.identities[-1].login
    database = Database(
        server.next_database_id(),
        statement.name,
        who.sid if who else b"\1",
        statement.contained,
        statement.collation or collation.DEFAULT,
    )
    server.databases[database.id] = database


def _alter_database(run: Run, statement: AlterDatabase) -> None:
    session, server = run.session, run.session.engine.server
    database = server.database(statement.name) if statement.name else session.database
    inside = session.context_in(database) if database is not None else None
    closed = database is not None and database.offline and session.context.may(SERVER, "ALTER ANY DATABASE")
    if not closed and (inside is None or not inside.may(DATABASE, "ALTER")):
        raise SqlError(5011, statement.name)
    match statement.option:
        case "SET SINGLE_USER WITH ROLLBACK IMMEDIATE":
            for other in session.engine.sessions():
                if other.database is database and other is not session:
                    other.kill()
            session.journal.set(database, "restricted", True)
        case "SET MULTI_USER" | "SET MULTI_USER WITH ROLLBACK IMMEDIATE":
            session.journal.set(database, "restricted", False)
        case "SET CONTAINMENT = PARTIAL" | "SET CONTAINMENT = NONE":
            if not server.containment:
                raise SqlError(12824, "alter")
            session.journal.set(database, "contained", statement.option.endswith("PARTIAL"))
        case "SET READ_ONLY" | "SET READ_WRITE":
            session.journal.set(database, "read_only", statement.option.endswith("ONLY"))
        case "SET OFFLINE WITH ROLLBACK IMMEDIATE":
            for other in session.engine.sessions():
                if other.database is database and other is not session:
                    other.kill()
            session.journal.set(database, "offline", True)
        case "SET ONLINE":
            session.journal.set(database, "offline", False)
        case option:
            raise unknown(f"ALTER DATABASE {option}")


def _alter_authorization(run: Run, statement: AlterAuthorization) -> None:
    session, context, database = run.session, run.session.context, run.session.database
    name = statement.entity
    if statement.kind == "DATABASE":
        target = session.engine.server.database(name.name)
        login = session.engine.server.login(statement.owner)
        if target is None or login is None or not context.sysadmin:
            raise SqlError(15151, "find", "database", name.name)
        if target.user_of(login.sid) not in (None, target.principals[DBO]):
            raise SqlError(15110, text="The proposed new database owner is already a user or aliased in the database.")
        session.journal.set(target, "owner", login.sid)
        session.journal.set(target.principals[DBO], "sid", login.sid)
        return
    owner = database.principal(statement.owner) if statement.owner else None
    if statement.owner and (owner is None or not context.sees_user(owner)):
        raise SqlError(15151, "find", "principal", statement.owner)
    if statement.kind == "SCHEMA":
        schema = database.schema(name.name)
        if schema is None or owner is None or not context.may(SCHEMA, "TAKE OWNERSHIP", schema):
            raise SqlError(15151, "find", "schema", name.name)
        session.journal.set(schema, "owner", owner.id)
        return
    if statement.kind != "OBJECT":
        raise unknown(f"ALTER AUTHORIZATION ON {statement.kind}")
    thing = find(context, name)
    if thing is None or not context.may(OBJECT, "TAKE OWNERSHIP", thing):
        raise SqlError(15151, "find", "object", name.name)
    session.journal.set(thing, "owner", owner.id if owner else None)
    # "the object's permissions are dropped" when its owner changes.
    for key in [key for key in database.permissions if key.securable_class == OBJECT and key.major == thing.id]:
        session.journal.take(database.permissions, key)


def _drop(run: Run, statement: Drop) -> None:
    if statement.kind in ("LOGIN", "USER", "ROLE", "SERVER ROLE"):
        principals.drop(run.session, statement)
        return
    for name in statement.names:
        match statement.kind:
            case "TABLE" | "VIEW":
                _drop_object(run.session, name, statement)
            case "SCHEMA":
                _drop_schema(run.session, name.name, statement.if_exists)
            case "DATABASE":
                _drop_database(run.session, name.name, statement.if_exists)
            case kind:
                raise unknown(f"DROP {kind}")


def _drop_object(session: Session, name: Name, statement: Drop) -> None:
    context, database = place(session, name)
    thing = find(context, name)
    kind = "U" if statement.kind == "TABLE" else "V"
    if thing is None and statement.if_exists:
        return
    missing = SqlError(3701, statement.kind.lower(), name.name)
    if thing is None or not context.sees_object(thing):
        raise missing
    if thing.type != kind:
        raise SqlError(
            3705,
            text=f"Cannot use DROP {statement.kind} with '{name.name}' because '{name.name}' is a "
            f"{'view' if kind == 'U' else 'table'}. Use DROP {'VIEW' if kind == 'U' else 'TABLE'}.",
        )
    schema = database.schemas[thing.schema]
    if not context.may(SCHEMA, "ALTER", schema) and not context.may(OBJECT, "CONTROL", thing):
        raise missing
    for key in [key for key in database.permissions if key.securable_class == OBJECT and key.major == thing.id]:
        session.journal.take(database.permissions, key)
    session.journal.take(database.objects, thing.id)


def _drop_schema(session: Session, name: str, if_exists: bool) -> None:
    context, database = session.context, session.database
    schema = database.schema(name)
    if schema is None and if_exists:
        return
    if schema is None or not context.may(SCHEMA, "CONTROL", schema):
        raise SqlError(15151, "drop", "schema", name)
    inside = next((thing for thing in database.objects.values() if thing.schema == schema.id), None)
    if inside is not None:
        raise SqlError(3729, name, inside.name)
    for key in [key for key in database.permissions if key.securable_class == SCHEMA and key.major == schema.id]:
        session.journal.take(database.permissions, key)
    session.journal.take(database.schemas, schema.id)


def _drop_database(session: Session, name: str, if_exists: bool) -> None:
    server = session.engine.server
    database = server.database(name)
    if database is None and if_exists:
        return
    owns = (
        database is not None
        and session.identities[-1].login is not None
        and database.owner == session.identities[-1].login.sid
    )
    if database is None or not (owns or session.context.may(SERVER, "ALTER ANY DATABASE")):
        raise SqlError(3701, "database", name)
    if database.id <= 4:
        raise SqlError(3708, text=f"Cannot drop the database '{name}' because it is a system database.")
    if any(other.database is database for other in session.engine.sessions()):
        raise SqlError(3702, database.name)
    del server.databases[database.id]


def _insert(run: Run, statement: Insert) -> int:
    session = run.session
    thing = _writable(session, statement.table, "INSERT")
    columns = _numbers(thing, statement.columns)
    if statement.source is not None:
        raise unknown("INSERT ... EXEC")
    if statement.query:
        rows = query.select(session, statement.query).rows
    else:
        rows = [tuple(query.scalar(session, value) for value in row) for row in statement.rows]
    added = []
    for values in rows:
        if len(values) != len(columns):
            raise SqlError(213)
        row: list[object] = [None] * len(thing.columns)
        for at, value in zip(columns, values):
            row[at] = _fitting(thing.columns[at], value, thing, "INSERT")
        for at, column in enumerate(thing.columns):
            if column.identity and at not in columns:
                row[at] = max((int(str(old[at])) for old in [*thing.rows, *added]), default=0) + 1
            elif row[at] is None and not column.nullable:
                raise SqlError(515, column.name, thing.name, "INSERT")
        added.append(row)
    session.journal.set(thing, "rows", [*thing.rows, *added])
    return len(added)


def _fitting(column: Column, value: object, thing: Object, verb: str) -> object:
    if value is None and not column.nullable:
        raise SqlError(515, column.name, thing.name, verb)
    if (
        isinstance(value, str)
        and types.is_text(column.type)
        and column.type.size not in (None, -1)
        and len(value) > column.type.size
    ):
        raise SqlError(
            2628, text=f"String or binary data would be truncated in table '{thing.name}', column '{column.name}'."
        )
    return types.convert(value, column.type, cast=False)


def _numbers(thing: Object, names: list[str]) -> list[int]:
    if not names:
        return [at for at, column in enumerate(thing.columns) if not column.identity]
    known = {column.name.lower(): at for at, column in enumerate(thing.columns)}
    for name in names:
        if name.lower() not in known:
            raise SqlError(207, name)
    return [known[name.lower()] for name in names]


def _writable(session: Session, name: Name, permission: str) -> Object:
    if name.variable:
        return session.tables[name.name.lower()]
    context, _ = place(session, name)
    thing = find(context, name)
    if thing is None:
        raise SqlError(208, name)
    must_have(context, permission, thing)
    if thing.type != "U":
        raise SqlError(
            4406,
            text=f"Update or insert of view or function '{name}' failed because it contains a derived or constant field.",
        )
    return thing


def _selected(session: Session, name: Name, thing: Object, values: list[Tokens], where: Tokens) -> list[tuple]:
    """For each row that the condition holds for: its number, and these values."""
    from .query import Relation

    numbered = Relation(
        [*((column.name, column.type) for column in thing.columns), (_NUMBER, types.INT)],
        [(*row, at) for at, row in enumerate(thing.rows)],
    )
    alias = Token(Kind.QUOTED, name.name)
    session.tables[_ROWS] = Object(
        0, "", 0, "U", [Column(n, k) for n, k in numbered.columns], [list(r) for r in numbered.rows]
    )
    word = lambda text: Token(Kind.WORD, text)  # noqa: E731
    tokens: Tokens = [word("SELECT"), Token(Kind.QUOTED, _NUMBER)]
    for value in values:
        tokens += [Token(Kind.SYMBOL, ","), *value]
    tokens += [word("FROM"), Token(Kind.VARIABLE, _ROWS), word("AS"), alias]
    if where:
        tokens += [word("WHERE"), *where]
    try:
        return query.select(session, tokens).rows
    finally:
        del session.tables[_ROWS]


def _needs_select(session: Session, name: Name, where: Tokens) -> None:
    """ "SELECT permissions are also required if the statement contains a WHERE clause"."""
    if where and not name.variable:
        context, _ = place(session, name)
        must_have(context, "SELECT", find(context, name))


def _update(run: Run, statement: Update) -> int:
    session = run.session
    thing = _writable(session, statement.table, "UPDATE")
    _needs_select(session, statement.table, statement.where)
    columns = _numbers(thing, [name for name, _ in statement.values])
    found = _selected(session, statement.table, thing, [value for _, value in statement.values], statement.where)
    rows = [list(row) for row in thing.rows]
    for at, *values in found:
        for column, value in zip(columns, values):
            rows[at][column] = _fitting(thing.columns[column], value, thing, "UPDATE")
    session.journal.set(thing, "rows", rows)
    return len(found)


def _delete(run: Run, statement: Delete) -> int:
    session = run.session
    thing = _writable(session, statement.table, "DELETE")
    _needs_select(session, statement.table, statement.where)
    gone = {row[0] for row in _selected(session, statement.table, thing, [], statement.where)}
    session.journal.set(thing, "rows", [row for at, row in enumerate(thing.rows) if at not in gone])
    return len(gone)


OBJECTS = {
    CreateTable: _create_table, CreateView: _create_view, CreateSchema: _create_schema, CreateDatabase: _create_database,
    AlterDatabase: _alter_database, AlterAuthorization: _alter_authorization, Drop: _drop, Insert: _insert, Update: _update,
    Delete: _delete,
}  # fmt: skip
