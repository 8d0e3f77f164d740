"""Transact-SQL text to tokens ("Transact-SQL syntax conventions", "Database identifiers", "Constants")."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

from .errors import SqlError

LONGEST_NAME = 128


class Kind(Enum):
    """What a token is."""

    WORD = auto()
    QUOTED = auto()
    STRING = auto()
    NUMBER = auto()
    BINARY = auto()
    VARIABLE = auto()
    GLOBAL = auto()
    SYMBOL = auto()
    END = auto()


@dataclass(frozen=True, slots=True)
class Token:
    """One token. `text` is its value: a name without its brackets, a string without its quotes."""

    kind: Kind
    text: str
    national: bool = False

    @property
    def upper(self) -> str:
        """For comparison with keywords; nothing that is quoted is one."""
        return self.text.upper() if self.kind in (Kind.WORD, Kind.SYMBOL) else ""

    def sql(self) -> str:
        """As it is written."""
        match self.kind:
            case Kind.QUOTED:
                return "[" + self.text.replace("]", "]]") + "]"
            case Kind.STRING:
                return ("N'" if self.national else "'") + self.text.replace("'", "''") + "'"
            case _:
                return self.text


_TWO = {"<>", "<=", ">=", "!=", "!<", "!>", "+=", "-=", "*=", "/=", "%=", "&=", "|=", "^=", "::"}


def _is_word(char: str) -> bool:
    return char.isalnum() or char in "_#$@"


def tokens(text: str) -> list[Token]:
    """All tokens of a batch, and one that ends it."""
    found: list[Token] = []
    at = 0
    while at < len(text):
        char = text[at]
        if char.isspace() or char in "\0\ufeff":
            at += 1
        elif text.startswith("--", at):
            end = text.find("\n", at)
            at = len(text) if end < 0 else end + 1
        elif text.startswith("/*", at):
            at = _skip_comment(text, at)
        elif char == "[":
            name, at = _quoted(text, at, "]")
            found.append(Token(Kind.QUOTED, _checked(name)))
        elif char == '"':
            name, at = _quoted(text, at, '"')
            found.append(Token(Kind.QUOTED, _checked(name)))
        elif char == "'":
            value, at = _quoted(text, at, "'")
            found.append(Token(Kind.STRING, _joined(value)))
        elif char in "Nn" and text[at + 1 : at + 2] == "'":
            value, at = _quoted(text, at + 1, "'")
            found.append(Token(Kind.STRING, _joined(value), national=True))
        elif char.isdigit() or (char == "." and text[at + 1 : at + 2].isdigit()):
            token, at = _number(text, at)
            found.append(token)
        elif char == "@" or char == "_" or char == "#" or char.isalpha():
            end = at
            while end < len(text) and _is_word(text[end]):
                end += 1
            word = text[at:end]
            kind = Kind.GLOBAL if word.startswith("@@") else Kind.VARIABLE if char == "@" else Kind.WORD
            found.append(Token(kind, _checked(word)))
            at = end
        elif text[at : at + 2] in _TWO:
            found.append(Token(Kind.SYMBOL, text[at : at + 2]))
            at += 2
        elif char in "()+-*/%=<>,.;:&|^~!":
            found.append(Token(Kind.SYMBOL, char))
            at += 1
        else:
            raise SqlError(102, char)
    found.append(Token(Kind.END, ""))
    return found


def _quoted(text: str, at: int, close: str) -> tuple[str, int]:
    """What stands between quotes, the closing one doubled where it is meant, and where it goes on."""
    parts: list[str] = []
    start = at + 1
    while True:
        end = text.find(close, start)
        if end < 0:
            raise SqlError(105, text[at + 1 : at + 65])
        parts.append(text[start:end])
        if text[end + 1 : end + 2] != close:
            return "".join(parts), end + 1
        parts.append(close)
        start = end + 2


def _joined(text: str) -> str:
    """A backslash right before a line break joins two lines of a constant ("Backslash (Line Continuation)")."""
    return text.replace("\\\r\n", "").replace("\\\n", "")


def _checked(name: str) -> str:
    if not name:
        raise SqlError(1038)
    # In UTF-16, as the server counts.
    if len(name.encode("utf-16-le", "surrogatepass")) > 2 * LONGEST_NAME:
        raise SqlError(103, name[:LONGEST_NAME])
    return name


def _skip_comment(text: str, at: int) -> int:
    """Block comments nest."""
    depth = 0
    while at < len(text):
        if text.startswith("/*", at):
            depth, at = depth + 1, at + 2
        elif text.startswith("*/", at):
            depth, at = depth - 1, at + 2
            if depth == 0:
                return at
        else:
            at += 1
    raise SqlError(113)


def _number(text: str, at: int) -> tuple[Token, int]:
    end = at
    if text[at : at + 2].lower() == "0x":
        end = at + 2
        while end < len(text) and text[end] in "0123456789abcdefABCDEF":
            end += 1
        return Token(Kind.BINARY, text[at:end]), end
    while end < len(text) and (text[end].isdigit() or text[end] == "."):
        end += 1
    if text[end : end + 1] in ("e", "E"):
        end += 1
        if text[end : end + 1] in ("+", "-"):
            end += 1
        while end < len(text) and text[end].isdigit():
            end += 1
    return Token(Kind.NUMBER, text[at:end]), end
