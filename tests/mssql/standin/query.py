"""SELECT: sqlglot reads it, sqlite computes it, over tables that are filled with what this session sees.

Names that sqlite does not know become functions of `functions`; comparisons are made under the server's collation. What has no
counterpart in sqlite raises an error rather than another answer.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import sqlglot
from sqlglot import exp
from sqlglot.dialects import sqlite as sqlite_dialect
from sqlglot.errors import ParseError, TokenError

from . import collation, functions, infer
from .errors import SqlError, unknown
from .lexer import Kind, Token
from .statements import Name, Tokens, TypeName
from .types import convert

if TYPE_CHECKING:
    from .session import Session


class _Sqlite(sqlite_dialect.SQLite):
    """sqlite takes a name in double quotes for a string where there is no such column, one in backticks never."""

    class Tokenizer(sqlite_dialect.SQLite.Tokenizer):
        IDENTIFIERS = ["`"]


@dataclass
class Relation:
    """A table that a query can be about."""

    columns: list[tuple[str, TypeName]]
    rows: list[tuple]
    collation: str = collation.DEFAULT


@dataclass
class Result:
    columns: list[tuple[str, TypeName]]
    rows: list[tuple]


@dataclass
class _Plan:
    tables: list[tuple[str, Name]] = field(default_factory=list)


_NILADIC = {"SYSTEM_USER", "SESSION_USER", "CURRENT_USER", "USER", "CURRENT_TIMESTAMP"}
_COMPARISONS = (exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.In, exp.Between)


def select(session: Session, tokens: Tokens) -> Result:
    """The answer to a query."""
    tree = _parsed(tokens)
    return _Run(session).answer(tree)


def scalar(session: Session, tokens: Tokens) -> object:
    """An expression's value."""
    if not tokens:
        return None
    if len(tokens) == 1:
        # Most are literals and variables.
        token = tokens[0]
        if token.kind is Kind.STRING:
            return token.text
        if token.kind is Kind.VARIABLE:
            return functions.variable(session, token.text)
    result = select(session, [Token(Kind.WORD, "SELECT"), *tokens])
    return result.rows[0][0]


def holds(session: Session, condition: Tokens) -> bool:
    """Whether a condition is true, not unknown."""
    words = "SELECT CASE WHEN".split(), "THEN 1 ELSE 0 END".split()
    before, after = ([Token(Kind.WORD, word) for word in some] for some in words)
    return scalar(session, [*before[1:], *condition, *after]) == 1


def _written(tokens: Tokens) -> str:
    """The tokens as text for sqlglot, with our functions under names of their own."""
    parts = []
    for at, token in enumerate(tokens):
        following = tokens[at + 1].upper if at + 1 < len(tokens) else ""
        before = tokens[at - 1].upper if at else ""
        if token.kind is Kind.GLOBAL:
            parts.append(f"F_GLOBAL('{token.text[2:].upper()}')")
        elif (
            token.kind is Kind.WORD
            and following == "("
            and functions.is_known(token.text)
            and before not in (".", "AS")
        ):
            parts.append("F_" + token.text.upper())
        elif token.kind is Kind.WORD and token.upper in _NILADIC and following != "." and before not in (".", "AS"):
            parts.append(f"F_{token.upper}()")
        elif token.kind is Kind.WORD and token.upper in ("SYS", "FN") and following == ".":
            parts.append(token.text)
        elif token.kind is Kind.BINARY:
            parts.append(f"F_BINARY('{token.text[2:]}')")
        else:
            parts.append(token.sql())
    return " ".join(parts)


def _parsed(tokens: Tokens) -> exp.Expression:
    text = _written(tokens)
    try:
        tree = sqlglot.parse_one(text, read="tsql")
    except (ParseError, TokenError):
        words = [token.text for token in tokens]
        raise SqlError(102, words[-1] if words else "") from None
    if not isinstance(tree, exp.Query):
        raise unknown("a query that begins with " + tokens[0].text)
    return tree


class _Run:
    """One query of a session."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.relations: dict[str, Relation] = {}
        self.failed: SqlError | None = None
        self.database = sqlite3.connect(":memory:")
        self.database.create_collation("SERVER", collation.compare_default)
        self.database.create_collation("BINARY_PADDED", collation.compare_binary)
        self.parameters: dict[str, object] = {}

    def answer(self, tree: exp.Expression) -> Result:
        try:
            self._fill(tree)
            columns = infer.columns(tree, self.relations, self.session)
            tree = self._translated(tree)
            text = tree.sql(dialect=_Sqlite, identify=True)
            try:
                rows = self.database.execute(text, self.parameters).fetchall()
            except sqlite3.OperationalError as error:
                raise self.failed or self._meant(str(error)) from None
            except (sqlite3.ProgrammingError, sqlite3.Error) as error:
                raise self.failed or unknown(f"{error}") from None
            return Result(columns, [self._typed(row, columns) for row in rows])
        finally:
            self.database.close()

    @staticmethod
    def _typed(row: tuple, columns: list[tuple[str, TypeName]]) -> tuple:
        return tuple(
            convert(value, kind, cast=False)
            if kind.name in ("int", "bigint", "smallint", "tinyint", "bit", "char", "nchar")
            else value
            for value, (_, kind) in zip(row, columns, strict=True)
        )

    @staticmethod
    def _meant(message: str) -> SqlError:
        kind, _, name = message.partition(": ")
        if kind == "no such column":
            return SqlError(207, name.rpartition(".")[2])
        if kind == "no such function":
            return SqlError(195, name)
        return unknown(message)

    def _fill(self, tree: exp.Expression) -> None:
        """Makes every table that the query is about, with the rows that this session sees."""
        named = {cte.alias.lower() for cte in tree.find_all(exp.CTE)}
        starred = any(not isinstance(star.parent, exp.Count) for star in tree.find_all(exp.Star))
        wanted = None if starred else {column.name.lower() for column in tree.find_all(exp.Column)}
        for table in list(tree.find_all(exp.Table)):
            if isinstance(table.this, exp.Identifier):
                parts = [part.name for part in table.parts]
                if len(parts) == 1 and parts[0].lower() in named:
                    continue
                relation = functions.relation(self.session, Name(tuple(parts)), wanted)
            elif isinstance(table.this, exp.Parameter):
                parts = ["@" + table.this.name]
                relation = functions.relation(self.session, Name(tuple(parts), variable=True))
            else:
                call = table.this
                arguments = [self._constant(argument) for argument in getattr(call, "expressions", [])]
                relation = functions.table_function(self.session, call.name or call.sql_name(), arguments)
                parts = [call.name]
            name = f"t{len(self.relations)}"
            self.relations[name] = relation
            self._make(name, relation)
            alias = table.args.get("alias")
            if alias is None:
                alias = exp.TableAlias(this=exp.to_identifier(parts[-1], quoted=True))
            replacement = exp.Table(this=exp.to_identifier(name), alias=alias)
            table.replace(replacement)

    def _constant(self, expression: exp.Expression) -> object:
        """An argument of a table-valued function."""
        tree = exp.Select(expressions=[expression.copy()])
        return _Run(self.session).answer(tree).rows[0][0]

    def _make(self, name: str, relation: Relation) -> None:
        own = "BINARY_PADDED" if collation.is_case_sensitive(relation.collation) else "SERVER"
        affinity = {
            "nvarchar": "TEXT",
            "varchar": "TEXT",
            "char": "TEXT",
            "nchar": "TEXT",
            "sysname": "TEXT",
            "varbinary": "BLOB",
        }
        declared = [
            f"`{column.replace('`', '``')}` {affinity.get(kind.name, 'NUMERIC' if kind.name in _NUMBERS else 'TEXT')} COLLATE {own}"
            for column, kind in relation.columns
        ]
        self.database.execute(f"CREATE TABLE `{name}` ({', '.join(declared)})")
        marks = ", ".join("?" * len(declared))
        rows = [[str(value) if hasattr(value, "isoformat") else value for value in row] for row in relation.rows]
        self.database.executemany(f"INSERT INTO `{name}` VALUES ({marks})", rows)

    def _translated(self, tree: exp.Expression) -> exp.Expression:
        # Children before their parents.
        for node in reversed(list(tree.bfs())):
            new = self._node(node)
            if new is not node:
                if node is tree:
                    return new
                node.replace(new)
        return tree

    def _node(self, node: exp.Expression) -> exp.Expression:
        if isinstance(node, exp.Parameter):
            name = f"v{len(self.parameters)}"
            self.parameters[name] = _storable(functions.variable(self.session, "@" + node.name))
            return exp.Placeholder(this=name)
        if isinstance(node, exp.National):
            return exp.Literal.string(node.name)
        if isinstance(node, exp.Anonymous) and node.name.upper().startswith("F_"):
            return self._call(node.name.upper()[2:], node.expressions)
        if isinstance(node, exp.Add):
            return self._call("ADD", [node.this, node.expression])
        if isinstance(node, exp.Escape):
            like = node.this
            return self._like(like, node.expression)
        if isinstance(node, exp.Like) and not isinstance(node.parent, exp.Escape):
            return self._like(node, exp.Null())
        if isinstance(node, exp.Cast):
            kind = infer.data_type(node.to)
            size = exp.Null() if kind.size is None else exp.Literal.number(kind.size)
            return self._call("CONVERTED", [node.this, exp.Literal.string(kind.name), size])
        if isinstance(node, exp.Convert):
            kind = infer.data_type(node.this)
            size = exp.Null() if kind.size is None else exp.Literal.number(kind.size)
            return self._call("CONVERTED", [node.expression, exp.Literal.string(kind.name), size])
        if isinstance(node, exp.Collate):
            name = "BINARY_PADDED" if collation.is_case_sensitive(node.expression.name) else "SERVER"
            if node.expression.name.upper() in ("DATABASE_DEFAULT", "CATALOG_DEFAULT"):
                name = "SERVER"
            return exp.Collate(this=node.this, expression=exp.to_identifier(name))
        if isinstance(node, exp.Lateral):
            raise unknown("APPLY")
        if isinstance(node, _COMPARISONS):
            self._compare(node)
        if isinstance(node, exp.Case) and node.this is not None:
            node.set("this", _collated(node.this))
        return node

    def _compare(self, node: exp.Expression) -> None:
        """A comparison without a collation of its own, and not of columns alone, is made under the server's."""
        left = node.this
        sides = [left, *([node.expression] if isinstance(node, exp.Binary) else node.expressions)]
        if any(_has_collation(side) for side in sides):
            return
        if isinstance(left, (exp.Tuple, exp.Subquery)) or any(isinstance(side, exp.Column) for side in sides):
            if not isinstance(left, exp.Column) and len(sides) == 2 and isinstance(sides[1], exp.Column):
                return
            if isinstance(left, exp.Column):
                return
        if not isinstance(left, exp.Tuple):
            node.set("this", _collated(left))

    def _like(self, like: exp.Expression, escape: exp.Expression) -> exp.Expression:
        left = like.this
        binary = bool(like.find(exp.Collate)) and any(
            collation.is_case_sensitive(c.expression.name) for c in like.find_all(exp.Collate)
        )
        call = self._call("LIKE", [left, like.expression, escape, exp.Literal.number(int(binary))])
        return exp.EQ(this=call, expression=exp.Literal.number(1))

    def _call(self, name: str, arguments: list[exp.Expression]) -> exp.Expression:
        """A call of one of our functions."""
        own = f"f_{name.lower()}_{len(arguments)}"

        def run(*values: object) -> object:
            try:
                return _storable(functions.call(self.session, name, values))
            except SqlError as error:
                self.failed = self.failed or error
                raise

        self.database.create_function(own, len(arguments), run)
        return exp.Anonymous(this=own, expressions=[argument.copy() for argument in arguments])


def _collated(node: exp.Expression) -> exp.Expression:
    made = exp.Collate(this=node, expression=exp.to_identifier("SERVER"))
    made.meta["implied"] = True
    return made


def _has_collation(node: exp.Expression | None) -> bool:
    """Whether somebody wrote one."""
    return node is not None and any("implied" not in found.meta for found in node.find_all(exp.Collate))


_NUMBERS = {"int", "bigint", "smallint", "tinyint", "bit", "float", "real"}


def _storable(value: object) -> object:
    if isinstance(value, bool):
        return int(value)
    if hasattr(value, "isoformat"):
        return str(value)
    return value
