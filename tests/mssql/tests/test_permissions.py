"""GRANT, REVOKE, DENY, and what somebody sees."""

from .case import SECRET, Case


class Permissions(Case):
    def setUp(self) -> None:
        super().setUp()
        self.login("u")
        self.table()
        self.user = self.open("u")

    def reads(self) -> bool:
        answer = self.user.answers("SELECT * FROM t")[0]
        if answer == 229:
            return False
        self.assertEqual(len(answer), 2)
        return True

    def test_exactly_what_was_granted(self) -> None:
        # "GRANT Object Permissions". 229: permission denied; a missing object is 208.
        self.assertFalse(self.reads())
        self.assertEqual(self.user.error("SELECT * FROM nothing"), 208)
        self.sa.do("GRANT SELECT ON OBJECT::dbo.t TO u")
        self.assertTrue(self.reads())
        for statement in ("INSERT INTO t VALUES (3, 'x')", "UPDATE t SET name = 'x'", "DELETE FROM t"):
            self.assertEqual(self.user.error(statement), 229)
        self.assertEqual(self.user.error("DROP TABLE t"), 3701)
        self.assertEqual(self.user.error("CREATE TABLE t2 (id int)"), 262)
        self.assertEqual(self.user.error("GRANT SELECT ON t TO public"), 15151)
        # DELETE and UPDATE with a condition read as well ("UPDATE", Permissions).
        self.sa.do("REVOKE SELECT ON t FROM u", "GRANT DELETE ON t TO u")
        self.assertEqual(self.user.error("DELETE FROM t WHERE id = 1"), 229)
        self.user.do("DELETE FROM t")
        self.assertEqual(self.sa.value("SELECT COUNT(*) FROM t"), 0)

    def test_deny_wins(self) -> None:
        # "DENY": "takes precedence over all permissions" of the principal and its roles, except its being the owner or sysadmin.
        self.sa.do("GRANT SELECT ON t TO u", "DENY SELECT ON t TO public")
        self.assertFalse(self.reads())
        self.assertEqual(self.user.value("SELECT HAS_PERMS_BY_NAME('t', 'OBJECT', 'SELECT')"), 0)
        self.sa.do("REVOKE SELECT ON t FROM public", "ALTER ROLE db_denydatareader ADD MEMBER u")
        self.assertFalse(self.reads())
        self.sa.do("ALTER ROLE db_denydatareader DROP MEMBER u", "DENY SELECT ON SCHEMA::dbo TO u")
        self.assertFalse(self.reads())
        self.sa.do("GRANT SELECT ON SCHEMA::dbo TO u")
        self.assertTrue(self.reads())

    def test_by_roles_and_wider_securables(self) -> None:
        # "Determining effective permissions": schema, database, fixed roles, roles in roles.
        for give, take in (
            ("GRANT SELECT ON SCHEMA::dbo TO u", "REVOKE SELECT ON SCHEMA::dbo FROM u"),
            ("GRANT CONTROL ON OBJECT::t TO u", "REVOKE CONTROL ON OBJECT::t FROM u"),
            ("GRANT SELECT TO u", "REVOKE SELECT FROM u"),
            ("ALTER ROLE db_datareader ADD MEMBER u", "ALTER ROLE db_datareader DROP MEMBER u"),
            ("GRANT SELECT ON t TO public", "REVOKE SELECT ON t FROM public"),
        ):
            self.sa.do(give)
            self.assertTrue(self.reads(), give)
            self.sa.do(take)
            self.assertFalse(self.reads(), take)
        self.sa.do("CREATE ROLE inner_role", "CREATE ROLE outer_role", "ALTER ROLE outer_role ADD MEMBER inner_role")
        self.sa.do("ALTER ROLE inner_role ADD MEMBER u", "GRANT SELECT ON t TO outer_role")
        self.assertTrue(self.reads())

    def test_revoke_takes_the_own_grantors_rows_only(self) -> None:
        # "REVOKE": what the grantor granted; AS names another one.
        self.login("middle")
        self.sa.do("GRANT SELECT ON t TO middle WITH GRANT OPTION")
        middle = self.open("middle")
        middle.do("GRANT SELECT ON t TO u")
        self.sa.do("GRANT SELECT ON t TO u")
        grantors = """SELECT g.name FROM sys.database_permissions p JOIN sys.database_principals g
            ON g.principal_id = p.grantor_principal_id WHERE p.class = 1 AND USER_NAME(p.grantee_principal_id) = 'u' ORDER BY 1"""
        self.assertEqual(self.sa.rows(grantors), [("dbo",), ("middle",)])
        self.sa.do("REVOKE SELECT ON t FROM u")
        self.assertTrue(self.reads())
        self.assertEqual(self.sa.rows(grantors), [("middle",)])
        self.sa.do("REVOKE SELECT ON t FROM u AS middle")
        self.assertFalse(self.reads())
        self.sa.do("GRANT SELECT ON t TO u")
        # Who holds it with grant option takes back in his own name, which is nothing; in another's he may not.
        middle.do("REVOKE SELECT ON t FROM u")
        self.assertTrue(self.reads())
        self.assertEqual(middle.error("REVOKE SELECT ON t FROM u AS dbo"), 15151)

    def test_grant_option_and_cascade(self) -> None:
        # "REVOKE", CASCADE: 4611 without it, where the permission was granted WITH GRANT OPTION.
        self.login("middle")
        self.sa.do("GRANT SELECT ON t TO middle WITH GRANT OPTION")
        self.open("middle").do("GRANT SELECT ON t TO u")
        self.assertEqual(self.sa.error("REVOKE SELECT ON t FROM middle"), 4611)
        self.assertEqual(self.sa.error("DENY SELECT ON t TO middle"), 4611)
        self.assertTrue(self.reads())
        self.sa.do("REVOKE GRANT OPTION FOR SELECT ON t FROM middle CASCADE")
        self.assertFalse(self.reads())
        self.assertEqual(self.open("middle").error("GRANT SELECT ON t TO u"), 15151)
        self.assertEqual(self.open("middle").error("SELECT id FROM t"), None)
        self.sa.do("REVOKE SELECT ON t FROM middle")

    def test_missing_things(self) -> None:
        # MSSQLSERVER_15151.
        self.assertEqual(self.sa.error("GRANT SELECT ON OBJECT::nothing TO u"), 15151)
        self.assertEqual(self.sa.error("GRANT SELECT ON t TO nobody"), 15151)
        self.assertEqual(self.sa.error("REVOKE SELECT ON t FROM nobody"), 15151)
        self.assertEqual(self.sa.error("GRANT SELECT ON t TO dbo"), 4624)
        self.assertEqual(self.sa.error("GRANT SELECT ON t TO db_owner"), 4617)
        self.assertEqual(self.sa.error("GRANT VIEW SERVER STATE TO u"), 4621)
        self.assertEqual(self.sa.error("GRANT NONSENSE ON t TO u"), 102)
        # Taking back what was not given is nothing.
        self.sa.do("REVOKE SELECT ON t FROM u CASCADE")

    def test_grants_go_with_the_table(self) -> None:
        self.sa.do("GRANT SELECT ON t TO u", "DROP TABLE t")
        self.table()
        self.assertFalse(self.reads())

    def test_open_sessions_lose_it_at_once(self) -> None:
        self.sa.do("GRANT SELECT ON t TO u")
        self.assertTrue(self.reads())
        self.sa.do("DROP USER u")
        self.assertEqual(self.user.error("SELECT * FROM t"), 229)

    def test_permissions_by_name(self) -> None:
        # "HAS_PERMS_BY_NAME": 1, 0, or NULL where the query fails.
        ask = "SELECT HAS_PERMS_BY_NAME({}, {}, 'SELECT')"
        self.sa.do("CREATE TABLE [o]]d.d] (id int)", "GRANT SELECT ON [o]]d.d] TO u")
        self.assertEqual(self.user.value(ask.format("'[dbo].[o]]d.d]'", "'OBJECT'")), 1)
        self.assertEqual(self.user.value(ask.format("'t'", "'OBJECT'")), 0)
        self.assertIsNone(self.user.value(ask.format("'nothing'", "'OBJECT'")))
        self.assertIsNone(self.user.value(ask.format("'t'", "'NONSENSE'")))
        self.assertEqual(self.user.value("SELECT HAS_PERMS_BY_NAME(NULL, NULL, 'VIEW ANY DATABASE')"), 1)
        self.assertEqual(self.user.value("SELECT HAS_PERMS_BY_NAME('[d]', 'DATABASE', 'ANY')"), 1)

    def test_metadata_visibility(self) -> None:
        # "Metadata visibility configuration"; sys.server_principals, sys.database_principals, sys.database_permissions, Permissions.
        self.login("v")
        self.sa.do("GRANT SELECT ON t TO v")
        logins = "SELECT COUNT(*) FROM sys.server_principals WHERE name IN ('u', 'v')"
        users = "SELECT COUNT(*) FROM sys.database_principals WHERE name IN ('u', 'v')"
        grants = "SELECT COUNT(*) FROM sys.database_permissions WHERE class = 1 AND major_id > 0"
        tables = "SELECT COUNT(*) FROM sys.tables"
        self.assertEqual([self.user.value(ask) for ask in (logins, users, grants, tables)], [1, 1, 0, 0])
        self.assertIsNone(self.user.value("SELECT OBJECT_ID('t')"))
        self.sa.do("GRANT ALTER ANY USER TO u")
        self.assertEqual([self.user.value(ask) for ask in (logins, users, grants, tables)], [1, 2, 0, 0])
        self.sa.do("GRANT VIEW DEFINITION TO u")
        self.assertEqual([self.user.value(ask) for ask in (logins, users, grants, tables)], [1, 2, 1, 1])
        self.open("sa", "master").do("GRANT ALTER ANY LOGIN TO u")
        self.assertEqual(self.user.value(logins), 2)

    def test_views_read_as_their_owner(self) -> None:
        # "Ownership chains".
        self.sa.do("CREATE VIEW w AS SELECT id FROM t", "GRANT SELECT ON w TO u")
        self.assertEqual(self.user.rows("SELECT * FROM w"), [(1,), (2,)])
        self.assertFalse(self.reads())

    def test_columns(self) -> None:
        # "GRANT Object Permissions", columns: minor_id is the column's number.
        self.sa.do("GRANT SELECT (name) ON t TO u")
        self.assertEqual(
            self.sa.rows("SELECT minor_id FROM sys.database_permissions WHERE class = 1 AND major_id > 0"), [(2,)]
        )
        self.assertEqual(self.sa.error("GRANT SELECT (nothing) ON t TO u"), 1911)
        self.sa.do("REVOKE SELECT (name) ON OBJECT::t FROM u CASCADE AS dbo")
        self.assertEqual(
            self.sa.rows("SELECT minor_id FROM sys.database_permissions WHERE class = 1 AND major_id > 0"), []
        )

    def test_columns_are_read_by_name(self) -> None:
        # "GRANT Object Permissions": a DENY on the table does not outweigh a GRANT on a column. 230 names the column.
        self.sa.do("GRANT SELECT (id) ON t TO u")
        self.assertEqual(self.user.rows("SELECT id FROM t"), [(1,), (2,)])
        self.assertEqual(self.user.error("SELECT * FROM t"), 230)
        self.assertEqual(self.user.error("SELECT id FROM t WHERE name = 'x'"), 230)
        self.sa.do("DENY SELECT ON t TO public")
        self.assertEqual(self.user.rows("SELECT id FROM t"), [(1,), (2,)])
        self.sa.do("DENY SELECT (id) ON t TO u")
        self.assertEqual(self.user.error("SELECT id FROM t"), 229)

    def test_execute_as(self) -> None:
        # "EXECUTE AS"; 15517 without IMPERSONATE.
        self.assertEqual(self.user.error("EXECUTE AS USER = 'dbo'"), 15517)
        self.assertEqual(
            self.sa.answers("EXECUTE AS USER = 'u'; SELECT USER_NAME(); SELECT * FROM t; REVERT; SELECT USER_NAME()"),
            [[("u",)], 229, [("dbo",)]],
        )

    def test_other_databases(self) -> None:
        # MSSQLSERVER_916; a login is nobody where it has no user, if guest may not connect.
        self.sa.do("CREATE DATABASE e")
        self.assertEqual(self.user.error("USE e"), 916)
        self.assertEqual(self.user.error("USE nothing"), 911)
        self.assertEqual(self.user.error("SELECT * FROM [e].sys.objects"), 916)
        self.assertEqual(
            self.user.rows("SELECT HAS_DBACCESS('e'), HAS_DBACCESS('d'), HAS_DBACCESS('nothing')"), [(0, 1, None)]
        )
        self.user.do("USE master")
        self.assertEqual(self.user.value("SELECT USER_NAME()"), "guest")

    def test_roles_need_rights(self) -> None:
        self.login("admin")
        self.sa.do("GRANT ALTER ANY ROLE TO admin", "CREATE ROLE r")
        admin = self.open("admin")
        self.assertEqual(admin.error("ALTER ROLE db_owner ADD MEMBER admin"), 15151)
        self.assertEqual(self.user.error("ALTER ROLE r ADD MEMBER u"), 15151)
        self.assertEqual(self.user.error(f"ALTER LOGIN u WITH PASSWORD = N'{SECRET}x'"), 15151)
        self.user.do(f"ALTER LOGIN u WITH PASSWORD = N'{SECRET}x' OLD_PASSWORD = '{SECRET}'")
