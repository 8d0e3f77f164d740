"""Logins, users, and who gets in."""

from standin.authentication import Refused

from .case import SECRET, Case


class Logins(Case):
    def refused(self, name: str, database: str = "d", password: str = SECRET) -> list[int]:
        with self.assertRaises(Refused) as raised:
            self.open(name, database, password)
        return [error.number for error in raised.exception.errors]

    def test_create(self) -> None:
        # "CREATE LOGIN", Permissions: ALTER ANY LOGIN (2022: CREATE LOGIN).
        self.login("u")
        self.assertEqual(self.sa.error(f"CREATE LOGIN u WITH PASSWORD = N'{SECRET}'"), 15025)
        self.assertEqual(self.sa.error(f"CREATE LOGIN U WITH PASSWORD = N'{SECRET}'"), 15025)
        self.assertEqual(self.open("u").error(f"CREATE LOGIN v WITH PASSWORD = N'{SECRET}'"), 15247)
        self.assertEqual(self.sa.error("CREATE USER u FOR LOGIN u"), 15023)
        self.assertEqual(self.sa.error("CREATE USER w FOR LOGIN u"), 15063)
        self.assertEqual(self.sa.error("CREATE USER w FOR LOGIN nobody"), 15007)
        self.assertEqual(self.open("u").error("CREATE USER w WITHOUT LOGIN"), 15247)

    def test_names(self) -> None:
        # "Database identifiers": 1 to 128 characters. "CREATE LOGIN": no backslash.
        self.assertEqual(self.sa.error(f"CREATE LOGIN [{'x' * 129}] WITH PASSWORD = N'{SECRET}'"), 103)
        self.sa.do(f"CREATE LOGIN [{'x' * 128}] WITH PASSWORD = N'{SECRET}'")
        self.assertEqual(self.sa.error(f"CREATE LOGIN [a\\b] WITH PASSWORD = N'{SECRET}'"), 15006)
        self.assertEqual(self.sa.error(f"CREATE LOGIN [] WITH PASSWORD = N'{SECRET}'"), 1038)
        self.sa.do(f"CREATE LOGIN [a]]b'c] WITH PASSWORD = N'{SECRET}'")
        self.assertEqual(self.sa.value("SELECT name FROM sys.server_principals WHERE name LIKE 'a%'"), "a]b'c")

    def test_policy(self) -> None:
        # "Password policy": eight characters, three of four categories, not the account's name.
        for password, number in (
            ("Aa1-", 15116),
            ("aaaaaaaaaa", 15118),
            ("aaaaaaaaa1", 15118),
            ("Aa1-x9-bobby", 15118),
        ):
            self.assertEqual(self.sa.error(f"CREATE LOGIN bobby WITH PASSWORD = N'{password}'"), number)
        self.sa.do("CREATE LOGIN bobby WITH PASSWORD = N'a', CHECK_POLICY = OFF")
        # "CREATE LOGIN", CHECK_EXPIRATION: needs CHECK_POLICY = ON.
        self.assertEqual(
            self.sa.error("CREATE LOGIN c WITH PASSWORD = N'a', CHECK_POLICY = OFF, CHECK_EXPIRATION = ON"), 15122
        )
        self.assertEqual(self.sa.error(f"CREATE LOGIN c WITH PASSWORD = N'{SECRET}', DEFAULT_DATABASE = [none]"), 15010)

    def test_wrong_password_disabled_and_no_access(self) -> None:
        # "Troubleshoot login failed errors (18456)": one answer for unknown and wrong; disabled is told to who knows the password.
        self.login("u")
        self.assertEqual(self.refused("u", password="wrong"), [18456])
        self.assertEqual(self.refused("nobody"), [18456])
        self.sa.do("ALTER LOGIN u DISABLE")
        self.assertEqual(self.refused("u"), [18470])
        self.assertEqual(self.refused("u", password="wrong"), [18456])
        self.sa.do("ALTER LOGIN u ENABLE", "REVOKE CONNECT FROM u")
        # MSSQLSERVER_4060 is followed by 18456.
        self.assertEqual(self.refused("u"), [4060, 18456])
        self.assertEqual(self.refused("u", "none"), [4060, 18456])
        self.open("u", "master")

    def test_sessions_survive_disable_and_hold_the_login(self) -> None:
        # "ALTER LOGIN", DISABLE: "doesn't affect logins that are already connected". "DROP LOGIN": not while it is logged in.
        self.login("u")
        session = self.open("u")
        self.sa.do("ALTER LOGIN u DISABLE")
        self.assertEqual(session.value("SELECT USER_NAME()"), "u")
        self.assertEqual(self.sa.error("DROP LOGIN u"), 15434)
        session.close()
        self.sa.do("DROP LOGIN u")
        # Its users stay: "DROP LOGIN ... can create orphaned users".
        self.assertEqual(
            self.sa.rows("SELECT SUSER_SNAME(sid) FROM sys.database_principals WHERE name = 'u'"), [(None,)]
        )
        self.assertEqual(self.sa.error("DROP LOGIN u"), 15151)

    def test_powerful_logins_need_control_server(self) -> None:
        # "ALTER LOGIN", Permissions.
        self.login("admin")
        self.login("boss")
        self.sa.do("ALTER SERVER ROLE sysadmin ADD MEMBER boss")
        self.open("sa", "master").do("GRANT ALTER ANY LOGIN TO admin")
        admin = self.open("admin")
        self.assertEqual(admin.error(f"ALTER LOGIN boss WITH PASSWORD = N'{SECRET}'"), 15151)
        self.assertEqual(admin.error("ALTER LOGIN boss DISABLE"), 15151)
        self.assertEqual(admin.error("ALTER LOGIN nobody DISABLE"), 15151)

    def test_what_keeps_a_user_or_login(self) -> None:
        # "DROP USER": users that own securables cannot be dropped. "DROP LOGIN": nor logins that own a database.
        self.login("u")
        self.sa.do("CREATE SCHEMA own AUTHORIZATION u")
        self.assertEqual(self.sa.error("DROP USER u"), 15138)
        self.sa.do("DROP SCHEMA own", "CREATE ROLE r AUTHORIZATION u")
        self.assertEqual(self.sa.error("DROP USER u"), 15421)
        self.sa.do("DROP ROLE r")
        self.table()
        self.sa.do("ALTER AUTHORIZATION ON OBJECT::t TO u")
        self.assertEqual(self.sa.error("DROP USER u"), 15183)
        self.sa.do("ALTER AUTHORIZATION ON OBJECT::t TO SCHEMA OWNER", "CREATE USER v WITHOUT LOGIN")
        self.sa.do("GRANT SELECT ON t TO u WITH GRANT OPTION")
        self.open("u").do("GRANT SELECT ON t TO v")
        self.assertEqual(self.sa.error("DROP USER u"), 15284)
        self.sa.do("REVOKE SELECT ON t FROM u CASCADE", "DROP USER u", "DROP USER IF EXISTS u")
        self.assertEqual(self.sa.error("DROP USER u"), 15151)

    def test_hash_and_not_the_password(self) -> None:
        # "sys.sql_logins": password_hash is for CONTROL SERVER.
        self.login("u")
        self.assertTrue(
            self.sa.value("SELECT password_hash FROM sys.sql_logins WHERE name = 'u'").startswith(b"\x02\x00")
        )
        self.assertIsNone(self.open("u").value("SELECT password_hash FROM sys.sql_logins WHERE name = 'u'"))
        self.assertNotIn(SECRET, repr(self.server.login("u")))


class Contained(Case):
    options = {"containment": True}

    def setUp(self) -> None:
        super().setUp()
        self.sa.do("CREATE DATABASE c CONTAINMENT = PARTIAL")
        self.inside = self.open("sa", "c")

    def test_users_of_a_database(self) -> None:
        # "Contained database users"; "CREATE USER ... WITH PASSWORD": only in a contained database.
        self.assertEqual(self.sa.error(f"CREATE USER u WITH PASSWORD = N'{SECRET}'"), 33233)
        self.inside.do(f"CREATE USER u WITH PASSWORD = N'{SECRET}'")
        user = self.open("u", "c")
        self.assertEqual(user.rows("SELECT USER_NAME(), SUSER_SNAME(), HAS_DBACCESS('d')"), [("u", "u", 0)])
        self.assertEqual(user.error("USE d"), 916)
        self.assertEqual(
            self.inside.value("SELECT authentication_type FROM sys.database_principals WHERE name = 'u'"), 2
        )
        # "sys.dm_exec_sessions": authenticating_database_id is the contained database's, 0 for logins.
        self.assertEqual(
            user.value("SELECT authenticating_database_id FROM sys.dm_exec_sessions"), user.session.database.id
        )
        with self.assertRaises(Refused):
            self.open("u", "d")
        self.inside.do("ALTER USER u WITH PASSWORD = N'Bb2-other'")
        with self.assertRaises(Refused):
            self.open("u", "c")
        self.open("u", "c", "Bb2-other")

    def test_revoke_connect_shuts_out(self) -> None:
        # "GRANT Database Permissions": CONNECT. CREATE USER grants it.
        self.inside.do(f"CREATE USER u WITH PASSWORD = N'{SECRET}'", "REVOKE CONNECT FROM u")
        with self.assertRaises(Refused) as raised:
            self.open("u", "c")
        self.assertEqual(raised.exception.errors[-1].number, 18456)

    def test_a_user_hides_the_login_of_its_name(self) -> None:
        # "Contained databases ... if a contained user has the same name as a login": the database is asked first, and alone.
        self.sa.do("CREATE LOGIN u WITH PASSWORD = N'Bb2-other'")
        self.inside.do(f"CREATE USER u WITH PASSWORD = N'{SECRET}'")
        with self.assertRaises(Refused):
            self.open("u", "c", "Bb2-other")
        self.open("u", "c")

    def test_not_configured(self) -> None:
        # "contained database authentication (server configuration option)".
        self.sa.do("EXEC sp_configure 'contained database authentication', 0; RECONFIGURE")
        self.assertEqual(self.sa.error("CREATE DATABASE e CONTAINMENT = PARTIAL"), 12824)


class Azure(Case):
    options = {"azure": True}

    def test_azure(self) -> None:
        # "CREATE USER (Azure SQL Database)", "USE": not between databases; "KILL": KILL DATABASE CONNECTION.
        self.assertEqual(self.sa.value("SELECT CAST(SERVERPROPERTY('EngineEdition') AS int)"), 5)
        self.assertEqual(self.sa.error("USE master"), 40508)
        self.assertEqual(self.sa.error("SELECT * FROM [master].sys.databases"), 40515)
        self.assertEqual(self.sa.error("SELECT * FROM sys.server_principals"), 208)
        self.assertEqual(self.sa.error(f"CREATE LOGIN l WITH PASSWORD = N'{SECRET}'"), 5001)
        self.sa.do(f"CREATE USER u WITH PASSWORD = N'{SECRET}'", f"CREATE USER a WITH PASSWORD = N'{SECRET}'")
        user, admin = self.open("u"), self.open("a")
        self.assertEqual(admin.error(f"KILL {user.session.id}"), 6102)
        self.assertEqual(len(admin.rows("SELECT session_id FROM sys.dm_exec_sessions")), 1)
        self.sa.do("GRANT KILL DATABASE CONNECTION TO a", "GRANT VIEW DATABASE STATE TO a")
        self.assertEqual(len(admin.rows("SELECT session_id FROM sys.dm_exec_sessions")), 3)
        admin.do(f"KILL {user.session.id}")
        self.assertTrue(user.session.killed)
