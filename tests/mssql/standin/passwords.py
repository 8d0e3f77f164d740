"""Passwords: kept as hashes, and the policy that they must meet ("Password policy")."""

from __future__ import annotations

import hashlib
import hmac
import os
from dataclasses import dataclass

from . import collation
from .errors import SqlError

SHORTEST, LONGEST = 8, 128


@dataclass(frozen=True)
class Password:
    """The hash of a password."""

    salt: bytes
    digest: bytes

    @classmethod
    def of(cls, text: str) -> Password:
        salt = os.urandom(4)
        return cls(salt, _digest(text, salt))

    def is_it(self, text: str) -> bool:
        return hmac.compare_digest(self.digest, _digest(text, self.salt))

    @property
    def column(self) -> bytes:
        """As sys.sql_logins has it: version 2 is SHA-512 of the UTF-16 password and a salt of 32 bits."""
        return b"\x02\x00" + self.salt + self.digest

    def __repr__(self) -> str:
        return "Password(...)"


def _digest(text: str, salt: bytes) -> bytes:
    return hashlib.sha512(text.encode("utf-16-le", "surrogatepass") + salt).digest()


def check(text: str, name: str) -> None:
    """Eight characters of three of the four categories, and without the account's name."""
    if len(text) < SHORTEST:
        raise SqlError(15116)
    if len(text) > LONGEST:
        raise SqlError(15117)
    categories = (
        any(char.isupper() for char in text),
        any(char.islower() for char in text),
        any(char.isdigit() for char in text),
        any(not char.isalnum() for char in text),
    )
    named = len(name) >= 3 and collation.key(name) in collation.key(text)
    if sum(categories) < 3 or named:
        raise SqlError(15118)
