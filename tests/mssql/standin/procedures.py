"""System procedures, and KILL."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import locks, query, types
from .cursor import Cursor, split
from .errors import SqlError, unknown
from .lexer import Kind, Token, tokens
from .rights import DATABASE, SERVER
from .session import Session
from .statements import Argument, Execute, Membership, TypeName

if TYPE_CHECKING:
    from .batch import Run


def execute(run: Run, call: Execute) -> int:
    """Runs a procedure, or text, and answers its return code."""
    if call.procedure is None:
        text = run._leaf(lambda: query.scalar(run.session, call.arguments[0].value))
        run.nested(str(text), {})
        return 0
    known = _PROCEDURES.get(call.procedure.name.lower())
    schema = call.procedure.schema.lower()
    if known is None or schema not in ("", "sys", "dbo"):
        raise SqlError(2812, call.procedure)
    session = run.session
    if not call.procedure.database:
        return known(run, call)
    # A system procedure works in the database through which it is named.
    here = session.database
    run._leaf(lambda: session.enter(call.procedure.database))
    try:
        return known(run, call)
    finally:
        session.database = here


def _values(run: Run, call: Execute, *names: str) -> dict[str, object]:
    """The arguments by their names, or by their places."""
    found: dict[str, object] = {}
    for at, argument in enumerate(call.arguments):
        name = argument.name.lstrip("@").lower() or names[at]
        if name not in names:
            raise SqlError(8145, text=f"{argument.name} is not a parameter for procedure {call.procedure.name}.")
        found[name] = value_of(run.session, argument)
    return found


def value_of(session: Session, argument: Argument) -> object:
    """An argument is a constant, a variable or a word that stands for itself."""
    if len(argument.value) == 1 and argument.value[0].kind in (Kind.WORD, Kind.QUOTED):
        word = argument.value[0]
        return None if word.upper in ("NULL", "DEFAULT") else word.text
    return query.scalar(session, argument.value)


def _execute_sql(run: Run, call: Execute) -> int:
    """ "sp_executesql"."""
    session = run.session
    if not call.arguments:
        raise SqlError(214, text="Procedure expects parameter '@statement' of type 'ntext/nchar/nvarchar'.")
    text = value_of(session, call.arguments[0])
    declared: list[tuple[str, TypeName, bool]] = []
    if len(call.arguments) > 1:
        declared = declarations(str(value_of(session, call.arguments[1]) or ""))
    variables: dict[str, object] = {name.lower(): (kind, None) for name, kind, _ in declared}
    outputs = []
    for at, argument in enumerate(call.arguments[2:]):
        name = (argument.name or declared[at][0]).lower()
        if name not in variables:
            raise SqlError(8145, text=f"{argument.name} is not a parameter for procedure .")
        kind = variables[name][0]
        variables[name] = (kind, types.convert(value_of(session, argument), kind, cast=False))
        if argument.output:
            outputs.append((name, argument.value[0].text))
    status = run.nested(str(text), variables)
    for name, target in outputs:
        run.assign(target, variables[name][1])
    return status


def declarations(text: str) -> list[tuple[str, TypeName, bool]]:
    """The parameters that sp_executesql is told of: name, type, whether it is for output."""
    found = []
    for part in split(tokens(text)[:-1]):
        cursor = Cursor([*part, Token(Kind.END, "")])
        name = cursor.next().text
        cursor.takes("AS")
        found.append((name, cursor.type_name(), cursor.takes("OUTPUT") or cursor.takes("OUT")))
    return found


def _get_lock(run: Run, call: Execute) -> int:
    """ "sp_getapplock"."""
    session = run.session
    values = run._leaf(lambda: _values(run, call, "resource", "lockmode", "lockowner", "locktimeout", "dbprincipal"))
    resource, mode = values.get("resource"), locks.MODES.get(str(values.get("lockmode")).lower())
    owner = str(values.get("lockowner", "Transaction")).lower()
    if resource is None or mode is None or owner not in ("session", "transaction"):
        return locks.PARAMETERS
    if owner == "transaction":
        raise unknown("application locks of transactions")
    if session.database.principal(str(values.get("dbprincipal", "public"))) is None:
        raise SqlError(15410, values["dbprincipal"])
    millis = int(values.get("locktimeout", session.lock_timeout))
    wait = None if millis < 0 else millis / 1000
    return session.engine.locks.take((session.database.id, str(resource)[:255]), session.id, mode, wait, session.gone)


def _release_lock(run: Run, call: Execute) -> int:
    """ "sp_releaseapplock"."""
    session = run.session
    values = run._leaf(lambda: _values(run, call, "resource", "lockowner", "dbprincipal"))
    resource = str(values.get("resource"))[:255]
    if str(values.get("lockowner", "Transaction")).lower() != "session":
        raise unknown("application locks of transactions")
    if not session.engine.locks.release((session.database.id, resource), session.id):
        raise SqlError(1223, values.get("dbprincipal", "public"), resource)
    return 0


def _configure(run: Run, call: Execute) -> int:
    """ "sp_configure": only what is asked for here."""
    values = run._leaf(lambda: _values(run, call, "configname", "configvalue"))
    session = run.session
    if not session.context.may(SERVER, "CONTROL SERVER"):
        raise SqlError(15247)
    name = str(values.get("configname")).lower()
    if name == "contained database authentication":
        session.engine.server.containment = bool(int(values["configvalue"]))
    elif name != "show advanced options":
        raise unknown(f"sp_configure {name}")
    return 0


def _role_member(action: str, server: bool):
    def procedure(run: Run, call: Execute) -> int:
        from .principals import membership

        first, second = ("loginame", "rolename") if server else ("rolename", "membername")
        values = run._leaf(lambda: _values(run, call, first, second))
        role, member = str(values["rolename"]), str(values["loginame" if server else "membername"])
        run._leaf(lambda: membership(run.session, Membership(server, role, action, member)))
        return 0

    return procedure


_PROCEDURES = {
    "sp_executesql": _execute_sql, "sp_getapplock": _get_lock, "sp_releaseapplock": _release_lock, "sp_configure": _configure,
    "sp_addrolemember": _role_member("ADD", False), "sp_droprolemember": _role_member("DROP", False),
    "sp_addsrvrolemember": _role_member("ADD", True), "sp_dropsrvrolemember": _role_member("DROP", True),
}  # fmt: skip


def kill(session: Session, arguments: list) -> None:
    """ "KILL": the id is a constant."""
    token = arguments[0][0] if arguments and arguments[0] else None
    if token is None or token.kind is not Kind.NUMBER or not token.text.isdigit():
        raise SqlError(102, token.text if token else "")
    context = session.context
    ends = context.may(SERVER, "ALTER ANY CONNECTION") if not context.server.azure else False
    if not ends and not (context.server.azure and context.may(DATABASE, "KILL DATABASE CONNECTION")):
        raise SqlError(6102)
    number = int(token.text)
    if number > 32767 or number == 0:
        raise SqlError(6101, number)
    if number == session.id:
        raise SqlError(6104)
    if number <= 50:
        raise SqlError(6107)
    victim = session.engine.session(number)
    if victim is None or victim.killed or (context.server.azure and victim.database is not session.database):
        raise SqlError(6106, number)
    victim.kill()
