"""Statements that create, alter, drop and secure things, from tokens."""

from __future__ import annotations

from .cursor import Cursor
from .errors import SqlError, unknown
from .lexer import Kind
from .statements import (
    AlterAuthorization,
    AlterDatabase,
    CreateDatabase,
    CreatePrincipal,
    CreateSchema,
    CreateTable,
    CreateView,
    Drop,
    Membership,
    Permissions,
    Statement,
)  # fmt: skip


def _create(cursor: Cursor) -> Statement:
    cursor.must("CREATE")
    or_alter = cursor.takes("OR", "ALTER")
    match cursor.next().upper:
        case "LOGIN":
            return _login(cursor, "CREATE")
        case "USER":
            return _user(cursor, "CREATE")
        case "ROLE":
            name = cursor.identifier()
            owner = cursor.identifier() if cursor.takes("AUTHORIZATION") else ""
            return CreatePrincipal("CREATE", "ROLE", name, {"owner": owner})
        case "SERVER":
            cursor.must("ROLE")
            return CreatePrincipal("CREATE", "SERVER ROLE", cursor.identifier())
        case "SCHEMA":
            name = "" if cursor.sees("AUTHORIZATION") else cursor.identifier()
            owner = cursor.identifier() if cursor.takes("AUTHORIZATION") else ""
            return CreateSchema(name or owner, owner)
        case "TABLE":
            from .parser import columns

            return CreateTable(cursor.name(), columns(cursor))
        case "VIEW":
            return _view(cursor, or_alter)
        case "DATABASE":
            return _database(cursor)
    cursor.at -= 1
    raise cursor.wrong()


def _view(cursor: Cursor, or_alter: bool) -> Statement:
    view = cursor.name()
    names = [token.text for token in cursor.parenthesised() if token.upper != ","] if cursor.sees("(") else []
    cursor.must("AS")
    return CreateView(view, cursor.expression(), names, or_alter)


def _database(cursor: Cursor) -> Statement:
    name = cursor.identifier()
    contained, collation = False, ""
    while not cursor.at_end() and not cursor.sees(";"):
        if cursor.takes("CONTAINMENT", "="):
            contained = cursor.takes("PARTIAL")
            if not contained:
                cursor.must("NONE")
        elif cursor.takes("COLLATE"):
            collation = cursor.identifier()
        elif cursor.sees("("):
            # Azure: the edition and size.
            cursor.parenthesised()
        else:
            break
    return CreateDatabase(name, contained, collation)


def _alter(cursor: Cursor) -> Statement:
    cursor.must("ALTER")
    match cursor.next().upper:
        case "LOGIN":
            return _login(cursor, "ALTER")
        case "USER":
            return _user(cursor, "ALTER")
        case "ROLE":
            return _membership(cursor, server=False)
        case "SERVER":
            cursor.must("ROLE")
            return _membership(cursor, server=True)
        case "DATABASE":
            name = "" if cursor.takes("CURRENT") else cursor.identifier()
            words = []
            while not cursor.at_end() and not cursor.sees(";"):
                words.append(cursor.next().upper)
            return AlterDatabase(name, " ".join(words))
        case "AUTHORIZATION":
            cursor.must("ON")
            kind = "OBJECT"
            if cursor.peek(1).upper == "::":
                kind = cursor.next().upper
                cursor.next()
            entity = cursor.name()
            cursor.must("TO")
            owner = "" if cursor.takes("SCHEMA", "OWNER") else cursor.identifier()
            return AlterAuthorization(kind, entity, owner)
    cursor.at -= 1
    raise cursor.wrong()


def _membership(cursor: Cursor, *, server: bool) -> Statement:
    role = cursor.identifier()
    action = cursor.next().upper
    if action not in ("ADD", "DROP"):
        cursor.at -= 1
        raise cursor.wrong()
    cursor.must("MEMBER")
    return Membership(server, role, action, cursor.identifier())


def _password(cursor: Cursor) -> str | bytes:
    token = cursor.next()
    if token.kind is Kind.BINARY:
        cursor.must("HASHED")
        return bytes.fromhex(token.text[2:])
    if token.kind is not Kind.STRING:
        # Neither a variable nor an expression: "password: is of type nvarchar ... a literal".
        cursor.at -= 1
        raise cursor.wrong()
    return token.text


def _login(cursor: Cursor, action: str) -> Statement:
    name = cursor.identifier()
    options: dict[str, object] = {}
    if action == "CREATE" and cursor.takes("FROM"):
        if cursor.takes("WINDOWS"):
            raise SqlError(15401, name)
        raise unknown("CREATE LOGIN ... FROM")
    if cursor.takes("ENABLE") or cursor.takes("DISABLE"):
        options["disabled"] = cursor.tokens[cursor.at - 1].upper == "DISABLE"
        return CreatePrincipal(action, "LOGIN", name, options)
    cursor.must("WITH")
    while True:
        option = cursor.next().upper
        cursor.must("=")
        match option:
            case "PASSWORD":
                options["password"] = _password(cursor)
                while cursor.peek().upper in ("MUST_CHANGE", "UNLOCK", "HASHED"):
                    options[cursor.next().upper.lower()] = True
                if cursor.takes("OLD_PASSWORD"):
                    cursor.must("=")
                    options["old_password"] = cursor.literal()
            case "OLD_PASSWORD":
                options["old_password"] = cursor.literal()
            case "SID":
                options["sid"] = bytes.fromhex(cursor.next().text[2:])
            case "DEFAULT_DATABASE" | "DEFAULT_LANGUAGE" | "NAME":
                options[option.lower()] = cursor.identifier()
            case "CHECK_POLICY" | "CHECK_EXPIRATION":
                word = cursor.next().upper
                if word not in ("ON", "OFF"):
                    cursor.at -= 1
                    raise cursor.wrong()
                options[option.lower()] = word == "ON"
            case _:
                cursor.at -= 2
                raise cursor.wrong()
        if not cursor.takes(","):
            return CreatePrincipal(action, "LOGIN", name, options)


def _user(cursor: Cursor, action: str) -> Statement:
    name = cursor.identifier()
    options: dict[str, object] = {}
    if action == "CREATE":
        if cursor.takes("WITHOUT", "LOGIN"):
            options["without_login"] = True
        elif cursor.takes("FOR", "LOGIN") or cursor.takes("FROM", "LOGIN"):
            options["login"] = cursor.identifier()
        elif cursor.takes("FROM", "EXTERNAL", "PROVIDER"):
            raise unknown("CREATE USER ... FROM EXTERNAL PROVIDER")
    if not cursor.takes("WITH"):
        return CreatePrincipal(action, "USER", name, options)
    while True:
        option = cursor.next().upper
        cursor.must("=")
        match option:
            case "PASSWORD":
                options["password"] = _password(cursor)
                if cursor.takes("OLD_PASSWORD"):
                    cursor.must("=")
                    options["old_password"] = cursor.literal()
            case "DEFAULT_SCHEMA" | "LOGIN" | "NAME" | "DEFAULT_LANGUAGE":
                options[option.lower()] = cursor.identifier()
            case "SID":
                options["sid"] = bytes.fromhex(cursor.next().text[2:])
            case _:
                cursor.at -= 2
                raise cursor.wrong()
        if not cursor.takes(","):
            return CreatePrincipal(action, "USER", name, options)


_DROPPED = {"TABLE", "VIEW", "SCHEMA", "USER", "LOGIN", "ROLE", "DATABASE", "PROCEDURE"}


def _drop(cursor: Cursor) -> Statement:
    cursor.must("DROP")
    kind = cursor.next().upper
    if kind == "SERVER":
        cursor.must("ROLE")
        kind = "SERVER ROLE"
    elif kind not in _DROPPED:
        cursor.at -= 1
        raise cursor.wrong()
    if kind == "LOGIN" and cursor.sees("IF"):
        # DROP LOGIN is the one that has no IF EXISTS.
        raise cursor.wrong()
    if_exists = cursor.takes("IF", "EXISTS")
    names = [cursor.name()]
    while cursor.takes(","):
        names.append(cursor.name())
    return Drop(kind, names, if_exists)


def _permissions(cursor: Cursor) -> Statement:
    verb = cursor.next().upper
    option = cursor.takes("GRANT", "OPTION", "FOR") if verb == "REVOKE" else False
    permissions = []
    while True:
        words = []
        while cursor.peek().kind is Kind.WORD and cursor.peek().upper not in ("ON", "TO", "FROM"):
            words.append(cursor.next().upper)
        if not words:
            raise cursor.wrong()
        if words == ["ALL", "PRIVILEGES"]:
            words = ["ALL"]
        permissions.append((" ".join(words), _columns(cursor)))
        if not cursor.takes(","):
            break
    kind, securable, columns = "", None, []
    if cursor.takes("ON"):
        kind = "OBJECT"
        words = []
        ahead = 0
        while cursor.peek(ahead).kind is Kind.WORD:
            words.append(cursor.peek(ahead).upper)
            ahead += 1
        if cursor.peek(ahead).upper == "::":
            kind = " ".join(words)
            cursor.at += ahead + 1
        securable = cursor.name()
        columns = _columns(cursor)
    if not (cursor.takes("TO") or (verb == "REVOKE" and cursor.takes("FROM"))):
        raise cursor.wrong()
    principals = [cursor.identifier()]
    while cursor.takes(","):
        principals.append(cursor.identifier())
    if verb == "GRANT" and cursor.takes("WITH", "GRANT", "OPTION"):
        option = True
    cascade = cursor.takes("CASCADE") if verb != "GRANT" else False
    grantor = cursor.identifier() if cursor.takes("AS") else ""
    return Permissions(verb, permissions, kind, securable, columns, principals, option, cascade, grantor)


def _columns(cursor: Cursor) -> list[str]:
    return [token.text for token in cursor.parenthesised() if token.upper != ","] if cursor.sees("(") else []


STATEMENTS = {
    "CREATE": _create, "ALTER": _alter, "DROP": _drop, "GRANT": _permissions, "REVOKE": _permissions, "DENY": _permissions,
}  # fmt: skip
