"""Databases that take no writes, that are offline, or that are hidden; security ids of logins."""

from standin.authentication import Refused

from .case import SECRET, Case

STATE = "SELECT is_read_only, state_desc, HAS_DBACCESS(name) FROM sys.databases WHERE name = N'other'"
UPDATEABILITY = "SELECT CAST(DATABASEPROPERTYEX(N'other', N'Updateability') AS nvarchar(128))"


class Databases(Case):
    def setUp(self) -> None:
        super().setUp()
        self.sa.do("CREATE DATABASE other")
        self.login("u")

    def test_that_take_no_writes(self) -> None:
        # "ALTER DATABASE SET Options", READ_ONLY; "DATABASEPROPERTYEX", Updateability; 3906.
        self.open("sa", "other").do("CREATE TABLE t (id int)", "CREATE USER u FOR LOGIN u", "GRANT SELECT ON t TO u")
        self.sa.do("ALTER DATABASE other SET READ_ONLY")
        self.assertEqual(self.sa.rows(STATE), [(1, "ONLINE", 1)])
        self.assertEqual(self.sa.value(UPDATEABILITY), "READ_ONLY")
        self.assertEqual(self.open("u", "other").rows("SELECT * FROM t"), [])
        for change in (
            "REVOKE SELECT ON t FROM u",
            "DROP USER u",
            "CREATE TABLE s (id int)",
            "INSERT INTO t VALUES (1)",
        ):
            self.assertEqual(self.open("sa", "other").error(change), 3906, change)
            self.assertEqual(self.sa.error(f"EXEC other.sys.sp_executesql N'{change}'"), 3906, change)
        self.open("sa", "other").do("CREATE LOGIN v WITH PASSWORD = N'Aa1-secret'", "DROP LOGIN v")
        self.sa.do("ALTER DATABASE other SET READ_WRITE")
        self.assertEqual(self.sa.value(UPDATEABILITY), "READ_WRITE")
        self.open("sa", "other").do("DROP USER u")

    def test_that_are_offline(self) -> None:
        # "ALTER DATABASE SET Options", OFFLINE; "HAS_DBACCESS" is 0 then; 942, and 4060 to who logs in.
        inside = self.open("sa", "other")
        self.sa.do("ALTER DATABASE other SET OFFLINE WITH ROLLBACK IMMEDIATE")
        self.assertTrue(inside.session.killed)
        inside.close()
        self.assertEqual(self.sa.rows(STATE), [(0, "OFFLINE", 0)])
        self.assertEqual(self.sa.error("SELECT name FROM other.sys.objects"), 942)
        self.assertEqual(self.sa.error("USE other"), 942)
        with self.assertRaises(Refused) as refused:
            self.open("sa", "other")
        self.assertEqual([error.number for error in refused.exception.errors], [4060, 18456])
        self.sa.do("ALTER DATABASE other SET ONLINE")
        self.open("sa", "other")

    def test_that_are_hidden(self) -> None:
        # "sys.databases", Permissions: VIEW ANY DATABASE, which everybody has until it is denied.
        user = self.open("u")
        ask = "SELECT name FROM sys.databases WHERE name = N'other'"
        may = "SELECT HAS_PERMS_BY_NAME(NULL, NULL, N'VIEW ANY DATABASE')"
        self.assertEqual((user.rows(ask), user.value(may)), ([("other",)], 1))
        self.open("sa", "master").do("DENY VIEW ANY DATABASE TO u")
        self.assertEqual((user.rows(ask), user.value(may)), ([], 0))


class Sids(Case):
    def test_are_given(self) -> None:
        # "CREATE LOGIN", SID: 16 bytes, nobody else's; who has a user's is its login.
        sid = "0x" + "8A" * 16
        self.sa.do(
            f"CREATE LOGIN u WITH PASSWORD = N'{SECRET}', SID = {sid}, DEFAULT_DATABASE = d",
            "CREATE USER u FOR LOGIN u",
        )
        self.assertEqual(self.sa.value("SELECT SUSER_SID(N'u')"), b"\x8a" * 16)
        self.assertEqual(self.sa.error(f"CREATE LOGIN v WITH PASSWORD = N'{SECRET}', SID = {sid}"), 15433)
        self.assertEqual(self.sa.error(f"CREATE LOGIN v WITH PASSWORD = N'{SECRET}', SID = 0x0102"), 15419)
        self.sa.do("DROP LOGIN u")
        ask = "SELECT SUSER_SNAME(sid) FROM sys.database_principals WHERE name = N'u'"
        self.assertIsNone(self.sa.value(ask))
        self.sa.do(f"CREATE LOGIN u WITH PASSWORD = N'{SECRET}', SID = {sid}")
        self.assertEqual(self.sa.value(ask), "u")
        self.open("u")

    def test_of_sessions(self) -> None:
        # "sys.dm_exec_sessions": original_security_id; login_time tells two sessions of one number apart.
        self.login("u")
        user = self.open("u")
        asked = """SELECT s.session_id, CONVERT(nvarchar(30), s.login_time, 126) FROM sys.dm_exec_sessions AS s
            WHERE s.original_security_id = SUSER_SID(N'u')"""
        [(number, since)] = self.sa.rows(asked)
        self.assertEqual(number, user.session.id)
        kill = "IF EXISTS (SELECT 1 FROM sys.dm_exec_sessions AS s WHERE s.session_id = {} AND CONVERT(nvarchar(30), s.login_time, 126) = N'{}') KILL {}"
        self.sa.do(kill.format(number, "2000-01-01T00:00:00", number))
        self.assertFalse(user.session.killed)
        self.sa.do(kill.format(number, since, number))
        self.assertTrue(user.session.killed)


class Azure(Case):
    options = {"azure": True}

    def test_says_its_objective(self) -> None:
        # "DATABASEPROPERTYEX", ServiceObjective.
        ask = "SELECT CAST(DATABASEPROPERTYEX(DB_NAME(), N'ServiceObjective') AS nvarchar(128))"
        self.assertEqual(self.sa.value(ask), "S3")
        self.server.objective = "Basic"
        self.assertEqual(self.sa.value(ask), "Basic")

    def test_probe(self) -> None:
        self.table()
        self.assertEqual(self.sa.rows("SELECT TOP (0) 1 AS reads FROM [dbo].[t]"), [])
        self.assertEqual(self.sa.error("SELECT TOP (0) 1 AS reads FROM [elsewhere].[dbo].[t]"), 40515)
