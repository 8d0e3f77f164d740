"""Answers as tokens ([MS-TDS] 2.2.7)."""

from __future__ import annotations

import struct

from pysqlbridge.tds.result import DEFAULT_COLLATION, DEFAULT_COLUMN_FLAGS, NULLABLE_FLAG, Column, as_utf16, row
from pysqlbridge.tds.token import DoneStatus, done, login_ack

from .batch import Answer, Count, DatabaseChanged, Notice, Rows
from .errors import SqlError
from .types import on_wire

SERVER_NAME = "standin"
_DONE, _DONE_PROC, _DONE_IN_PROC, _RETURN_STATUS = 0xFD, 0xFE, 0xFF, 0x79
_SELECT = 0xC1
_ERROR, _INFO, _ENV_CHANGE, _COLUMNS = 0xAA, 0xAB, 0xE3, 0x81
_DATABASE, _PACKET_SIZE, _COLLATION = 1, 4, 7


def welcome(version: tuple[int, int, int], database: str, tds_version: int) -> bytes:
    """The login has worked."""
    return b"".join([
        _changed(_DATABASE, database, database),
        _message(_INFO, 5701, f"Changed database context to '{database}'.", 2, 0),
        _token(_ENV_CHANGE, bytes([_COLLATION, 5]) + DEFAULT_COLLATION + b"\0"),
        login_ack(version=version, tds_version=tds_version),
        _changed(_PACKET_SIZE, "4096", "4096"),
        done(tds_version=tds_version),
    ])  # fmt: skip


def refusal(errors: tuple[SqlError, ...], tds_version: int) -> bytes:
    """It has not."""
    return b"".join(_error(one) for one in errors) + done(status=DoneStatus.ERROR, tds_version=tds_version)


def batch(answers: list[Answer], tds_version: int) -> bytes:
    """Of a batch."""
    return _all(answers, _DONE, tds_version, last=True)


def procedure(answers: list[Answer], status: int, tds_version: int) -> bytes:
    """Of a procedure's call."""
    inside = _all(answers, _DONE_IN_PROC, tds_version, last=False)
    returned = bytes([_RETURN_STATUS]) + struct.pack("<i", status)
    failed = any(isinstance(answer, SqlError) for answer in answers)
    end = done(status=DoneStatus.ERROR if failed else DoneStatus.FINAL, tds_version=tds_version)
    return inside + returned + bytes([_DONE_PROC]) + end[1:]


def cancelled(tds_version: int) -> bytes:
    """That an attention was heard."""
    return done(status=DoneStatus.ATTENTION, tds_version=tds_version)


def _all(answers: list[Answer], kind: int, tds_version: int, *, last: bool) -> bytes:
    written: list[bytes] = []
    for at, answer in enumerate(answers):
        more = DoneStatus.FINAL if last and at == len(answers) - 1 else DoneStatus.MORE
        written.append(_one(answer, kind, more, tds_version))
    if last and (not answers or isinstance(answers[-1], Notice | DatabaseChanged)):
        written.append(_done(kind, DoneStatus.FINAL, tds_version))
    return b"".join(written)


def _one(answer: Answer, kind: int, more: DoneStatus, tds_version: int) -> bytes:
    match answer:
        case Rows():
            columns = [Column(name, on_wire(its)) for name, its in answer.columns]
            head = bytes([_COLUMNS]) + struct.pack("<H", len(columns)) + b"".join(_column(column) for column in columns)
            body = b"".join(row(columns, list(values)) for values in answer.rows)
            end = _done(kind, DoneStatus.COUNT | more, tds_version, _SELECT, len(answer.rows))
            return head + body + end
        case Count(number):
            counted = DoneStatus.COUNT if number is not None else DoneStatus.FINAL
            return _done(kind, counted | more, tds_version, 0, number or 0)
        case Notice(number, text):
            return _message(_INFO, number, text, 1, 0)
        case DatabaseChanged(old, new):
            said = _message(_INFO, 5701, f"Changed database context to '{new}'.", 2, 0)
            return _changed(_DATABASE, new, old) + said
        case SqlError():
            return _error(answer) + _done(kind, DoneStatus.ERROR | more, tds_version)
    raise TypeError(answer)


# Lengths are in units of UTF-16, not in characters.


def _short(text: str) -> bytes:
    raw = as_utf16(text)
    return bytes([len(raw) // 2]) + raw


def _token(kind: int, body: bytes) -> bytes:
    return bytes([kind]) + struct.pack("<H", len(body)) + body


def _changed(what: int, new: str, old: str) -> bytes:
    return _token(_ENV_CHANGE, bytes([what]) + _short(new) + _short(old))


def _message(kind: int, number: int, text: str, state: int, severity: int) -> bytes:
    raw = as_utf16(text[:2000])
    said = struct.pack("<H", len(raw) // 2) + raw
    # The line's number has four bytes from TDS 7.2 on; no older client is let in.
    body = struct.pack("<IBB", number, state, severity) + said + _short(SERVER_NAME) + _short("") + struct.pack("<I", 1)
    return _token(kind, body)


def _error(one: SqlError) -> bytes:
    return _message(_ERROR, one.number, str(one), one.state, one.severity)


def _column(column: Column) -> bytes:
    flags = DEFAULT_COLUMN_FLAGS if column.type.nullable else DEFAULT_COLUMN_FLAGS & ~NULLABLE_FLAG
    return struct.pack("<IH", 0, flags) + column.type.type_info() + _short(column.name)


def _done(kind: int, status: DoneStatus, tds_version: int, command: int = 0, count: int = 0) -> bytes:
    token = done(status=status, current_command=command, row_count=count, tds_version=tds_version)
    return bytes([kind]) + token[1:]
