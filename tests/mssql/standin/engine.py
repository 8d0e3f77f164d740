"""What all sessions of a server share."""

from __future__ import annotations

import itertools
import threading

from .locks import AppLocks
from .model import Server
from .session import Session


class Engine:
    """A server, its sessions and its locks. Statements run one at a time, under `running`; waiting for a lock is outside of it."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.locks = AppLocks()
        self.running = threading.RLock()
        self._sessions: dict[int, Session] = {}
        self._ids = itertools.count(51)

    def next_session_id(self) -> int:
        return next(self._ids)

    def open(self, session: Session) -> None:
        with self.running:
            self._sessions[session.id] = session

    def close(self, session: Session) -> None:
        """The session is over: what it holds is free, what it has not committed is undone."""
        with self.running:
            session.journal.undo()
            self._sessions.pop(session.id, None)
        self.locks.release_all(session.id)

    def sessions(self) -> list[Session]:
        return list(self._sessions.values())

    def session(self, number: int) -> Session | None:
        return self._sessions.get(number)
