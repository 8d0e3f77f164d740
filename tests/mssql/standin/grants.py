"""GRANT, REVOKE and DENY, and in whose name ("GRANT", "REVOKE", "DENY", "GRANT Object Permissions").

A permission is kept for each securable, grantee and grantor. Who grants as the owner of something, or as a member of db_owner or
sysadmin, does so in the owner's name; who holds the permission with grant option, in his own. A REVOKE takes what that same
grantor has given, nothing that others have.
"""

from __future__ import annotations

from . import rights
from .catalog import find, place
from .context import Context, Securable
from .errors import SqlError, unknown
from .model import DBO, PUBLIC, SA, Object, PermissionKey, Schema
from .rights import DATABASE, LOGIN, OBJECT, PRINCIPAL, SCHEMA, SERVER
from .session import Session
from .statements import Permissions

_KINDS = {
    "OBJECT": OBJECT,
    "SCHEMA": SCHEMA,
    "DATABASE": DATABASE,
    "USER": PRINCIPAL,
    "ROLE": PRINCIPAL,
    "LOGIN": LOGIN,
}
_WORDS = {OBJECT: "object", SCHEMA: "schema", DATABASE: "database", PRINCIPAL: "user", LOGIN: "login"}


def change_permissions(session: Session, statement: Permissions) -> None:
    """Runs one of them."""
    for permission, columns in statement.permissions:
        kind, on, context = _securable(session, statement, permission)
        if permission == "ALL":
            names = ["SELECT", "INSERT", "UPDATE", "DELETE", "REFERENCES"] if kind == OBJECT else []
        else:
            names = [permission]
        for name in names:
            if not rights.known(kind, name):
                raise SqlError(102, permission)
            minors = _columns(on, [*columns, *statement.columns])
            for principal in statement.principals:
                for minor in minors:
                    _change(session, statement, context, kind, on, minor, name, principal)
        if not names:
            raise unknown(f"{statement.verb} {permission}")


def _securable(session: Session, statement: Permissions, permission: str) -> tuple[int, Securable, Context]:
    name = statement.securable
    if name is None:
        kind = DATABASE if rights.known(DATABASE, permission) else SERVER
        if kind == SERVER and not rights.known(SERVER, permission):
            raise SqlError(102, permission)
        if kind == SERVER and session.database.id != 1:
            raise SqlError(4621)
        return kind, None, session.context
    kind = _KINDS.get(statement.kind)
    if kind is None:
        raise SqlError(102, statement.kind)
    context, database = place(session, name) if kind == OBJECT else (session.context, session.database)
    missing = SqlError(15151, "find", _WORDS[kind], name.name)
    if kind == DATABASE:
        if not database.same(name.name, database.name):
            raise missing
        return kind, None, context
    if kind == OBJECT:
        thing = find(context, name)
        if thing is None or not context.sees_object(thing):
            raise missing
        return kind, thing, context
    if kind == SCHEMA:
        on: Securable = database.schema(name.name)
    elif kind == LOGIN:
        if session.database.id != 1:
            raise SqlError(4621)
        on = session.engine.server.login(name.name)
        if on is not None and not context.sees_login(on):
            on = None
    else:
        on = database.principal(name.name)
        if on is not None and not context.sees_user(on):
            on = None
    if on is None:
        raise missing
    return kind, on, context


def _columns(on: Securable, names: list[str]) -> list[int]:
    if not names:
        return [0]
    if not isinstance(on, Object):
        raise SqlError(102, names[0])
    numbers = {column.name.lower(): number for number, column in enumerate(on.columns, 1)}
    for name in names:
        if name.lower() not in numbers:
            raise SqlError(1911, text=f"Column name '{name}' does not exist in the target table or view.")
    return [numbers[name.lower()] for name in names]


def _change(
    session: Session,
    statement: Permissions,
    context: Context,
    kind: int,
    on: Securable,
    minor: int,
    permission: str,
    principal: str,
) -> None:
    server = kind in (SERVER, LOGIN)
    if server:
        grantee = context.server.login(principal)
        rows = context.server.permissions
        owner = SA
    else:
        grantee = context.database.principal(principal)
        rows = context.database.permissions
        owner = _owner(context, on)
    if grantee is None:
        raise SqlError(15151, "find", "login" if server else "user", principal)
    if grantee.type == "R" and grantee.fixed and (grantee.id != PUBLIC if not server else True):
        raise SqlError(4617)
    special = (SA,) if server else (DBO, 3, 4)
    if grantee.id in special or grantee.id == owner or grantee in (context.user, context.login):
        raise SqlError(4624)
    grantor = _grantor(context, statement, kind, on, permission, owner)
    key = PermissionKey(kind, getattr(on, "id", 0), minor, grantee.id, grantor, permission)
    journal = session.journal
    state = rows.get(key)
    match statement.verb:
        case "GRANT":
            journal.put(rows, key, "W" if statement.option or state == "W" else "G")
        case "DENY":
            _no_longer_passed_on(session, rows, key, state, cascade=statement.cascade)
            journal.put(rows, key, "D")
        case "REVOKE":
            if state is None:
                return
            if statement.option and state == "W":
                _no_longer_passed_on(session, rows, key, state, cascade=statement.cascade)
                journal.put(rows, key, "G")
                return
            # "If the principal has the specified permission without the GRANT option, the permission itself will be revoked."
            _no_longer_passed_on(session, rows, key, state, cascade=statement.cascade)
            journal.take(rows, key)


def _no_longer_passed_on(session: Session, rows: dict, key: PermissionKey, state: str | None, *, cascade: bool) -> None:
    """What the grantee has granted on goes too, and that only where CASCADE says so."""
    if state != "W":
        return
    if not cascade:
        raise SqlError(4611)
    for other, its in list(rows.items()):
        same = (other.securable_class, other.major, other.permission) == (
            key.securable_class,
            key.major,
            key.permission,
        )
        if same and other.grantor == key.grantee and other in rows:
            _no_longer_passed_on(session, rows, other, its, cascade=True)
            session.journal.take(rows, other)


def _owner(context: Context, on: Securable) -> int:
    if isinstance(on, Object):
        return context.database.owner_of(on)
    if isinstance(on, Schema):
        return on.owner
    return DBO


def _grantor(context: Context, statement: Permissions, kind: int, on: Securable, permission: str, owner: int) -> int:
    """In whose name this is done."""
    server = kind in (SERVER, LOGIN)
    name = getattr(on, "name", context.database.name)
    refused = SqlError(4613) if on is None else SqlError(15151, "find", _WORDS[kind], name)
    if statement.grantor:
        found = context.server.login(statement.grantor) if server else context.database.principal(statement.grantor)
        may = context.sysadmin if server else _in_owners_name(context, kind, on)
        if found is None or not (
            may or (not server and found.id in context.users()) or _impersonates(context, found, kind)
        ):
            raise SqlError(15151, "find", "user", statement.grantor)
        return found.id
    if server:
        if context.sysadmin:
            return SA
        # securityadmin: "can grant, deny, and revoke server-level permissions".
        if 4 in context.logins():
            return context.login.id
        me = context.login.id if context.login else -1
    else:
        if _in_owners_name(context, kind, on):
            return owner
        me = context.user.id
    holders = context.may_grant(kind, permission, on)
    # "DENY", Permissions: CONTROL, or what implies it.
    holds = me in holders and statement.verb != "DENY"
    if holds or context.may(kind, "CONTROL SERVER" if kind == SERVER else "CONTROL", on):
        return me
    raise refused


def _in_owners_name(context: Context, kind: int, on: Securable) -> bool:
    if context.dbo or context.has_role("db_owner") or context.has_role("db_securityadmin"):
        return True
    return isinstance(on, Object | Schema) and _owner(context, on) in context.users()


def _impersonates(context: Context, found: object, kind: int) -> bool:
    return context.may(LOGIN if kind in (SERVER, LOGIN) else PRINCIPAL, "IMPERSONATE", found)
