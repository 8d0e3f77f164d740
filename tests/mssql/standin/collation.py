"""How names and strings compare.

`SQL_Latin1_General_CP1_CI_AS`, the default of servers: case does not count, accents do, nor do width and kana type ("Collation and
Unicode support"). Blanks at the end never count in a comparison, whatever the collation ("SQL Server follows ANSI/ISO SQL-92
on how to compare strings with spaces"). In collations of this age, characters beyond the Basic Multilingual Plane, and those that
Unicode got later or that show nothing, have no weight: strings that differ only in them are equal.
"""

from __future__ import annotations

import unicodedata
from functools import lru_cache

DEFAULT = "SQL_Latin1_General_CP1_CI_AS"

# Format, surrogate, private use and unassigned characters.
_WEIGHTLESS = {"Cf", "Cs", "Co", "Cn"}


def _weight(char: str) -> str:
    if ord(char) > 0xFFFF or ord(char) < 9 or unicodedata.category(char) in _WEIGHTLESS:
        return ""
    # Width does not count, the other compatibility mappings do.
    if unicodedata.decomposition(char).startswith(("<wide>", "<narrow>")):
        char = unicodedata.normalize("NFKC", char)
    return char.lower() if len(char.lower()) == 1 else char


@lru_cache(maxsize=20_000)
def key(text: str) -> str:
    """What two strings share when they are equal under the default collation."""
    return "".join(_weight(char) for char in unicodedata.normalize("NFC", text.rstrip(" ")))


def is_binary(collation: str) -> bool:
    """Whether a collation of this name compares code points."""
    return collation.upper().endswith(("_BIN", "_BIN2"))


def is_case_sensitive(collation: str) -> bool:
    """Whether a collation of this name tells case apart."""
    return is_binary(collation) or "_CS_" in collation.upper() + "_"


def key_under(collation: str, text: str) -> str:
    """As `key`, under a collation of any name."""
    if is_case_sensitive(collation):
        return text.rstrip(" ")
    return key(text)


def compare_default(left: str, right: str) -> int:
    """For sqlite: the default collation."""
    a, b = key(left), key(right)
    return (a > b) - (a < b)


def compare_binary(left: str, right: str) -> int:
    """For sqlite: the binary collations. Blanks at the end do not count there either."""
    a, b = left.rstrip(" "), right.rstrip(" ")
    return (a > b) - (a < b)
