"""Application locks that sessions own ("sp_getapplock", "sp_releaseapplock", "APPLOCK_MODE").

A resource belongs to a database. Taken n times, it is given back by n releases. It goes with its session.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

# A mode excludes these ("Lock compatibility").
_EXCLUDES: dict[str, set[str]] = {
    "IntentShared": {"Exclusive"},
    "Shared": {"IntentExclusive", "Exclusive"},
    "Update": {"Update", "IntentExclusive", "Exclusive"},
    "IntentExclusive": {"Shared", "Update", "Exclusive"},
    "Exclusive": {"IntentShared", "Shared", "Update", "IntentExclusive", "Exclusive"},
}
MODES = {mode.lower(): mode for mode in _EXCLUDES}
_RANK = list(_EXCLUDES)

GRANTED, GRANTED_AFTER_WAIT, TIMED_OUT, CANCELLED, PARAMETERS = 0, 1, -1, -2, -999


@dataclass
class _Resource:
    held: dict[int, list[str]] = field(default_factory=dict)
    queue: list[object] = field(default_factory=list)


class AppLocks:
    """All of a server."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._resources: dict[tuple[int, str], _Resource] = {}

    def take(
        self, resource: tuple[int, str], session: int, mode: str, wait: float | None, gone: Callable[[], bool]
    ) -> int:
        """Waits up to `wait` seconds (None: for ever), in the order of asking. What it answers is sp_getapplock's return code."""
        deadline = None if wait is None else time.monotonic() + wait
        turn = object()
        waited = False
        with self._changed:
            entry = self._resources.setdefault(resource, _Resource())
            if session not in entry.held:
                entry.queue.append(turn)
            try:
                while True:
                    free = self._compatible(entry, session, mode)
                    if free and (session in entry.held or entry.queue[0] is turn):
                        entry.held.setdefault(session, []).append(mode)
                        return GRANTED_AFTER_WAIT if waited else GRANTED
                    if gone():
                        return CANCELLED
                    left = None if deadline is None else deadline - time.monotonic()
                    if left is not None and left <= 0:
                        return TIMED_OUT
                    waited = True
                    # Shortly, since nobody tells when the client's socket closes.
                    self._changed.wait(0.02 if left is None else min(0.02, left))
            finally:
                if turn in entry.queue:
                    entry.queue.remove(turn)
                self._forget(resource, entry)
                self._changed.notify_all()

    def release(self, resource: tuple[int, str], session: int) -> bool:
        """Whether there was anything to release."""
        with self._changed:
            entry = self._resources.get(resource)
            if entry is None or session not in entry.held:
                return False
            entry.held[session].pop()
            if not entry.held[session]:
                del entry.held[session]
            self._forget(resource, entry)
            self._changed.notify_all()
            return True

    def release_all(self, session: int) -> None:
        """The session ends."""
        with self._changed:
            for resource, entry in list(self._resources.items()):
                entry.held.pop(session, None)
                self._forget(resource, entry)
            self._changed.notify_all()

    def mode(self, resource: tuple[int, str], session: int) -> str:
        """The strongest mode in which a session holds it."""
        with self._changed:
            entry = self._resources.get(resource)
            modes = entry.held.get(session, []) if entry else []
            return max(modes, key=_RANK.index, default="NoLock")

    def could_take(self, resource: tuple[int, str], session: int, mode: str) -> bool:
        """Without taking it."""
        with self._changed:
            entry = self._resources.get(resource)
            return entry is None or self._compatible(entry, session, mode)

    def holders(self) -> list[tuple[tuple[int, str], int, str]]:
        """Resource, session and mode of all that is held."""
        with self._changed:
            return [
                (resource, session, max(modes, key=_RANK.index))
                for resource, entry in self._resources.items()
                for session, modes in entry.held.items()
            ]

    @staticmethod
    def _compatible(entry: _Resource, session: int, mode: str) -> bool:
        others = (held for owner, modes in entry.held.items() if owner != session for held in modes)
        return all(held not in _EXCLUDES[mode] and mode not in _EXCLUDES[held] for held in others)

    def _forget(self, resource: tuple[int, str], entry: _Resource) -> None:
        if not entry.held and not entry.queue:
            self._resources.pop(resource, None)
