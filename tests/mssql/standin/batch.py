"""Running a batch: control of flow, and what an error ends.

An error of severity 11 to 19 ends its statement, and the batch goes on ("Database Engine error severities"), unless XACT_ABORT is
on, it was thrown ("THROW": "the batch is ended"), or a name could not be resolved, which ends the scope: the batch, or what
sp_executesql runs.
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, field

from . import procedures, query, types
from .errors import ENDS_SCOPE, SqlError, unknown
from .grants import change_permissions
from .objects import OBJECTS, table_variable
from .parser import parse
from .principals import PRINCIPALS
from .session import Identity, Session
from .statements import (
    AlterDatabase,
    Block,
    CreateDatabase,
    Declare,
    DeclareTable,
    Execute,
    ExecuteAs,
    If,
    Jump,
    Permissions,
    Select,
    SetOption,
    SetVariable,
    Simple,
    Statement,
    Try,
    TypeName,
    While,
)  # fmt: skip

# DROP of these is no change of the session's database.
_OF_SERVER = ("LOGIN", "SERVER ROLE", "DATABASE")


@dataclass
class Rows:
    """A result set."""

    columns: list[tuple[str, TypeName]]
    rows: list[tuple]


@dataclass
class Count:
    """Rows that a statement has changed, or none."""

    number: int | None = None


@dataclass
class Notice:
    """What PRINT and informational messages say."""

    number: int
    text: str


@dataclass
class DatabaseChanged:
    old: str
    new: str


Answer = Rows | Count | Notice | DatabaseChanged | SqlError


class _Stop(Exception):
    """Ends the whole batch. Its error has been answered."""


class _Return(Exception):
    def __init__(self, value: int) -> None:
        self.value = value


class _Loop(Exception):
    def __init__(self, kind: str) -> None:
        self.kind = kind


@dataclass
class Run:
    """A batch of a session."""

    session: Session
    answers: list[Answer] = field(default_factory=list)
    depth: int = 0

    def batch(self, text: str) -> list[Answer]:
        """Runs text as a client sent it."""
        self._guarded(lambda: self._scope(text, {}))
        return self._finished()

    def procedure(self, call: Execute) -> tuple[list[Answer], int]:
        """Runs a procedure as a client called it, and what it returns."""
        status = [0]

        def run() -> None:
            self._save(lambda: status.__setitem__(0, procedures.execute(self, call)))

        self._guarded(run)
        return self._finished(), status[0]

    def _guarded(self, run) -> None:
        try:
            run()
        except SqlError as error:
            self._answer_error(error)
        except (_Stop, _Return):
            pass
        if self.session.transactions == 0:
            self.session.journal.keep()

    def _finished(self) -> list[Answer]:
        if self.session.doomed:
            # "an uncommittable transaction is rolled back at the end of the batch"
            self._roll_back()
            self.answers.append(
                SqlError(
                    3998,
                    text="Uncommittable transaction is detected at the end of the batch. The "
                    "transaction is rolled back.",
                )
            )
        return self.answers

    def _scope(self, text: str, variables: dict[str, object]) -> int:
        """Runs text with variables of its own; what it returns."""
        statements = parse(text)
        session = self.session
        outer = session.variables
        session.variables = variables
        try:
            for statement in statements:
                self.run(statement)
        except _Return as returned:
            return returned.value
        finally:
            session.variables = outer
        return 0

    def nested(self, text: str, variables: dict[str, object]) -> int:
        """As sp_executesql and EXEC do: what it sets and where it goes ends with it."""
        session = self.session
        database, options, identities = session.database, dict(session.options), len(session.identities)
        self.depth += 1
        try:
            return self._scope(text, variables)
        finally:
            self.depth -= 1
            session.database = database
            session.options = options
            del session.identities[identities:]

    def run(self, statement: Statement) -> None:
        """Runs one statement; raises what ends the scope or the batch."""
        if self.session.killed:
            raise _Stop
        match statement:
            case Block():
                for each in statement.body:
                    self.run(each)
            case If():
                if self._holds(statement.condition):
                    self.run(statement.then)
                elif statement.otherwise is not None:
                    self.run(statement.otherwise)
            case While():
                self._while(statement)
            case Try():
                self._try(statement)
            case Jump(kind="RETURN"):
                value = self._leaf(lambda: query.scalar(self.session, statement.value))
                raise _Return(int(value or 0))
            case Jump():
                raise _Loop(statement.kind)
            case _:
                self._save(lambda: self._one(statement))

    def _while(self, statement: While) -> None:
        while self._holds(statement.condition):
            if self.session.killed:
                raise _Stop
            try:
                self.run(statement.body)
            except _Loop as loop:
                if loop.kind == "BREAK":
                    return

    def _try(self, statement: Try) -> None:
        session = self.session
        caught_before, depth_before = session.options.get("caught"), session.options.get("trying", [])
        session.options["trying"] = [*depth_before, self.depth]
        try:
            for each in statement.body:
                self.run(each)
            return
        except SqlError as error:
            # Not those of name resolution in the same scope.
            if (error.number in ENDS_SCOPE and getattr(error, "depth", -1) == self.depth) or error.severity >= 20:
                raise
            caught = error
        finally:
            session.options["trying"] = depth_before
        if session.transactions and session.options.get("XACT_ABORT") == "ON":
            session.doomed = True
        session.options["caught"] = caught
        try:
            for each in statement.catch:
                self.run(each)
        finally:
            session.options["caught"] = caught_before

    def _holds(self, condition: list) -> bool:
        held = [False]
        self._save(lambda: held.__setitem__(0, self._leaf(lambda: query.holds(self.session, condition))))
        return held[0]

    def _save(self, run) -> None:
        """Runs a statement; its error goes to the TRY around it, or is answered."""
        session = self.session
        try:
            run()
            session.last_error = 0
        except SqlError as error:
            session.last_error = error.number
            if not hasattr(error, "depth"):
                error.depth = self.depth  # type: ignore[attr-defined]
            if session.options.get("trying"):
                raise
            aborts = session.options.get("XACT_ABORT") == "ON" and error.number != 50000
            if error.thrown or aborts or error.severity >= 20:
                self._answer_error(error)
                if session.transactions and (aborts or error.severity >= 20):
                    self._roll_back()
                if error.severity >= 20:
                    session.kill()
                raise _Stop from None
            if error.number in ENDS_SCOPE and error.depth == self.depth:  # type: ignore[attr-defined]
                self._answer_error(error)
                raise _Return(error.number) from None
            self._answer_error(error)

    def _answer_error(self, error: SqlError) -> None:
        self.answers.append(error)

    def _leaf(self, run):
        """One at a time, whole or not at all."""
        session = self.session
        with session.engine.running:
            mark = session.journal.mark()
            try:
                found = run()
            except SqlError:
                session.journal.undo(mark)
                raise
            if session.transactions == 0:
                session.journal.keep()
            return found

    def _one(self, statement: Statement) -> None:
        session = self.session
        match statement:
            case Select():
                self._leaf(lambda: self._select(statement))
            case Declare():
                self._leaf(lambda: self._declare(statement))
            case DeclareTable():
                session.tables[statement.variable.lower()] = table_variable(statement)
            case SetVariable():
                self._leaf(lambda: self.assign(statement.name, query.scalar(session, statement.value)))
            case SetOption():
                self._set_option(statement)
            case Execute():
                self.assign_status(statement, procedures.execute(self, statement))
            case ExecuteAs():
                self._leaf(lambda: self._execute_as(statement))
            case Simple():
                self._simple(statement)
            case Permissions():
                self._leaf(self._writable)
                self._leaf(lambda: change_permissions(session, statement))
                self.answers.append(Count())
            case _ if type(statement) in PRINCIPALS:
                if getattr(statement, "kind", "") == "USER":
                    self._leaf(self._writable)
                self._leaf(lambda: PRINCIPALS[type(statement)](session, statement))
                self.answers.append(Count())
            case _ if type(statement) in OBJECTS:
                if (
                    not isinstance(statement, AlterDatabase | CreateDatabase)
                    and getattr(statement, "kind", "") not in _OF_SERVER
                ):
                    self._leaf(self._writable)
                number = self._leaf(lambda: OBJECTS[type(statement)](self, statement))
                session.row_count = number or 0
                self.answers.append(Count(number))
            case _:
                raise unknown(type(statement).__name__)

    def _writable(self) -> None:
        """ "Failed to update database": of what changes something in the session's own."""
        if self.session.database.read_only:
            raise SqlError(3906, self.session.database.name)

    def assign(self, name: str, value: object) -> None:
        """SET of a variable."""
        key = name.lower()
        if key not in self.session.variables:
            raise SqlError(137, name)
        kind = self.session.variables[key][0]
        self.session.variables[key] = (kind, types.convert(value, kind, cast=False))

    def assign_status(self, statement: Execute, status: int) -> None:
        if statement.result:
            self.assign(statement.result, status)

    def _select(self, statement: Select) -> None:
        session = self.session
        if statement.assigns:
            from .lexer import Kind, Token

            comma, listed = Token(Kind.SYMBOL, ","), [Token(Kind.WORD, "SELECT")]
            for at, (_, value) in enumerate(statement.assigns):
                listed += [*([comma] if at else []), *value]
            found = query.select(session, [*listed, *statement.rest])
            for row in found.rows:
                for (name, _), value in zip(statement.assigns, row):
                    self.assign(name, value)
            session.row_count = len(found.rows)
            return
        found = query.select(session, statement.query)
        session.row_count = len(found.rows)
        self.answers.append(Rows(found.columns, found.rows))

    def _declare(self, statement: Declare) -> None:
        for name, kind, value in statement.variables:
            if name.lower() in self.session.variables:
                raise SqlError(134, name)
            self.session.variables[name.lower()] = (kind, None)
            if value:
                self.assign(name, query.scalar(self.session, value))

    def _set_option(self, statement: SetOption) -> None:
        for name in statement.names:
            if name == "LOCK_TIMEOUT":
                self.session.lock_timeout = int(statement.value)
            else:
                self.session.options[name] = statement.value

    def _execute_as(self, statement: ExecuteAs) -> None:
        session, context = self.session, self.session.context
        if statement.kind == "USER":
            user = session.database.principal(statement.name)
            if user is None or user.type != "S" or not context.may(4, "IMPERSONATE", user):
                raise SqlError(15517, statement.name)
            session.identities.append(Identity(None, user, session.database))
        else:
            login = session.engine.server.login(statement.name)
            if login is None or login.type != "S" or not context.may(101, "IMPERSONATE", login):
                raise SqlError(15406, statement.name)
            session.identities.append(Identity(login))

    def _simple(self, statement: Simple) -> None:
        session = self.session
        arguments = statement.arguments
        match statement.kind:
            case "USE":
                old = session.database.name
                self._leaf(lambda: session.enter(statement.name))
                self.answers.append(DatabaseChanged(old, session.database.name))
            case "REVERT":
                if len(session.identities) > 1:
                    session.identities.pop()
            case "BEGIN":
                session.transactions += 1
            case "COMMIT":
                self._commit()
            case "ROLLBACK":
                if session.transactions == 0:
                    raise SqlError(3903)
                self._roll_back()
            case "KILL":
                self._leaf(lambda: procedures.kill(session, arguments))
                self.answers.append(Count())
            case "PRINT":
                text = self._leaf(lambda: query.scalar(session, arguments[0]))
                self.answers.append(Notice(0, str(text or " ")))
            case "THROW":
                self._throw(arguments)
            case "RAISERROR":
                self._raise_error(arguments)
            case "WAITFOR":
                self._wait(str(self._leaf(lambda: query.scalar(session, arguments[0]))))
            case "RECONFIGURE":
                self.answers.append(Count())
            case kind:
                raise unknown(kind)

    def _commit(self) -> None:
        session = self.session
        if session.transactions == 0:
            raise SqlError(3902)
        if session.doomed:
            raise SqlError(3930)
        session.transactions -= 1
        if session.transactions == 0:
            with session.engine.running:
                session.journal.keep()

    def _roll_back(self) -> None:
        with self.session.engine.running:
            self.session.journal.undo()
        self.session.transactions = 0
        self.session.doomed = False

    def _throw(self, arguments: list) -> None:
        if not arguments or arguments == [[]]:
            caught = self.session.options.get("caught")
            if not isinstance(caught, SqlError):
                raise SqlError(10704, text="To rethrow an error, a THROW statement must be used inside a CATCH block.")
            caught.thrown = True
            raise caught
        number, text, state = (self._leaf(lambda one=one: query.scalar(self.session, one)) for one in arguments)
        error = SqlError(int(number), text=str(text), severity=16, state=int(state))
        error.thrown = True
        raise error

    def _raise_error(self, arguments: list) -> None:
        text, severity, state = (self._leaf(lambda one=one: query.scalar(self.session, one)) for one in arguments[:3])
        if int(severity) <= 10:
            self.answers.append(Notice(50000, str(text)))
            return
        raise SqlError(50000, text=str(text), severity=int(severity), state=int(state))

    def _wait(self, text: str) -> None:
        match = re.fullmatch(r"(\d+):(\d+)(?::(\d+(?:\.\d+)?))?", text)
        if match is None:
            raise SqlError(148, text=f"Incorrect time syntax in time string '{text}' used with WAITFOR.")
        hours, minutes, seconds = (float(part or 0) for part in match.groups())
        end = time.monotonic() + hours * 3600 + minutes * 60 + seconds
        while time.monotonic() < end:
            if self.session.gone():
                raise _Stop
            time.sleep(min(0.02, max(0.0, end - time.monotonic())))
