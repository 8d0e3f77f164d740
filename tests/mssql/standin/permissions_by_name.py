"""HAS_PERMS_BY_NAME, and finding securables by names that are text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import rights
from .context import Context
from .model import Database, Object
from .rights import DATABASE, LOGIN, OBJECT, PRINCIPAL, SCHEMA, SERVER
from .strings import parts_of

if TYPE_CHECKING:
    from .session import Session

_CLASSES = {
    "OBJECT": OBJECT, "SCHEMA": SCHEMA, "DATABASE": DATABASE, "USER": PRINCIPAL, "ROLE": PRINCIPAL, "LOGIN": LOGIN,
    "SERVER": SERVER,
}  # fmt: skip


def _place(session: Session, database: str) -> tuple[Context, Database] | None:
    place = session.engine.server.database(database) if database else session.database
    context = session.context_in(place) if place is not None else None
    if place is session.database:
        context = session.context
    return (context, place) if context is not None else None


def find_object(session: Session, name: str | None) -> tuple[Context, Object] | None:
    """An object by its name as text, and who this session is in its database, seen or not."""
    parts = parts_of(name) if name else None
    if not parts or len(parts) > 3:
        return None
    found = _place(session, parts[-3] if len(parts) == 3 else "")
    if found is None:
        return None
    context, database = found
    wanted = [parts[-2]] if len(parts) > 1 and parts[-2] else [context.user.default_schema or "dbo", "dbo"]
    for schema_name in wanted:
        schema = database.schema(schema_name)
        thing = database.object(schema, parts[-1]) if schema else None
        if thing is not None:
            return context, thing
    return None


def object_named(session: Session, name: str | None) -> Object | None:
    """An object by its name as text, if this session sees it."""
    found = find_object(session, name)
    return found[1] if found is not None and found[0].sees_object(found[1]) else None


def has(
    session: Session, securable: str | None, kind: str | None, permission: str | None, *sub: str | None
) -> int | None:
    """ "HAS_PERMS_BY_NAME": 1 if the permission, or with ANY one at least, is effective; NULL if the query fails."""
    if permission is None:
        return None
    permission = permission.upper()
    of = _CLASSES.get(kind.upper()) if kind is not None else SERVER
    if of is None or (permission != "ANY" and not rights.known(of, permission)):
        return None
    if securable is not None and kind is None:
        return None
    names = rights.all_of(of) if permission == "ANY" else [permission]
    context: Context = session.context
    on: object = None
    if of == DATABASE:
        parts = parts_of(securable) if securable else [session.database.name]
        found = _place(session, parts[0]) if parts and len(parts) == 1 else None
        if found is None:
            exists = parts and session.engine.server.database(parts[0])
            return 0 if exists else None
        context = found[0]
    elif of == OBJECT:
        located = find_object(session, securable)
        if located is None:
            return None
        context, on = located
        if not context.sees_object(on):
            return 0
    elif of in (SCHEMA, PRINCIPAL):
        parts = parts_of(securable) if securable else None
        if not parts:
            return None
        on = session.database.schema(parts[-1]) if of == SCHEMA else session.database.principal(parts[-1])
        if on is None:
            return None
    elif of == LOGIN:
        parts = parts_of(securable) if securable else None
        on = session.engine.server.login(parts[-1]) if parts else None
        if on is None:
            return None
    if of == SERVER and context.server.version < 16 and permission in _SINCE_2022:
        return None
    if of == DATABASE and context.server.version < 16 and permission in _SINCE_2022:
        return None
    return int(any(context.may(of, name, on) for name in names))


_SINCE_2022 = {
    "VIEW SERVER PERFORMANCE STATE", "VIEW SERVER SECURITY STATE", "VIEW ANY SECURITY DEFINITION", "CREATE LOGIN",
    "VIEW DATABASE PERFORMANCE STATE", "VIEW DATABASE SECURITY STATE", "VIEW SECURITY DEFINITION", "CREATE USER",
}  # fmt: skip
