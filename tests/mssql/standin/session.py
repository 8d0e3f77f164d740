"""A client's session, and its transaction."""

from __future__ import annotations

import datetime
import select
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .context import Context, user_in
from .errors import SqlError
from .model import Database, Login, User

if TYPE_CHECKING:
    from .engine import Engine


class Journal:
    """Every change of what a server keeps goes through one, so that it can be undone."""

    def __init__(self) -> None:
        self._undo: list[Callable[[], None]] = []

    def put(self, where: dict, key: object, value: object) -> None:
        """Sets an entry."""
        if key in where:
            self._undo.append(lambda old=where[key]: where.__setitem__(key, old))
        else:
            self._undo.append(lambda: where.pop(key, None))
        where[key] = value

    def take(self, where: dict, key: object) -> None:
        """Removes an entry, if it is there."""
        if key in where:
            self._undo.append(lambda old=where[key]: where.__setitem__(key, old))
            del where[key]

    def add(self, where: set, item: object) -> None:
        if item not in where:
            self._undo.append(lambda: where.discard(item))
            where.add(item)

    def discard(self, where: set, item: object) -> None:
        if item in where:
            self._undo.append(lambda: where.add(item))
            where.discard(item)

    def set(self, thing: object, name: str, value: object) -> None:
        """Sets an attribute."""
        self._undo.append(lambda old=getattr(thing, name): setattr(thing, name, old))
        setattr(thing, name, value)

    def mark(self) -> int:
        """The place to which a statement that fails is undone."""
        return len(self._undo)

    def undo(self, mark: int = 0) -> None:
        while len(self._undo) > mark:
            self._undo.pop()()

    def keep(self) -> None:
        self._undo.clear()


@dataclass
class Identity:
    """As whom a session works: what EXECUTE AS puts on top and REVERT takes away."""

    login: Login | None
    # Of a contained user, or of EXECUTE AS USER: it is nobody in other databases.
    user: User | None = None
    database: Database | None = None


@dataclass(eq=False)
class Session:
    id: int
    engine: Engine
    database: Database
    identities: list[Identity]
    host: str = ""
    program: str = ""
    client: str = ""
    connection: socket.socket | None = None
    killed: bool = False
    variables: dict[str, object] = field(default_factory=dict)
    options: dict[str, str] = field(default_factory=dict)
    lock_timeout: int = -1
    transactions: int = 0
    doomed: bool = False
    journal: Journal = field(default_factory=Journal)
    row_count: int = 0
    last_error: int = 0
    started: datetime.datetime = field(default_factory=lambda: datetime.datetime.now(datetime.UTC).replace(tzinfo=None))
    tables: dict[str, object] = field(default_factory=dict)

    @property
    def login_name(self) -> str:
        who = self.identities[-1]
        return who.login.name if who.login else who.user.name if who.user else ""

    @property
    def original(self) -> Identity:
        return self.identities[0]

    @property
    def context(self) -> Context:
        """In the current database. Who has lost access since is nobody: a guest without rights."""
        return self.context_in(self.database) or Context(
            self.engine.server, self.identities[-1].login, self.database, User(-1, self.login_name, "S", None)
        )

    def context_in(self, database: Database) -> Context | None:
        """In another database; none if there is no access."""
        who = self.identities[-1]
        server = self.engine.server
        if who.database is not None:
            if who.database is database and who.user is not None and who.user.id in database.principals:
                return Context(server, who.login, database, who.user)
            if who.login is None or database is not who.database:
                return None
        user = user_in(server, who.login, database)
        if user is None and database is self.database and who.login is not None:
            # Access is checked on entering a database, not on staying there.
            user = database.user_of(who.login.sid)
        return Context(server, who.login, database, user) if user else None

    def gone(self) -> bool:
        """Whether it was killed, or the client has closed its end."""
        if self.killed:
            return True
        if self.connection is None:
            return False
        try:
            readable, _, _ = select.select([self.connection], [], [], 0)
            return bool(readable) and not self.connection.recv(1, socket.MSG_PEEK)
        except OSError:
            return True

    def kill(self) -> None:
        """Ends the connection; the session goes when its thread notices."""
        self.killed = True
        if self.connection is not None:
            try:
                self.connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def enter(self, name: str) -> None:
        """USE."""
        server = self.engine.server
        database = server.database(name)
        if server.azure and database is not self.database:
            raise SqlError(40508)
        if database is None:
            raise SqlError(911, name)
        if database.offline:
            raise SqlError(942, database.name)
        if self.context_in(database) is None:
            raise SqlError(916, self.login_name, database.name)
        self.database = database
