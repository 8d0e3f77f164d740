"""A batch's tokens to statements: control of flow, variables, data. What creates and secures things is in `ddl`."""

from __future__ import annotations

from . import ddl
from .cursor import Cursor, split
from .errors import SqlError
from .lexer import Kind, tokens
from .statements import (
    Argument,
    Block,
    Column,
    Declare,
    DeclareTable,
    Delete,
    Execute,
    ExecuteAs,
    If,
    Insert,
    Jump,
    Select,
    SetOption,
    SetVariable,
    Simple,
    Statement,
    Tokens,
    Try,
    Update,
    While,
)  # fmt: skip

_ALONE = {"CREATE SCHEMA", "CREATE VIEW", "ALTER VIEW", "CREATE PROCEDURE"}


def parse(text: str) -> list[Statement]:
    """The statements of a batch; nothing of it is run when one of them cannot be read."""
    cursor = Cursor(tokens(text))
    body: list[Statement] = []
    while True:
        while cursor.takes(";"):
            pass
        if cursor.at_end():
            return body
        first = f"{cursor.peek().upper} {cursor.peek(1).upper}"
        if first in _ALONE and body:
            raise SqlError(111, first)
        if not body and cursor.peek().kind in (Kind.WORD, Kind.QUOTED) and not _known(cursor):
            # The first statement of a batch may be a procedure's name alone.
            body.append(_execute_procedure(cursor))
        else:
            body.append(_statement(cursor))


def _known(cursor: Cursor) -> bool:
    return cursor.peek().upper in _STATEMENTS or cursor.peek().upper in ddl.STATEMENTS


def _statement(cursor: Cursor) -> Statement:
    while cursor.takes(";"):
        pass
    word = cursor.peek().upper
    if word in _STATEMENTS:
        return _STATEMENTS[word](cursor)
    if word in ddl.STATEMENTS:
        return ddl.STATEMENTS[word](cursor)
    raise cursor.wrong()


def _until_end(cursor: Cursor, *end: str) -> list[Statement]:
    body: list[Statement] = []
    while True:
        while cursor.takes(";"):
            pass
        if cursor.takes(*end):
            return body
        if cursor.at_end():
            raise cursor.wrong()
        body.append(_statement(cursor))


def _begin(cursor: Cursor) -> Statement:
    cursor.must("BEGIN")
    if cursor.takes("TRY"):
        body = _until_end(cursor, "END", "TRY")
        while cursor.takes(";"):
            pass
        cursor.must("BEGIN", "CATCH")
        return Try(body, _until_end(cursor, "END", "CATCH"))
    if cursor.takes("TRAN") or cursor.takes("TRANSACTION"):
        _transaction_name(cursor)
        return Simple("BEGIN")
    return Block(_until_end(cursor, "END"))


def _transaction_name(cursor: Cursor) -> None:
    if (
        cursor.peek().kind in (Kind.WORD, Kind.QUOTED, Kind.VARIABLE)
        and not _known(cursor)
        and cursor.peek().upper != "END"
    ):
        cursor.next()


def _commit(cursor: Cursor) -> Statement:
    kind = cursor.next().upper
    if cursor.takes("TRAN") or cursor.takes("TRANSACTION"):
        _transaction_name(cursor)
    elif not cursor.takes("WORK"):
        pass
    return Simple(kind)


def _if(cursor: Cursor) -> Statement:
    cursor.must("IF")
    condition = cursor.expression()
    then = _statement(cursor)
    ahead = 0
    while cursor.peek(ahead).upper == ";":
        ahead += 1
    if cursor.peek(ahead).upper != "ELSE":
        return If(condition, then, None)
    cursor.at += ahead + 1
    return If(condition, then, _statement(cursor))


def _while(cursor: Cursor) -> Statement:
    cursor.must("WHILE")
    return While(cursor.expression(), _statement(cursor))


def _jump(cursor: Cursor) -> Statement:
    kind = cursor.next().upper
    return Jump(kind, cursor.expression() if kind == "RETURN" else [])


def _declare(cursor: Cursor) -> Statement:
    cursor.must("DECLARE")
    variables = []
    while True:
        name = _variable(cursor)
        cursor.takes("AS")
        if cursor.takes("TABLE"):
            return DeclareTable(name, columns(cursor))
        kind = cursor.type_name()
        value = cursor.expression(",") if cursor.takes("=") else []
        variables.append((name, kind, value))
        if not cursor.takes(","):
            return Declare(variables)


def _variable(cursor: Cursor) -> str:
    token = cursor.next()
    if token.kind is not Kind.VARIABLE:
        cursor.at -= 1
        raise cursor.wrong()
    return token.text


def columns(cursor: Cursor) -> list[Column]:
    """The columns of a table, in parentheses. Constraints other than NOT NULL are read and not kept."""
    inside = cursor.parenthesised()
    found = []
    for part in split(inside):
        own = Cursor([*part, cursor.tokens[-1]])
        if own.peek().upper in ("CONSTRAINT", "PRIMARY", "UNIQUE", "INDEX", "CHECK", "FOREIGN"):
            continue
        name, kind = own.identifier(), own.type_name()
        rest = [token.upper for token in own.tokens[own.at :]]
        nullable = not any(a == "NOT" and b == "NULL" for a, b in zip(rest, rest[1:])) and "PRIMARY" not in rest
        found.append(Column(name, kind, nullable, "IDENTITY" in rest))
    return found


def _set(cursor: Cursor) -> Statement:
    cursor.must("SET")
    if cursor.peek().kind is Kind.VARIABLE:
        name = _variable(cursor)
        cursor.must("=")
        return SetVariable(name, cursor.expression())
    if cursor.takes("TRANSACTION", "ISOLATION", "LEVEL"):
        words = [token.upper for token in cursor.expression()]
        return SetOption(["TRANSACTION ISOLATION LEVEL"], " ".join(words))
    names = [cursor.identifier().upper()]
    while cursor.takes(","):
        names.append(cursor.identifier().upper())
    if names[0] == "IDENTITY_INSERT":
        cursor.name()
    value = "".join(token.sql() for token in cursor.expression() or [cursor.next()])
    return SetOption(names, value.upper())


def _select(cursor: Cursor) -> Statement:
    query = cursor.expression()
    if len(query) < 2:
        raise cursor.wrong()
    if query[0].upper != "SELECT" or len(query) < 4 or query[1].kind is not Kind.VARIABLE or query[2].upper != "=":
        return Select(query)
    end = Cursor([*query[1:], cursor.tokens[-1]])
    listed = end.expression("FROM", "WHERE", "ORDER", "OPTION")
    assigns = []
    for part in split(listed):
        if len(part) < 3 or part[0].kind is not Kind.VARIABLE or part[1].upper != "=":
            raise SqlError(
                141,
                text="A SELECT statement that assigns a value to a variable must not be combined with data-retrieval operations.",
            )
        assigns.append((part[0].text, part[2:]))
    return Select(query, assigns, end.tokens[end.at : -1])


def _insert(cursor: Cursor) -> Statement:
    cursor.must("INSERT")
    cursor.takes("INTO")
    table = _table(cursor)
    names: list[str] = []
    if cursor.sees("("):
        names = [part[0].text for part in split(cursor.parenthesised())]
    if cursor.takes("DEFAULT", "VALUES"):
        return Insert(table, [], [[]], [])
    if cursor.sees("EXEC") or cursor.sees("EXECUTE"):
        source = _execute(cursor)
        assert isinstance(source, Execute)
        return Insert(table, names, [], [], source)
    if not cursor.takes("VALUES"):
        return Insert(table, names, [], cursor.expression())
    rows = [split(cursor.parenthesised())]
    while cursor.takes(","):
        rows.append(split(cursor.parenthesised()))
    return Insert(table, names, rows, [])


def _table(cursor: Cursor):
    """A table, or a table variable."""
    from .statements import Name

    if cursor.peek().kind is Kind.VARIABLE:
        return Name((_variable(cursor),), variable=True)
    return cursor.name()


def _update(cursor: Cursor) -> Statement:
    cursor.must("UPDATE")
    table = _table(cursor)
    cursor.must("SET")
    values = []
    while True:
        column = cursor.name().name
        cursor.must("=")
        values.append((column, cursor.expression(",", "WHERE", "FROM")))
        if not cursor.takes(","):
            break
    return Update(table, values, cursor.expression() if cursor.takes("WHERE") else [])


def _delete(cursor: Cursor) -> Statement:
    cursor.must("DELETE")
    cursor.takes("FROM")
    return Delete(_table(cursor), cursor.expression() if cursor.takes("WHERE") else [])


def _execute(cursor: Cursor) -> Statement:
    cursor.next()
    if cursor.takes("AS"):
        kind = cursor.next().upper
        if kind == "CALLER":
            return Simple("AS CALLER")
        if kind not in ("USER", "LOGIN"):
            raise cursor.wrong()
        cursor.must("=")
        name = cursor.literal()
        if cursor.takes("WITH"):
            cursor.must("NO", "REVERT")
        return ExecuteAs(kind, name)
    if cursor.sees("("):
        return Execute(None, [Argument("", cursor.parenthesised())])
    return _execute_procedure(cursor)


def _execute_procedure(cursor: Cursor) -> Execute:
    result = ""
    if cursor.peek().kind is Kind.VARIABLE:
        result = _variable(cursor)
        cursor.must("=")
    procedure = cursor.name()
    arguments: list[Argument] = []
    while not cursor.at_end() and not cursor.sees(";") and (arguments or not _known(cursor)) and not cursor.sees("END"):
        name = ""
        if cursor.peek().kind is Kind.VARIABLE and cursor.peek(1).upper == "=":
            name = _variable(cursor)
            cursor.must("=")
        value: Tokens = []
        if cursor.takes("-"):
            value.append(cursor.tokens[cursor.at - 1])
        token = cursor.next()
        if token.kind is Kind.SYMBOL:
            cursor.at -= 1
            raise cursor.wrong()
        value.append(token)
        output = cursor.takes("OUTPUT") or cursor.takes("OUT")
        arguments.append(Argument(name, value, output))
        if not cursor.takes(","):
            break
    return Execute(procedure, arguments, result)


def _use(cursor: Cursor) -> Statement:
    cursor.must("USE")
    return Simple("USE", name=cursor.identifier())


def _with_expressions(cursor: Cursor) -> Statement:
    """Statements whose arguments are expressions."""
    kind = cursor.next().upper
    if kind == "RAISERROR":
        arguments = split(cursor.parenthesised())
        if cursor.takes("WITH"):
            arguments.append(cursor.expression())
        return Simple(kind, arguments)
    return Simple(kind, split(cursor.expression()))


def _waitfor(cursor: Cursor) -> Statement:
    cursor.must("WAITFOR", "DELAY")
    return Simple("WAITFOR", [cursor.expression()])


def _reconfigure(cursor: Cursor) -> Statement:
    cursor.must("RECONFIGURE")
    if cursor.takes("WITH"):
        cursor.must("OVERRIDE")
    return Simple("RECONFIGURE")


def _revert(cursor: Cursor) -> Statement:
    cursor.must("REVERT")
    return Simple("REVERT")


_STATEMENTS = {
    "BEGIN": _begin, "COMMIT": _commit, "ROLLBACK": _commit, "IF": _if, "WHILE": _while, "BREAK": _jump, "CONTINUE": _jump,
    "RETURN": _jump, "DECLARE": _declare, "SET": _set, "SELECT": _select, "WITH": _select, "INSERT": _insert, "UPDATE": _update,
    "DELETE": _delete, "EXEC": _execute, "EXECUTE": _execute, "USE": _use, "KILL": _with_expressions, "PRINT": _with_expressions,
    "THROW": _with_expressions, "RAISERROR": _with_expressions, "WAITFOR": _waitfor, "RECONFIGURE": _reconfigure,
    "REVERT": _revert,
}  # fmt: skip
