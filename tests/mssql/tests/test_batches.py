"""What an error ends, scopes, text, collation."""

from standin.errors import SqlError
from standin.lexer import tokens

from .case import Case


class Batches(Case):
    def test_an_error_ends_its_statement(self) -> None:
        # "Database Engine error severities": 11 to 16 can be corrected by the user; XACT_ABORT OFF goes on.
        self.assertEqual(self.sa.answers("DROP LOGIN nobody; SELECT 1"), [15151, [(1,)]])
        self.assertEqual(self.sa.answers("SET XACT_ABORT ON; DROP LOGIN nobody; SELECT 1"), [15151])
        self.assertEqual(self.sa.answers("DROP LOGIN nobody; SELECT 1"), [15151], "the option belongs to the session")

    def test_names_are_resolved_late_and_end_the_scope(self) -> None:
        # "Deferred name resolution".
        self.assertEqual(self.sa.answers("SELECT 1; SELECT * FROM nothing; SELECT 2"), [[(1,)], 208])
        self.assertEqual(
            self.sa.answers("EXEC sp_executesql N'SELECT * FROM nothing; SELECT 1'; SELECT 2"), [208, [(2,)]]
        )
        self.assertEqual(self.sa.answers("SELECT nothing FROM sys.objects; SELECT 2"), [207])

    def test_syntax_is_checked_before_anything_runs(self) -> None:
        self.assertEqual(self.sa.answers("CREATE TABLE t (id int); SELECT )"), [102])
        self.assertIsNone(self.sa.value("SELECT OBJECT_ID('t')"))
        self.assertEqual(self.sa.answers("SELECT 'x"), [105])
        # "CREATE SCHEMA", "CREATE VIEW": the first statement of a batch.
        self.assertEqual(self.sa.answers("SELECT 1; CREATE VIEW v AS SELECT 1 AS a"), [111])

    def test_try_and_throw(self) -> None:
        # "TRY...CATCH": not what is compiled late in the same scope; "THROW" ends the batch.
        caught = "BEGIN CATCH SELECT ERROR_NUMBER() END CATCH"
        self.assertEqual(self.sa.answers(f"BEGIN TRY DROP LOGIN nobody; SELECT 1 END TRY {caught}"), [[(15151,)]])
        self.assertEqual(self.sa.answers(f"BEGIN TRY SELECT * FROM nothing END TRY {caught}"), [208])
        self.assertEqual(self.sa.answers(f"BEGIN TRY EXEC('SELECT * FROM nothing') END TRY {caught}"), [[(208,)]])
        self.assertEqual(self.sa.answers("THROW 50001, N'x', 1; SELECT 1"), [50001])
        self.assertEqual(self.sa.answers("RAISERROR('x', 16, 1); SELECT 1"), [50000, [(1,)]])
        self.assertEqual(
            self.sa.answers("BEGIN TRY DROP LOGIN nobody END TRY BEGIN CATCH THROW; SELECT 1 END CATCH"), [15151]
        )

    def test_use_ends_with_its_scope(self) -> None:
        # "USE": in dynamic SQL for that SQL alone. `[db].sys.sp_executesql` runs there.
        self.sa.do("EXEC sp_executesql N'USE master'")
        self.assertEqual(self.sa.value("SELECT DB_NAME()"), "d")
        self.assertEqual(self.sa.rows("EXEC [master].sys.sp_executesql N'SELECT DB_NAME()'"), [("master",)])
        self.assertEqual(self.sa.error("EXEC nothing"), 2812)
        self.sa.do("USE master")
        self.assertEqual(self.sa.value("SELECT DB_NAME()"), "master")

    def test_transactions(self) -> None:
        # DDL and DCL are transactional; XACT_ABORT rolls all of it back.
        self.sa.do("BEGIN TRAN; CREATE LOGIN u WITH PASSWORD = N'Aa1-secret'; ROLLBACK")
        self.assertEqual(self.sa.value("SELECT COUNT(*) FROM sys.server_principals WHERE name = 'u'"), 0)
        self.assertEqual(
            self.sa.answers("SET XACT_ABORT ON; BEGIN TRAN; CREATE TABLE t (id int); DROP LOGIN nobody; COMMIT"),
            [15151],
        )
        self.assertEqual(self.sa.rows("SELECT @@TRANCOUNT, OBJECT_ID('t')"), [(0, None)])
        self.assertEqual(self.sa.error("COMMIT"), 3902)

    def test_variables(self) -> None:
        self.assertEqual(
            self.sa.answers("DECLARE @a int = 1, @b nvarchar(3) = N'abcdef'; SET @a = @a + 1; SELECT @a, @b"),
            [[(2, "abc")]],
        )
        self.assertEqual(self.sa.error("SELECT @nothing"), 137)
        self.assertEqual(
            self.sa.answers(
                "DECLARE @a int; SELECT @a = COUNT(*) FROM sys.databases; IF @a >= 4 SELECT 1 ELSE SELECT 2"
            ),
            [[(1,)]],
        )


class Text(Case):
    def test_comparison(self) -> None:
        # "Collation and Unicode support": CI_AS. Blanks at the end do not count; LIKE is told them.
        for left, right, equal in (
            ("a", "A", True), ("a", "á", False), ("a", "a  ", True), ("a", " a", False), ("x😀", "x", True), ("x😀", "x😁", True),
        ):  # fmt: skip
            self.assertEqual(
                self.sa.value(f"SELECT CASE WHEN N'{left}' = N'{right}' THEN 1 ELSE 0 END"), int(equal), (left, right)
            )
        # Binary collations compare code points, padded too.
        for left, right, equal in (("a", "A", False), ("a", "a ", True), ("x😀", "x", False)):
            ask = f"SELECT CASE WHEN N'{left}' = N'{right}' COLLATE Latin1_General_100_BIN2 THEN 1 ELSE 0 END"
            self.assertEqual(self.sa.value(ask), int(equal), (left, right))
        self.assertEqual(self.sa.value("SELECT CASE WHEN N'a_b%' LIKE N'A[_]b[%]' THEN 1 ELSE 0 END"), 1)

    def test_names_follow_the_collation(self) -> None:
        self.sa.do("CREATE TABLE Name (id int)")
        self.assertEqual(self.sa.error("CREATE TABLE nAME (id int)"), 2714)
        self.assertEqual(self.sa.rows("SELECT name FROM sys.tables WHERE name = 'NAME'"), [("Name",)])

    def test_names_in_brackets_are_only_names(self) -> None:
        for name in ("@t", "@@version", "select", "a.b", "F_GLOBAL", "t;--", "CURRENT_USER", "a\nb"):
            self.sa.do(f"CREATE TABLE [{name}] (id int)", f"INSERT INTO [{name}] VALUES (1)")
            self.sa.do(f"UPDATE [{name}] SET id = 2 WHERE id = 1")
            self.assertEqual(self.sa.rows(f"SELECT * FROM [dbo].[{name}]"), [(2,)], name)
            self.sa.do(f"DELETE FROM [{name}] WHERE id = 2", f"DROP TABLE [{name}]")
        self.assertEqual(self.sa.rows("DECLARE @t TABLE (id int); INSERT INTO @t VALUES (3); SELECT id FROM @t"), [(3,)])

    def test_constants(self) -> None:
        # "Backslash (Line Continuation)", "Constants", "QUOTENAME", block comments nest ("Slash Star").
        self.assertEqual(self.sa.value("SELECT N'it''s' + N'a\\\nb'"), "it'sab")
        self.assertEqual(self.sa.value("SELECT N'a\\b'"), "a\\b")
        self.assertEqual(self.sa.value("SELECT QUOTENAME(N'a]b')"), "[a]]b]")
        self.assertIsNone(self.sa.value(f"SELECT QUOTENAME(N'{'x' * 129}')"))
        self.assertEqual(self.sa.value("SELECT /* a /* b */ c */ 1 -- d"), 1)
        with self.assertRaises(SqlError):
            tokens("/* /* */")

    def test_types(self) -> None:
        # "CAST and CONVERT": 30 characters without a length; char is padded. 8115: overflow; 245: no number.
        self.assertEqual(self.sa.value(f"SELECT CAST(N'{'x' * 40}' AS nvarchar)"), "x" * 30)
        self.assertEqual(self.sa.value("SELECT CAST('x' AS char(3))"), "x  ")
        self.assertEqual(self.sa.error("SELECT CAST(300 AS tinyint)"), 8115)
        self.assertEqual(self.sa.error("SELECT CAST('x' AS int)"), 245)
        self.assertEqual(self.sa.value("SELECT CONCAT(NULL, 1, N'x')"), "1x")
        self.assertIsNone(self.sa.value("SELECT NULL + N'x'"))

    def test_nothing_unknown_is_guessed(self) -> None:
        self.assertEqual(self.sa.error("SELECT * FROM OPENROWSET('x')"), 208)
        self.assertEqual(self.sa.error("CREATE TABLE #t (id int)"), 50000)
