"""Application locks and KILL."""

import threading
import time

from .case import Case

TAKE = """DECLARE @r int; EXEC @r = sp_getapplock @Resource = N'{}', @LockMode = N'Exclusive', @LockOwner = N'Session',
    @LockTimeout = {}; SELECT @r"""
MODE = "SELECT APPLOCK_MODE(N'public', N'{}', N'Session')"
RELEASE = "EXEC sp_releaseapplock @Resource = N'{}', @LockOwner = N'Session'"


class Locks(Case):
    def test_of_a_session(self) -> None:
        # "sp_getapplock": 0 at once, 1 after waiting, -1 timed out; "APPLOCK_MODE"; "sp_releaseapplock": 1223 when it is not held.
        other = self.open("sa")
        self.assertEqual(self.sa.value(MODE.format("k")), "NoLock")
        self.assertEqual(self.sa.value(TAKE.format("k", 0)), 0)
        self.assertEqual(self.sa.value(MODE.format("k")), "Exclusive")
        self.assertEqual(other.value(MODE.format("k")), "NoLock")
        self.assertEqual(other.value(TAKE.format("k", 50)), -1)
        self.assertEqual(other.value(TAKE.format("K", 0)), 0, "resources are compared as bytes")
        self.assertEqual(other.error(RELEASE.format("k")), 1223)
        # Taken twice, released twice.
        self.sa.value(TAKE.format("k", 0))
        self.sa.do(RELEASE.format("k"))
        self.assertEqual(other.value(TAKE.format("k", 0)), -1)
        self.sa.do(RELEASE.format("k"))
        self.assertEqual(other.value(TAKE.format("k", 0)), 0)

    def test_of_a_database(self) -> None:
        # "the lock resource is identified by the database ID".
        other = self.open("sa", "master")
        self.assertEqual(self.sa.value(TAKE.format("k", 0)), 0)
        self.assertEqual(other.value(TAKE.format("k", 0)), 0)

    def test_waits_and_ends_with_its_session(self) -> None:
        holder = self.open("sa")
        holder.value(TAKE.format("k", 0))
        threading.Timer(0.05, holder.close).start()
        start = time.monotonic()
        self.assertEqual(self.sa.value(TAKE.format("k", 5000)), 1)
        self.assertLess(time.monotonic() - start, 2)

    def test_is_shown(self) -> None:
        # "sys.dm_tran_locks", APPLICATION: the first 32 characters of the resource.
        self.sa.value(TAKE.format("k" * 40, 0))
        shown = "SELECT request_session_id FROM sys.dm_tran_locks WHERE resource_description LIKE '%' + REPLICATE('k', 32) + ']%'"
        self.assertEqual(self.sa.rows(shown), [(self.sa.session.id,)])


class Kill(Case):
    def test_kill(self) -> None:
        # "KILL": ALTER ANY CONNECTION; not one's own session; the id is a constant.
        self.login("u")
        user = self.open("u")
        number = user.session.id
        self.assertEqual(user.error(f"KILL {self.sa.session.id}"), 6102)
        self.assertEqual(self.sa.error(f"KILL {self.sa.session.id}"), 6104)
        self.assertEqual(self.sa.error("KILL 20000"), 6106)
        self.assertEqual(self.sa.error("KILL 99999"), 6101)
        self.assertEqual(self.sa.error("DECLARE @n int = 60; KILL @n"), 102)
        self.sa.do(f"KILL {number}")
        self.assertTrue(user.session.killed)
        self.assertEqual(user.answers("SELECT 1"), [])
        user.close()
        self.assertEqual(self.sa.error(f"KILL {number}"), 6106)

    def test_who_sees_sessions(self) -> None:
        # "sys.dm_exec_sessions": everybody sees his own; others with VIEW SERVER STATE (2022: VIEW SERVER PERFORMANCE STATE).
        self.login("u")
        user = self.open("u")
        ask = "SELECT session_id FROM sys.dm_exec_sessions WHERE is_user_process = 1"
        self.assertEqual(user.rows(ask), [(user.session.id,)])
        self.open("sa", "master").do("GRANT VIEW SERVER PERFORMANCE STATE TO u")
        self.assertGreater(len(user.rows(ask)), 1)
