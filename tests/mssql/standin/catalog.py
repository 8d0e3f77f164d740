"""Catalog views, with the rows that a session may see ("Metadata visibility configuration", and each view's section Permissions);
and the tables and views that users made."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from . import collation, rights, types
from .context import Context
from .errors import SqlError, unknown
from .model import DBO, PUBLIC, Database, Object
from .rights import DATABASE, OBJECT, PRINCIPAL, SERVER
from .statements import Name, TypeName

if TYPE_CHECKING:
    from .query import Relation
    from .session import Session

_CHAR2, _DESC = TypeName("char", 2), TypeName("nvarchar", 60)
Columns = dict[str, TypeName]
_VIEWS: dict[str, tuple[Columns, Callable[[Session, Context], list[tuple]], bool]] = {}


def _view(name: str, columns: Columns, *, server: bool = False):
    """Rows of a catalog view. `server`: of the whole server, and not to be had in a user database of Azure."""

    def add(rows: Callable[[Session, Context], list[tuple]]):
        _VIEWS[name] = (columns, rows, server)
        return rows

    return add


_LOGIN_COLUMNS: Columns = {
    "name": types.SYSNAME, "principal_id": types.INT, "sid": types.SID, "type": TypeName("char", 1), "type_desc": _DESC,
    "is_disabled": types.BIT, "create_date": types.DATETIME, "modify_date": types.DATETIME, "default_database_name": types.SYSNAME,
    "default_language_name": types.SYSNAME, "credential_id": types.INT, "owning_principal_id": types.INT, "is_fixed_role": types.BIT,
}  # fmt: skip


def _login_rows(context: Context) -> list[tuple]:
    return [
        (
            login.name, login.id, login.sid, login.type, "SQL_LOGIN" if login.type == "S" else "SERVER_ROLE", int(login.disabled),
            login.created, login.created, login.default_database or None, "us_english" if login.type == "S" else None, None,
            1 if login.type == "R" else None, int(login.type == "R" and login.fixed and login.id != 2),
        )
        for login in context.server.logins.values()
        if context.sees_login(login)
    ]  # fmt: skip


@_view("server_principals", _LOGIN_COLUMNS, server=True)
def _server_principals(session: Session, context: Context) -> list[tuple]:
    return _login_rows(context)


@_view("sql_logins", {
    **{name: kind for name, kind in _LOGIN_COLUMNS.items() if name not in ("owning_principal_id", "is_fixed_role")},
    "is_policy_checked": types.BIT, "is_expiration_checked": types.BIT, "password_hash": TypeName("varbinary", 256),
}, server=True)  # fmt: skip
def _sql_logins(session: Session, context: Context) -> list[tuple]:
    shows_hash = context.may(SERVER, "CONTROL SERVER")
    found = []
    for row in _login_rows(context):
        login = context.server.logins[row[1]]
        if login.type == "S":
            digest = login.password.column if login.password and shows_hash else None
            found.append((*row[:11], int(login.check_policy), int(login.check_expiration), digest))
    return found


@_view("server_role_members", {"role_principal_id": types.INT, "member_principal_id": types.INT}, server=True)
def _server_role_members(session: Session, context: Context) -> list[tuple]:
    logins = context.server.logins
    return [
        (role, member)
        for role, member in sorted(context.server.members)
        if context.sees_login(logins[role]) and context.sees_login(logins[member])
        and (member in context.logins() or context.may(SERVER, "VIEW ANY DEFINITION") or _secures(context))
    ]  # fmt: skip


def _secures(context: Context) -> bool:
    return context.server.version >= 16 and context.may(SERVER, "VIEW ANY SECURITY DEFINITION")


_PERMISSION_COLUMNS: Columns = {
    "class": types.TINYINT, "class_desc": _DESC, "major_id": types.INT, "minor_id": types.INT, "grantee_principal_id": types.INT,
    "grantor_principal_id": types.INT, "type": TypeName("char", 4), "permission_name": types.SYSNAME, "state": TypeName("char", 1),
    "state_desc": _DESC,
}  # fmt: skip
_STATES = {"G": "GRANT", "W": "GRANT_WITH_GRANT_OPTION", "D": "DENY"}


def _permission_row(key: object, state: str) -> tuple:
    return (
        key.securable_class, rights.CLASS_NAMES[key.securable_class], key.major, key.minor, key.grantee, key.grantor,
        rights.code(key.permission), key.permission, state, _STATES[state],
    )  # fmt: skip


@_view("server_permissions", _PERMISSION_COLUMNS, server=True)
def _server_permissions(session: Session, context: Context) -> list[tuple]:
    every = context.may(SERVER, "VIEW ANY DEFINITION") or _secures(context)
    logins = context.server.logins
    return [
        _permission_row(key, state)
        for key, state in context.server.permissions.items()
        if every or key.grantee in context.logins() or context.sees_login(logins[key.grantee])
    ]


@_view("databases", {
    "name": types.SYSNAME, "database_id": types.INT, "source_database_id": types.INT, "owner_sid": types.SID,
    "create_date": types.DATETIME, "compatibility_level": types.TINYINT, "collation_name": types.SYSNAME,
    "user_access": types.TINYINT, "user_access_desc": _DESC, "is_read_only": types.BIT, "state": types.TINYINT, "state_desc": _DESC,
    "containment": types.TINYINT, "containment_desc": _DESC, "is_trustworthy_on": types.BIT,
})  # fmt: skip
def _databases(session: Session, context: Context) -> list[tuple]:
    shown = [
        database
        for database in context.server.databases.values()
        if context.sees_database(database) and (not context.server.azure or _azure_shows(context, database))
    ]
    return [
        (
            database.name, database.id, None, database.owner, database.created, 160, database.collation, int(database.restricted),
            "SINGLE_USER" if database.restricted else "MULTI_USER", int(database.read_only), 6 if database.offline else 0,
            "OFFLINE" if database.offline else "ONLINE", int(database.contained),
            "PARTIAL" if database.contained else "NONE", 0,
        )
        for database in shown
    ]  # fmt: skip


def _azure_shows(context: Context, database: Database) -> bool:
    """In a user database of Azure SQL Database: that one and master."""
    return context.database.id == 1 or database.id == 1 or database is context.database


@_view("database_principals", {
    "name": types.SYSNAME, "principal_id": types.INT, "type": TypeName("char", 1), "type_desc": _DESC, "default_schema_name": types.SYSNAME,
    "create_date": types.DATETIME, "modify_date": types.DATETIME, "owning_principal_id": types.INT, "sid": types.SID,
    "is_fixed_role": types.BIT, "authentication_type": types.INT, "authentication_type_desc": _DESC,
})  # fmt: skip
def _database_principals(session: Session, context: Context) -> list[tuple]:
    kinds = {0: "NONE", 1: "INSTANCE", 2: "DATABASE"}
    return [
        (
            user.name, user.id, user.type, "SQL_USER" if user.type == "S" else "DATABASE_ROLE", user.default_schema, user.created,
            user.created, user.owner, user.sid, int(user.fixed), user.authentication, kinds[user.authentication],
        )
        for user in context.database.principals.values()
        if context.sees_user(user)
    ]  # fmt: skip


def _sees_definitions(context: Context) -> bool:
    if context.may(DATABASE, "VIEW DEFINITION"):
        return True
    return context.server.version >= 16 and context.may(DATABASE, "VIEW SECURITY DEFINITION")


@_view("database_role_members", {"role_principal_id": types.INT, "member_principal_id": types.INT})
def _database_role_members(session: Session, context: Context) -> list[tuple]:
    # "Any user can view their own role membership. To view other role memberships requires membership in the
    # db_securityadmin fixed database role or VIEW DEFINITION on the database."
    every = _sees_definitions(context)
    return [row for row in sorted(context.database.members) if every or row[1] in context.users()]


@_view("database_permissions", _PERMISSION_COLUMNS)
def _database_permissions(session: Session, context: Context) -> list[tuple]:
    # "Any user can see their own permissions. To see permissions for other users, requires VIEW DEFINITION, ALTER ANY USER,
    # or any permission on a user. To see user-defined roles, requires ALTER ANY ROLE, or membership in the role."
    database = context.database
    every = _sees_definitions(context)
    shown = {user.id for user in database.principals.values() if context.sees_user(user)} | {PUBLIC}
    rows = []
    for key, state in database.permissions.items():
        thing = database.objects.get(key.major) if key.securable_class == OBJECT else None
        hidden = thing is not None and not (every or key.grantee in context.users() or context.sees_object(thing))
        if (every or key.grantee in shown) and not hidden:
            rows.append(_permission_row(key, state))
    # What everybody may read of the system's own views; one of them stands for all.
    rows.append((1, "OBJECT_OR_COLUMN", -103085222, 0, PUBLIC, DBO, "SL  ", "SELECT", "G", "GRANT"))
    return rows


_OBJECT_COLUMNS: Columns = {
    "name": types.SYSNAME, "object_id": types.INT, "principal_id": types.INT, "schema_id": types.INT, "parent_object_id": types.INT,
    "type": _CHAR2, "type_desc": _DESC, "create_date": types.DATETIME, "modify_date": types.DATETIME, "is_ms_shipped": types.BIT,
    "is_published": types.BIT, "is_schema_published": types.BIT,
}  # fmt: skip


def _objects_of(context: Context, kinds: str) -> list[tuple]:
    return [
        (
            thing.name, thing.id, thing.owner, thing.schema, 0, thing.type, "USER_TABLE" if thing.type == "U" else "VIEW",
            thing.created, thing.created, 0, 0, 0,
        )
        for thing in context.database.objects.values()
        if thing.type in kinds and context.sees_object(thing)
    ]  # fmt: skip


for _name, _kinds in {"objects": "UV", "all_objects": "UV", "tables": "U", "views": "V"}.items():
    _view(_name, _OBJECT_COLUMNS)(lambda session, context, kinds=_kinds: _objects_of(context, kinds))


@_view("schemas", {"name": types.SYSNAME, "schema_id": types.INT, "principal_id": types.INT})
def _schemas(session: Session, context: Context) -> list[tuple]:
    # "Requires membership in the public role."
    return [(schema.name, schema.id, schema.owner) for schema in context.database.schemas.values()]


@_view("columns", {
    "object_id": types.INT, "name": types.SYSNAME, "column_id": types.INT, "system_type_id": types.TINYINT, "max_length": types.SMALLINT,
    "collation_name": types.SYSNAME, "is_nullable": types.BIT, "is_identity": types.BIT,
})  # fmt: skip
def _columns(session: Session, context: Context) -> list[tuple]:
    return [
        (thing.id, column.name, number, 56, column.type.size or 4, None, int(column.nullable), int(column.identity))
        for thing in context.database.objects.values()
        if context.sees_object(thing)
        for number, column in enumerate(thing.columns, 1)
    ]


@_view("dm_exec_sessions", {
    "session_id": types.SMALLINT, "login_time": types.DATETIME, "host_name": types.SYSNAME, "program_name": types.SYSNAME,
    "client_interface_name": TypeName("nvarchar", 32), "security_id": types.SID, "login_name": types.SYSNAME,
    "nt_domain": types.SYSNAME, "status": TypeName("nvarchar", 30), "is_user_process": types.BIT, "original_security_id": types.SID,
    "original_login_name": types.SYSNAME, "database_id": types.SMALLINT, "authenticating_database_id": types.INT,
    "open_transaction_count": types.INT,
})  # fmt: skip
def _sessions(session: Session, context: Context) -> list[tuple]:
    every = context.sees_state()
    rows = []
    for other in session.engine.sessions():
        if other is not session and not every:
            continue
        if context.server.azure and other.database is not session.database:
            continue
        who, first = other.identities[-1], other.original
        sid, first_sid = (one.login.sid if one.login else one.user.sid for one in (who, first))
        authenticated = first.database.id if first.database is not None else 0
        name = first.login.name if first.login else first.user.name
        rows.append((
            other.id, other.started, other.host, other.program, other.client, sid, other.login_name, None,
            "running" if other is session else "sleeping", 1, first_sid, name, other.database.id, authenticated, other.transactions,
        ))  # fmt: skip
    if every and not context.server.azure:
        rows.append((9, session.started, None, None, None, b"\1", "sa", None, "sleeping", 0, b"\1", "sa", 1, 0, 0))
    return rows


@_view("dm_exec_connections", {
    "session_id": types.INT, "net_transport": TypeName("nvarchar", 40), "encrypt_option": TypeName("nvarchar", 40),
    "auth_scheme": TypeName("nvarchar", 40),
})  # fmt: skip
def _connections(session: Session, context: Context) -> list[tuple]:
    if not context.sees_state():
        raise SqlError(300, "VIEW SERVER STATE", "server", "master")
    return [
        (other.id, "TCP", "TRUE" if other.options.get("encrypted") else "FALSE", "SQL")
        for other in session.engine.sessions()
    ]


@_view("dm_tran_locks", {
    "resource_type": _DESC, "resource_database_id": types.INT, "resource_description": TypeName("nvarchar", 256),
    "request_mode": _DESC, "request_status": _DESC, "request_session_id": types.INT, "request_owner_type": _DESC,
})  # fmt: skip
def _locks(session: Session, context: Context) -> list[tuple]:
    if not context.sees_state():
        raise SqlError(300, "VIEW SERVER STATE", "server", "master")
    modes = {"Exclusive": "X", "Shared": "S", "Update": "U", "IntentShared": "IS", "IntentExclusive": "IX"}
    # "the first 32 characters of the resource's name, and a hash".
    return [
        ("APPLICATION", database, f"0:[{name[:32]}]:(00000000)", modes[mode], "GRANT", owner, "SESSION")
        for (database, name), owner, mode in session.engine.locks.holders()
    ]


@_view("configurations", {
    "configuration_id": types.INT, "name": TypeName("nvarchar", 35), "value": types.VARIANT, "value_in_use": types.VARIANT,
})  # fmt: skip
def _configurations(session: Session, context: Context) -> list[tuple]:
    contained = int(context.server.containment or context.server.azure)
    return [(16393, "contained database authentication", contained, contained)]


def relation(session: Session, name: Name, wanted: set[str] | None = None) -> Relation:
    """A table or view by its name, with what this session may see of it; it must be allowed to. `wanted` are the columns that
    the query names, in lower case; none: all."""
    from .query import Relation

    if name.variable:
        thing = session.tables.get(name.name.lower())
        if thing is None:
            raise SqlError(1087, text=f'Must declare the table variable "{name.name}".')
        return Relation([(column.name, column.type) for column in thing.columns], [tuple(row) for row in thing.rows])
    context, database = place(session, name)
    if collation.key(name.schema) == "sys":
        entry = _VIEWS.get(name.name.lower())
        if entry is None or (entry[2] and session.engine.server.azure and database.id != 1):
            raise SqlError(208, name)
        columns, rows, _ = entry
        return Relation(list(columns.items()), rows(session, context))
    if collation.key(name.schema) == "information_schema":
        return _information_schema(context, name)
    thing = find(context, name)
    if thing is None:
        raise SqlError(208, name)
    must_read(context, thing, wanted)
    return contents(session, context, thing)


def contents(session: Session, context: Context, thing: Object) -> Relation:
    """The rows of a table, or of a view as its owner sees them ("Ownership chains")."""
    from . import query
    from .session import Identity

    columns = [(column.name, column.type) for column in thing.columns]
    if thing.type == "U":
        return query.Relation(columns, [tuple(row) for row in thing.rows], context.database.collation)
    owner = Identity(None, context.database.principals[DBO], context.database)
    session.identities.append(owner)
    here, session.database = session.database, context.database
    try:
        found = query.select(session, thing.query)
    finally:
        session.identities.remove(owner)
        session.database = here
    names = [column.name for column in thing.columns]
    return query.Relation(
        [(names[at], kind) for at, (_, kind) in enumerate(found.columns)], found.rows, context.database.collation
    )


def place(session: Session, name: Name) -> tuple[Context, Database]:
    """The database that a name is about, and who this session is there."""
    server = session.engine.server
    if len(name.parts) > 3:
        raise unknown("linked servers")
    if not name.database:
        return session.context, session.database
    database = server.database(name.database)
    if database is session.database:
        return session.context, database
    if server.azure:
        raise SqlError(40515, name)
    if database is None:
        raise SqlError(208, name)
    if database.offline:
        raise SqlError(942, database.name)
    context = session.context_in(database)
    if context is None:
        raise SqlError(916, session.login_name, database.name)
    return context, database


def find(context: Context, name: Name) -> Object | None:
    """A table or view, in the schema that is named, or the user's own and then dbo."""
    database = context.database
    wanted = [name.schema] if name.schema else [context.user.default_schema or "dbo", "dbo"]
    for schema_name in wanted:
        schema = database.schema(schema_name)
        thing = database.object(schema, name.name) if schema is not None else None
        if thing is not None:
            return thing
    return None


def must_have(context: Context, permission: str, thing: Object) -> None:
    """Raises 229 unless the permission on the whole of a table or view is effective."""
    if not context.may(OBJECT, permission, thing):
        database = context.database
        raise SqlError(229, permission, thing.name, database.name, database.schemas[thing.schema].name)


def must_read(context: Context, thing: Object, wanted: set[str] | None) -> None:
    """SELECT on each column: by one on the table, or on that column, which no DENY on the table outweighs."""
    if context.may(OBJECT, "SELECT", thing):
        return
    database, mine = context.database, context.users()
    by_column: dict[int, set[str]] = {}
    for key, state in database.permissions.items():
        if (
            key.securable_class == OBJECT
            and key.major == thing.id
            and key.minor
            and key.permission == "SELECT"
            and key.grantee in mine
        ):
            by_column.setdefault(key.minor, set()).add(state)
    readable = {number for number, states in by_column.items() if "D" not in states}
    place = (thing.name, database.name, database.schemas[thing.schema].name)
    if not readable:
        raise SqlError(229, "SELECT", *place)
    for number, column in enumerate(thing.columns, 1):
        if number not in readable and (wanted is None or column.name.lower() in wanted):
            raise SqlError(230, "SELECT", column.name, *place)


def _information_schema(context: Context, name: Name) -> Relation:
    from .query import Relation

    database = context.database
    things = [thing for thing in database.objects.values() if context.sees_object(thing)]
    match name.name.upper():
        case "TABLES":
            columns = ["TABLE_CATALOG", "TABLE_SCHEMA", "TABLE_NAME", "TABLE_TYPE"]
            rows = [
                (database.name, database.schemas[t.schema].name, t.name, "BASE TABLE" if t.type == "U" else "VIEW")
                for t in things
            ]
        case "SCHEMATA":
            columns = ["CATALOG_NAME", "SCHEMA_NAME", "SCHEMA_OWNER"]
            rows = [(database.name, s.name, database.principals[s.owner].name) for s in database.schemas.values()]
        case _:
            raise SqlError(208, name)
    return Relation([(column, types.SYSNAME) for column in columns], rows)


def table_function(session: Session, name: str, arguments: list[object]) -> Relation:
    """ "sys.fn_my_permissions"."""
    from .permissions_by_name import find_object
    from .query import Relation

    if name.lower() != "fn_my_permissions" or len(arguments) != 2:
        raise SqlError(208, name)
    securable, kind = arguments
    context: Context = session.context
    of, on = (
        {None: SERVER, "SERVER": SERVER, "DATABASE": DATABASE, "OBJECT": OBJECT}.get(
            kind and str(kind).upper(), PRINCIPAL
        ),
        None,
    )
    if of == OBJECT:
        found = find_object(session, securable)
        if found is None:
            return Relation(
                [("entity_name", types.SYSNAME), ("subentity_name", types.SYSNAME), ("permission_name", _DESC)], []
            )
        context, on = found
    elif of == PRINCIPAL:
        raise unknown(f"fn_my_permissions of {kind}")
    entity = {SERVER: "server", DATABASE: "database"}.get(of, securable)
    rows = [(entity, "", permission) for permission in rights.all_of(of) if context.may(of, permission, on)]
    return Relation(
        [("entity_name", types.SYSNAME), ("subentity_name", types.SYSNAME), ("permission_name", _DESC)], rows
    )
