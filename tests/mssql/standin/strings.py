"""Functions of strings and numbers, which know nothing of the server."""

from __future__ import annotations

import re
from functools import lru_cache

from . import collation, types
from .errors import SqlError
from .statements import TypeName


def _strict(function):
    """NULL in, NULL out."""

    def wrapped(*arguments: object) -> object:
        return None if any(argument is None for argument in arguments) else function(*arguments)

    return wrapped


def _text(value: object) -> str:
    return str(types.convert(value, types.MAX))


def _quote_name(text: object, quote: object = "[") -> object:
    """ "QUOTENAME": of more than 128 characters, NULL."""
    name = _text(text)
    if len(name.encode("utf-16-le")) > 256:
        return None
    pairs = {
        "[": "[]",
        "]": "[]",
        '"': '""',
        "'": "''",
        "(": "()",
        ")": "()",
        "{": "{}",
        "}": "{}",
        "<": "<>",
        ">": "<>",
        "`": "``",
    }
    pair = pairs.get(_text(quote)[:1])
    return pair[0] + name.replace(pair[1], pair[1] * 2) + pair[1] if pair else None


def parts_of(name: str) -> list[str] | None:
    """The parts of a name as text, brackets and quotes taken away; none if it cannot be one."""
    found = re.findall(r'(?:\[((?:[^\]]|\]\])*)\]|"((?:[^"]|"")*)"|([^.\[\]"]*))(\.|$)', name)
    parts = []
    consumed = 0
    for bracket, quoted, plain, separator in found:
        parts.append(bracket.replace("]]", "]") or quoted.replace('""', '"') or plain)
        if not separator:
            break
    consumed = len(re.match(r'(?:(?:\[(?:[^\]]|\]\])*\]|"(?:[^"]|"")*"|[^.\[\]"]*)(?:\.|$))*', name).group(0))
    return parts if consumed == len(name) and len(parts) <= 4 else None


def _parse_name(name: object, number: object) -> object:
    parts = parts_of(_text(name))
    return parts[-int(number)] or None if parts and 1 <= int(number) <= len(parts) else None


def _add(left: object, right: object) -> object:
    if isinstance(left, str) and isinstance(right, str):
        return left + right
    if isinstance(left, bytes) and isinstance(right, bytes):
        return left + right
    if isinstance(left, str):
        left = types.convert(left, types.INT)
    if isinstance(right, str):
        right = types.convert(right, types.INT)
    return left + right


@lru_cache(maxsize=1000)
def _pattern(pattern: str, escape: str | None, binary: int) -> re.Pattern:
    """ "LIKE": % _ [set] [^set]."""
    parts, at = [], 0
    while at < len(pattern):
        char = pattern[at]
        if escape and char == escape and at + 1 < len(pattern):
            at += 1
            parts.append(re.escape(pattern[at]))
        elif char == "%":
            parts.append(".*")
        elif char == "_":
            parts.append(".")
        elif char == "[" and "]" in pattern[at + 1 :]:
            end = pattern.index("]", at + 1)
            inside = pattern[at + 1 : end]
            negated = inside.startswith("^")
            body = re.sub(r"([\\\[\]^])", r"\\\1", inside[1:] if negated else inside)
            parts.append(f"[{'^' if negated else ''}{body}]")
            at = end
        else:
            parts.append(re.escape(char))
        at += 1
    return re.compile("".join(parts), re.DOTALL | (0 if binary else re.IGNORECASE))


def _like(text: object, pattern: object, escape: object, binary: int) -> object:
    if text is None or pattern is None:
        return None
    return int(
        _pattern(_text(pattern), None if escape is None else _text(escape), int(binary)).fullmatch(_text(text))
        is not None
    )


def _substring(text: object, start: object, length: object) -> object:
    whole = text if isinstance(text, bytes) else _text(text)
    begin = int(start) - 1
    end = begin + int(length)
    return whole[max(begin, 0) : max(end, 0)]


def _char_index(what: object, text: object, start: object = 1) -> object:
    return collation.key(_text(text) + "|")[:-1].find(collation.key(_text(what) + "|")[:-1], int(start) - 1) + 1


def _replace(text: object, old: object, new: object) -> object:
    return re.sub(re.escape(_text(old)), lambda _: _text(new), _text(text), flags=re.IGNORECASE) if old else _text(text)


def _data_length(value: object) -> object:
    if isinstance(value, bytes):
        return len(value)
    return 4 if isinstance(value, int) else len(_text(value).encode("utf-16-le"))


def _concat(*arguments: object) -> object:
    return "".join("" if argument is None else _text(argument) for argument in arguments)


def _concat_ws(separator: object, *arguments: object) -> object:
    return _text(separator or "").join(_text(argument) for argument in arguments if argument is not None)


def _wide_char(number: object) -> object:
    return chr(int(number)) if 0 <= int(number) <= 0xFFFF else None


def _percent_format(text: object, *arguments: object) -> object:
    try:
        return _text(text) % arguments
    except (TypeError, ValueError):
        raise SqlError(50000, "FORMATMESSAGE") from None


_LONG = types.NVARCHAR
FUNCTIONS: dict[str, tuple[object, TypeName]] = {
    "ADD": (_strict(_add), _LONG),
    "LIKE": (_like, types.INT),
    "QUOTENAME": (_strict(_quote_name), TypeName("nvarchar", 258)),
    "PARSENAME": (_strict(_parse_name), types.SYSNAME),
    "LEN": (_strict(lambda text: len(_text(text).rstrip(" ").encode("utf-16-le")) // 2), types.INT),
    "DATALENGTH": (_strict(_data_length), types.INT),
    "UPPER": (_strict(lambda text: _text(text).upper()), _LONG),
    "LOWER": (_strict(lambda text: "".join(c.lower() if len(c.lower()) == 1 else c for c in _text(text))), _LONG),
    "LTRIM": (_strict(lambda text: _text(text).lstrip(" ")), _LONG),
    "RTRIM": (_strict(lambda text: _text(text).rstrip(" ")), _LONG),
    "TRIM": (_strict(lambda text: _text(text).strip(" ")), _LONG),
    "LEFT": (_strict(lambda text, length: _text(text)[: int(length)]), _LONG),
    "RIGHT": (_strict(lambda text, length: _text(text)[-int(length) :] if int(length) else ""), _LONG),
    "SUBSTRING": (_strict(_substring), _LONG),
    "REPLACE": (_strict(_replace), _LONG),
    "CHARINDEX": (_strict(_char_index), types.INT),
    "REPLICATE": (_strict(lambda text, times: _text(text) * int(times)), _LONG),
    "REVERSE": (_strict(lambda text: _text(text)[::-1]), _LONG),
    "UNICODE": (_strict(lambda text: ord(_text(text)[0]) if text else None), types.INT),
    "NCHAR": (_strict(_wide_char), TypeName("nvarchar", 2)),
    "CHAR": (_strict(lambda number: chr(int(number))), TypeName("varchar", 1)),
    "CONCAT": (_concat, _LONG),
    "CONCAT_WS": (_concat_ws, _LONG),
    "FORMATMESSAGE": (_percent_format, _LONG),
    "ABS": (_strict(lambda number: abs(number)), types.INT),
}  # fmt: skip
