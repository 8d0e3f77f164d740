"""Scalar functions and variables ("System functions", "Security functions", "String functions")."""

from __future__ import annotations

import datetime
import uuid
from collections.abc import Callable
from typing import TYPE_CHECKING

from . import collation, permissions_by_name, types
from .catalog import relation, table_function
from .errors import SqlError
from .locks import MODES
from .model import Login, Object
from .statements import TypeName
from .strings import FUNCTIONS as STRINGS

if TYPE_CHECKING:
    from .session import Session

Function = Callable[..., object]
_FUNCTIONS: dict[str, tuple[Function, TypeName]] = {}

__all__ = ["call", "is_known", "relation", "result_type", "table_function", "variable"]


def _is(name: str, kind: TypeName) -> Callable[[Function], Function]:
    def add(function: Function) -> Function:
        _FUNCTIONS[name] = (function, kind)
        return function

    return add


def is_known(name: str) -> bool:
    """Whether there is a function of this name; names do not tell case."""
    return name.upper() in _FUNCTIONS or name.upper() in STRINGS


def call(session: Session, name: str, arguments: tuple) -> object:
    """What a function answers."""
    if name == "GLOBAL":
        return _GLOBALS[arguments[0]][0](session)
    if name == "BINARY":
        return bytes.fromhex(arguments[0])
    if name == "CONVERTED":
        value, kind, size = arguments
        return types.convert(value, TypeName(kind, size))
    if name in STRINGS:
        return STRINGS[name][0](*arguments)
    return _FUNCTIONS[name][0](session, *arguments)


def result_type(name: str, argument: object = None) -> TypeName:
    """The type of what it answers."""
    if name == "GLOBAL":
        if argument not in _GLOBALS:
            raise SqlError(137, f"@@{argument}")
        return _GLOBALS[argument][1]
    if name == "BINARY":
        return TypeName("varbinary", 8000)
    return STRINGS[name][1] if name in STRINGS else _FUNCTIONS[name][1]


def variable(session: Session, name: str) -> object:
    """A variable's value."""
    key = name.lower()
    if key not in session.variables:
        raise SqlError(137, name)
    return session.variables[key][1]


_GLOBALS: dict[str, tuple[Callable[[Session], object], TypeName]] = {
    "SPID": (lambda s: s.id, types.SMALLINT),
    "VERSION": (lambda s: _version(s), TypeName("nvarchar", 300)),
    "ROWCOUNT": (lambda s: s.row_count, types.INT),
    "ERROR": (lambda s: s.last_error, types.INT),
    "TRANCOUNT": (lambda s: s.transactions, types.INT),
    "SERVERNAME": (lambda s: "standin", types.SYSNAME),
    "LOCK_TIMEOUT": (lambda s: s.lock_timeout, types.INT),
    "MICROSOFTVERSION": (lambda s: s.engine.server.version << 24, types.INT),
}


def _version(session: Session) -> str:
    server = session.engine.server
    if server.azure:
        return "Microsoft SQL Azure (RTM) - 12.0.2000.8"
    year = {14: 2017, 15: 2019, 16: 2022}.get(server.version, 2025)
    return f"Microsoft SQL Server {year} (stand-in) - {server.product_version} (X64)"


@_is("SERVERPROPERTY", types.VARIANT)
def _server_property(session: Session, name: str) -> object:
    server = session.engine.server
    known: dict[str, object] = {
        "edition": "SQL Azure" if server.azure else "Developer Edition (64-bit)", "engineedition": server.edition,
        "productversion": server.product_version, "productmajorversion": server.product_version.split(".")[0],
        "productlevel": "RTM", "collation": collation.DEFAULT, "servername": "standin", "machinename": "standin",
        "instancename": None, "isintegratedsecurityonly": 0, "isclustered": 0, "ishadrenabled": 0, "issingleuser": 0,
    }  # fmt: skip
    return known.get(str(name).lower())


@_is("DATABASEPROPERTYEX", types.VARIANT)
def _database_property(session: Session, name: str, what: str) -> object:
    database = session.engine.server.database(name or "")
    if database is None:
        return None
    known = {
        "updateability": "READ_ONLY" if database.read_only else "READ_WRITE",
        "status": "OFFLINE" if database.offline else "ONLINE",
        "serviceobjective": session.engine.server.objective if session.engine.server.azure else None,
        "collation": database.collation,
        "useraccess": "MULTI_USER",
    }
    return known.get(str(what).lower())


@_is("DB_NAME", types.SYSNAME)
def _db_name(session: Session, number: int | None = None) -> object:
    database = session.database if number is None else session.engine.server.databases.get(int(number))
    return database.name if database is not None and session.context.sees_database(database) else None


@_is("DB_ID", types.SMALLINT)
def _db_id(session: Session, name: str | None = None) -> object:
    database = session.database if name is None else session.engine.server.database(name)
    return database.id if database is not None and session.context.sees_database(database) else None


@_is("ORIGINAL_DB_NAME", types.SYSNAME)
def _original_db_name(session: Session) -> object:
    return session.database.name


@_is("ORIGINAL_LOGIN", types.SYSNAME)
def _original_login(session: Session) -> object:
    who = session.original
    return who.login.name if who.login else who.user.name


@_is("SUSER_SNAME", types.SYSNAME)
def _suser_sname(session: Session, sid: bytes | None = b"") -> object:
    if sid == b"":
        return session.login_name
    login = session.engine.server.login_of(sid) if sid is not None else None
    if login is not None:
        return login.name
    # A contained user's sid is known in its database only.
    user = session.database.user_of(sid) if sid is not None else None
    return user.name if user is not None and user.authentication == 2 else None


@_is("SUSER_NAME", types.SYSNAME)
def _suser_name(session: Session, number: int | None = None) -> object:
    if number is None:
        return session.login_name
    login = session.engine.server.logins.get(int(number))
    return login.name if login else None


@_is("SYSTEM_USER", types.SYSNAME)
def _system_user(session: Session) -> object:
    return session.login_name


@_is("SUSER_SID", types.SID)
def _suser_sid(session: Session, name: str | None = "\0", check: int = 0) -> object:
    who = session.identities[-1]
    if name == "\0":
        return who.login.sid if who.login else who.user.sid
    if name is None:
        return None
    login = session.engine.server.login(name)
    if login is not None:
        return login.sid
    if who.login is None and who.user is not None and collation.key(who.user.name) == collation.key(name):
        return who.user.sid
    return None


@_is("SUSER_ID", types.INT)
def _suser_id(session: Session, name: str | None = None) -> object:
    login: Login | None = session.identities[-1].login if name is None else session.engine.server.login(name)
    return login.id if login else None


@_is("USER_NAME", types.SYSNAME)
def _user_name(session: Session, number: int | None = None) -> object:
    if number is None:
        return session.context.user.name
    user = session.database.principals.get(int(number))
    return user.name if user is not None and session.context.sees_user(user) else None


for _alias in ("CURRENT_USER", "SESSION_USER", "USER"):
    _FUNCTIONS[_alias] = (_user_name, types.SYSNAME)


@_is("DATABASE_PRINCIPAL_ID", types.INT)
def _principal_id(session: Session, name: str | None = None) -> object:
    user = session.context.user if name is None else session.database.principal(name)
    return user.id if user is not None and session.context.sees_user(user) else None


_FUNCTIONS["USER_ID"] = (_principal_id, types.INT)


@_is("SCHEMA_NAME", types.SYSNAME)
def _schema_name(session: Session, number: int | None = None) -> object:
    if number is None:
        return session.context.user.default_schema or "dbo"
    schema = session.database.schemas.get(int(number))
    return schema.name if schema else None


@_is("SCHEMA_ID", types.INT)
def _schema_id(session: Session, name: str | None = None) -> object:
    schema = session.database.schema(name if name is not None else session.context.user.default_schema or "dbo")
    return schema.id if schema else None


@_is("OBJECT_ID", types.INT)
def _object_id(session: Session, name: str | None, kind: str | None = None) -> object:
    found: Object | None = permissions_by_name.object_named(session, name)
    if found is None or (kind is not None and found.type != kind.strip().upper()):
        return None
    return found.id


@_is("OBJECT_NAME", types.SYSNAME)
def _object_name(session: Session, number: int | None, database: int | None = None) -> object:
    found = _object_of(session, number, database)
    return found.name if found else None


@_is("OBJECT_SCHEMA_NAME", types.SYSNAME)
def _object_schema_name(session: Session, number: int | None, database: int | None = None) -> object:
    found = _object_of(session, number, database)
    place = session.database if database is None else session.engine.server.databases[int(database)]
    return place.schemas[found.schema].name if found else None


def _object_of(session: Session, number: int | None, database: int | None) -> Object | None:
    place = session.database if database is None else session.engine.server.databases.get(int(database))
    context = session.context_in(place) if place is not None else None
    found = place.objects.get(int(number)) if context is not None and number is not None else None
    return found if found is not None and context.sees_object(found) else None


@_is("HAS_PERMS_BY_NAME", types.INT)
def _has_perms(
    session: Session, securable: str | None, kind: str | None, permission: str | None, *sub: str | None
) -> object:
    return permissions_by_name.has(session, securable, kind, permission, *sub)


@_is("HAS_DBACCESS", types.INT)
def _has_access(session: Session, name: str | None) -> object:
    database = session.engine.server.database(name or "")
    if database is None:
        return None
    return int(session.context_in(database) is not None)


@_is("IS_SRVROLEMEMBER", types.INT)
def _is_server_member(session: Session, role: str | None, login: str | None = None) -> object:
    server = session.engine.server
    found = server.login(role or "")
    who = session.identities[-1].login if login is None else server.login(login)
    if found is None or found.type != "R":
        return None
    if who is None:
        return 0 if login is None else None
    return int(server.is_sysadmin(who) or found.id in server.roles_of(who.id))


@_is("IS_MEMBER", types.INT)
def _is_member(session: Session, role: str | None) -> object:
    found = session.database.principal(role or "")
    if found is None or found.type != "R":
        return None
    return int(session.context.has_role(found.name))


@_is("IS_ROLEMEMBER", types.INT)
def _is_role_member(session: Session, role: str | None, user: str | None = None) -> object:
    found = session.database.principal(role or "")
    who = session.context.user if user is None else session.database.principal(user)
    if found is None or found.type != "R" or who is None:
        return None
    return int(found.id in session.database.roles_of(who.id))


@_is("APPLOCK_MODE", TypeName("nvarchar", 32))
def _applock_mode(session: Session, principal: str | None, resource: str | None, owner: str | None) -> object:
    if principal is None or resource is None:
        return None
    if session.database.principal(principal) is None:
        raise SqlError(15410, principal)
    return session.engine.locks.mode((session.database.id, resource[:255]), session.id)


@_is("APPLOCK_TEST", types.SMALLINT)
def _applock_test(session: Session, principal: str, resource: str, mode: str, owner: str) -> object:
    free = session.engine.locks.could_take((session.database.id, resource[:255]), session.id, MODES[mode.lower()])
    return int(free)


@_is("XACT_STATE", types.SMALLINT)
def _xact_state(session: Session) -> object:
    return 0 if session.transactions == 0 else -1 if session.doomed else 1


@_is("LOGINPROPERTY", types.VARIANT)
def _login_property(session: Session, name: str | None, what: str | None) -> object:
    login = session.engine.server.login(name or "")
    if login is None or not session.context.sees_login(login):
        return None
    return {"islocked": 0, "isexpired": 0, "ismustchange": 0, "defaultdatabase": login.default_database}.get(
        str(what).lower()
    )


@_is("CONNECTIONPROPERTY", types.VARIANT)
def _connection_property(session: Session, what: str | None) -> object:
    return {"net_transport": "TCP", "protocol_type": "TSQL", "auth_scheme": "SQL"}.get(str(what).lower())


def _error_part(name: str, part: Callable[[SqlError], object], kind: TypeName) -> None:
    def function(session: Session) -> object:
        caught = session.options.get("caught")
        return part(caught) if isinstance(caught, SqlError) else None

    _FUNCTIONS[name] = (function, kind)


_error_part("ERROR_NUMBER", lambda error: error.number, types.INT)
_error_part("ERROR_MESSAGE", lambda error: str(error), types.NVARCHAR)
_error_part("ERROR_SEVERITY", lambda error: error.severity, types.INT)
_error_part("ERROR_STATE", lambda error: error.state, types.INT)
_error_part("ERROR_LINE", lambda error: 1, types.INT)
_error_part("ERROR_PROCEDURE", lambda error: None, types.SYSNAME)


def _now(session: Session) -> object:
    return str(datetime.datetime.now(datetime.UTC).replace(tzinfo=None, microsecond=0))


for _alias in ("GETDATE", "SYSDATETIME", "GETUTCDATE", "SYSUTCDATETIME", "CURRENT_TIMESTAMP"):
    _FUNCTIONS[_alias] = (_now, types.DATETIME)


@_is("NEWID", TypeName("uniqueidentifier"))
def _new_id(session: Session) -> object:
    return str(uuid.uuid4()).upper()
