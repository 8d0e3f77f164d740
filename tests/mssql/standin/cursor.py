"""Going through tokens."""

from __future__ import annotations

from .errors import SqlError
from .lexer import Kind, Token
from .statements import Name, Tokens, TypeName

# Words that begin a statement, where an expression cannot go on with them.
STARTERS = {
    "SELECT", "INSERT", "UPDATE", "DELETE", "CREATE", "ALTER", "DROP", "GRANT", "REVOKE", "DENY", "EXEC", "EXECUTE", "USE",
    "KILL", "PRINT", "RAISERROR", "THROW", "RETURN", "IF", "WHILE", "BEGIN", "DECLARE", "SET", "COMMIT", "ROLLBACK", "SAVE",
    "WAITFOR", "REVERT", "BREAK", "CONTINUE", "TRUNCATE", "MERGE", "RECONFIGURE", "OPEN", "CLOSE", "FETCH", "DEALLOCATE",
}  # fmt: skip
_SET_OPERATORS = {"UNION", "ALL", "EXCEPT", "INTERSECT"}


class Cursor:
    """A place in a list of tokens, the last of which is the end."""

    def __init__(self, tokens: Tokens) -> None:
        self.tokens = tokens
        self.at = 0

    def peek(self, ahead: int = 0) -> Token:
        return self.tokens[min(self.at + ahead, len(self.tokens) - 1)]

    def next(self) -> Token:
        token = self.peek()
        self.at = min(self.at + 1, len(self.tokens) - 1)
        return token

    def at_end(self) -> bool:
        return self.peek().kind is Kind.END

    def sees(self, *words: str) -> bool:
        """Whether the next tokens are these words."""
        return all(self.peek(n).upper == word for n, word in enumerate(words))

    def takes(self, *words: str) -> bool:
        """Goes past these words if they are next."""
        if self.sees(*words):
            self.at += len(words)
            return True
        return False

    def must(self, *words: str) -> None:
        for word in words:
            if not self.takes(word):
                raise self.wrong()

    def wrong(self) -> SqlError:
        token = self.peek()
        if token.kind is Kind.WORD and token.upper in STARTERS | {"END", "ELSE", "FROM", "TO", "ON", "AS", "WITH"}:
            return SqlError(156, token.text)
        return SqlError(102, token.text)

    def identifier(self) -> str:
        """A name of one part."""
        token = self.next()
        if token.kind in (Kind.WORD, Kind.QUOTED):
            return token.text
        self.at -= 1
        raise self.wrong()

    def name(self) -> Name:
        """A name of up to four parts; `a..b` leaves the schema out."""
        parts = [self.identifier()]
        while self.takes("."):
            if self.sees("."):
                parts.append("")
            else:
                parts.append(self.identifier())
        return Name(tuple(parts))

    def literal(self) -> str:
        """A string."""
        token = self.next()
        if token.kind is not Kind.STRING:
            self.at -= 1
            raise self.wrong()
        return token.text

    def type_name(self) -> TypeName:
        name = self.name().name.lower()
        size = None
        if self.takes("("):
            token = self.next()
            size = -1 if token.upper == "MAX" else int(token.text)
            while not self.takes(")"):
                self.next()
        return TypeName(name, size)

    def parenthesised(self) -> Tokens:
        """What stands between this parenthesis and its counterpart."""
        self.must("(")
        inside = self.until(lambda token: token.upper == ")")
        self.must(")")
        return inside

    def until(self, stop) -> Tokens:
        """Tokens up to one outside of parentheses and CASE for which `stop` holds, or that ends the statement."""
        taken: Tokens = []
        depth = cases = 0
        while not self.at_end():
            token = self.peek()
            word = token.upper
            if depth == 0 and cases == 0 and (stop(token) or self._statement_ends(token, taken)):
                break
            depth += (word == "(") - (word == ")")
            if depth < 0:
                raise self.wrong()
            cases += (word == "CASE") - (word == "END" and cases > 0)
            taken.append(self.next())
        return taken

    def expression(self, *stops: str) -> Tokens:
        """An expression or query up to one of these words."""
        return self.until(lambda token: token.upper in stops)

    def _statement_ends(self, token: Token, taken: Tokens) -> bool:
        word = token.upper
        if word == ";" or word in ("END", "ELSE"):
            return True
        if word == "WITH":
            # A table's hint, if not a common table expression.
            return bool(taken) and self.peek(1).upper != "("
        if word not in STARTERS or not taken:
            return False
        last = taken[-1].upper
        if word == "SELECT":
            if last in _SET_OPERATORS:
                return False
            # The query of a common table expression is still to come.
            return taken[0].upper != "WITH" or any(earlier.upper == "SELECT" for earlier in outermost(taken))
        return last != "."


def outermost(tokens: Tokens) -> Tokens:
    """Those outside of parentheses."""
    found: Tokens = []
    depth = 0
    for token in tokens:
        depth += (token.upper == "(") - (token.upper == ")")
        if depth == 0:
            found.append(token)
    return found


def split(tokens: Tokens, separator: str = ",") -> list[Tokens]:
    """At separators outside of parentheses."""
    parts: list[Tokens] = [[]]
    depth = 0
    for token in tokens:
        depth += (token.upper == "(") - (token.upper == ")")
        if depth == 0 and token.upper == separator:
            parts.append([])
        else:
            parts[-1].append(token)
    return parts if parts != [[]] else []
