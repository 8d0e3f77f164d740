"""Data types: what a column declares on the wire, and conversions ("CAST and CONVERT", [MS-TDS] 2.2.5.5)."""

from __future__ import annotations

import datetime
import struct
from dataclasses import dataclass

from pysqlbridge.tds.result import (
    DEFAULT_COLLATION,
    Bit,
    ColumnType,
    DateTime,
    Float,
    Integer,
    NVarChar,
    UniqueIdentifier,
    VarBinary,
    as_utf16,
)  # fmt: skip

from .errors import SqlError, unknown
from .statements import TypeName

_CHAR, _VARCHAR, _NCHAR = 0xAF, 0xA7, 0xEF

INT, BIGINT, SMALLINT, TINYINT = TypeName("int"), TypeName("bigint"), TypeName("smallint"), TypeName("tinyint")
BIT, DATETIME, VARIANT, FLOAT = TypeName("bit"), TypeName("datetime"), TypeName("sql_variant"), TypeName("float")
SYSNAME, NVARCHAR, MAX = TypeName("nvarchar", 128), TypeName("nvarchar", 4000), TypeName("nvarchar", -1)
SID = TypeName("varbinary", 85)

_WIDTHS = {"tinyint": 1, "smallint": 2, "int": 4, "bigint": 8}
_TEXTS = {"nvarchar", "varchar", "char", "nchar", "sysname", "text", "ntext"}
_DATES = {"datetime", "datetime2", "smalldatetime", "date"}


@dataclass(frozen=True)
class Text(ColumnType):
    """char, varchar and nchar."""

    kind: int
    size: int

    def type_info(self) -> bytes:
        size = self.size * (2 if self.kind == _NCHAR else 1)
        return bytes([self.kind]) + struct.pack("<H", size) + DEFAULT_COLLATION

    def encode(self, value: object) -> bytes:
        if value is None:
            return b"\xff\xff"
        text = str(value) if self.kind == _VARCHAR else str(value).ljust(self.size)
        raw = as_utf16(text) if self.kind == _NCHAR else text.encode("cp1252", "replace")
        return struct.pack("<H", len(raw)) + raw


@dataclass(frozen=True)
class Variant(ColumnType):
    """sql_variant: each value says its own type."""

    def type_info(self) -> bytes:
        return bytes([0x62]) + struct.pack("<I", 8009)

    def encode(self, value: object) -> bytes:
        if value is None:
            return struct.pack("<I", 0)
        if isinstance(value, int):
            body = bytes([0x38, 0]) + struct.pack("<i", value)
        else:
            raw = as_utf16(str(value))
            body = bytes([0xE7, 7]) + DEFAULT_COLLATION + struct.pack("<H", len(raw)) + raw
        return struct.pack("<I", len(body)) + body


def on_wire(kind: TypeName) -> ColumnType:
    """How a column of this type is sent."""
    match kind.name:
        case "tinyint" | "smallint" | "int" | "bigint":
            return Integer(_WIDTHS[kind.name])
        case "bit":
            return Bit()
        case "float" | "real":
            return Float(8)
        case "nvarchar" | "sysname" | "ntext":
            size = 128 if kind.name == "sysname" else 1 if kind.size is None else kind.size
            return NVarChar(None if size == -1 else size)
        case "varchar" | "text" if kind.size == -1:
            return NVarChar(None)
        case "varchar":
            return Text(_VARCHAR, kind.size or 1)
        case "char":
            return Text(_CHAR, kind.size or 1)
        case "nchar":
            return Text(_NCHAR, kind.size or 1)
        case "varbinary" | "binary":
            return VarBinary(8000 if kind.size in (None, -1) else kind.size or 1)
        case "uniqueidentifier":
            return UniqueIdentifier()
        case "sql_variant":
            return Variant()
        case name if name in _DATES:
            return DateTime()
    raise unknown(f"the type {kind.name}")


def is_text(kind: TypeName) -> bool:
    return kind.name in _TEXTS


def convert(value: object, kind: TypeName, *, cast: bool = True) -> object:
    """A value as this type; without a length, a CAST takes 30 characters and a variable one."""
    if value is None:
        return None
    name = kind.name
    if name in _WIDTHS:
        return _integer(value, name)
    if name == "bit":
        if isinstance(value, str) and value.strip().lower() in ("true", "false"):
            return int(value.strip().lower() == "true")
        return int(bool(_integer(value, "int")))
    if name in _TEXTS:
        size = kind.size if kind.size is not None else 30 if cast else 1
        text = _text(value)
        if name == "sysname" or size == -1:
            return text[:128] if name == "sysname" else text
        text = text[:size]
        return text.ljust(size) if name in ("char", "nchar") else text
    if name in ("varbinary", "binary"):
        if isinstance(value, bytes):
            raw = value
        elif isinstance(value, int):
            raw = value.to_bytes(4, "big", signed=True)
        else:
            raw = as_utf16(str(value))
        size = kind.size if kind.size is not None else 30 if cast else 1
        return raw if size == -1 else raw[:size]
    if name in ("float", "real"):
        return float(str(value))
    if name == "sql_variant" or name == "uniqueidentifier":
        return value
    if name in _DATES:
        return value if isinstance(value, str) else str(value)
    raise unknown(f"the type {name}")


def _integer(value: object, name: str) -> int:
    if isinstance(value, bytes):
        return int.from_bytes(value[-_WIDTHS[name] :], "big", signed=True)
    if isinstance(value, float):
        number = int(value)
    else:
        try:
            number = int(str(value).strip() or "0")
        except ValueError:
            raise SqlError(245, value) from None
    low, high = (0, 255) if name == "tinyint" else (-(2 ** (8 * _WIDTHS[name] - 1)), 2 ** (8 * _WIDTHS[name] - 1) - 1)
    if not low <= number <= high:
        raise SqlError(8115, name)
    return number


def _text(value: object) -> str:
    if isinstance(value, bytes):
        return value.decode("utf-16-le", "replace")
    if isinstance(value, datetime.datetime):
        return value.isoformat(" ")
    if isinstance(value, bool):
        return str(int(value))
    return str(value)


_PRECEDENCE = ["sql_variant", "datetime", "float", "bigint", "int", "smallint", "tinyint", "bit", "uniqueidentifier", "nvarchar",
               "sysname", "nchar", "varchar", "char", "varbinary", "binary"]  # fmt: skip


def common(kinds: list[TypeName]) -> TypeName:
    """The type of an expression that is one of several: the one of highest precedence ("Data type precedence")."""
    known = [kind for kind in kinds if kind.name != "null"]
    if not known:
        return INT
    first = min(known, key=lambda kind: _PRECEDENCE.index(kind.name) if kind.name in _PRECEDENCE else 99)
    if first.name in _TEXTS or first.name in ("varbinary", "binary"):
        sizes = [kind.size or 128 for kind in known]
        name = {"sysname": "nvarchar", "char": "varchar", "nchar": "nvarchar"}.get(first.name, first.name)
        if len({(kind.name, kind.size) for kind in known}) == 1:
            name = first.name
        return TypeName(name, -1 if -1 in sizes else max(sizes))
    return first
