"""Which permissions there are, their codes, and which of them imply others ("Permissions (Database Engine)",
"sys.fn_builtin_permissions")."""

from __future__ import annotations

# Classes of securables, as sys.database_permissions and sys.server_permissions number them.
DATABASE, OBJECT, SCHEMA, PRINCIPAL, SERVER, LOGIN = 0, 1, 3, 4, 100, 101

CLASS_NAMES = {
    DATABASE: "DATABASE", OBJECT: "OBJECT_OR_COLUMN", SCHEMA: "SCHEMA", PRINCIPAL: "DATABASE_PRINCIPAL", SERVER: "SERVER",
    LOGIN: "SERVER_PRINCIPAL",
}  # fmt: skip

CODES = {
    "SELECT": "SL", "INSERT": "IN", "UPDATE": "UP", "DELETE": "DL", "REFERENCES": "RF", "EXECUTE": "EX", "CONTROL": "CL",
    "ALTER": "AL", "VIEW DEFINITION": "VW", "TAKE OWNERSHIP": "TO", "CONNECT": "CO", "CREATE TABLE": "CRTB",
    "CREATE VIEW": "CRVW", "CREATE SCHEMA": "CRSM", "CREATE ROLE": "CRRL", "ALTER ANY USER": "ALUS", "ALTER ANY ROLE": "ALRL",
    "ALTER ANY SCHEMA": "ALSM", "VIEW DATABASE STATE": "VWDS", "IMPERSONATE": "IM", "KILL DATABASE CONNECTION": "KIDC",
    "VIEW CHANGE TRACKING": "VWCT", "VIEW DATABASE PERFORMANCE STATE": "VDP", "VIEW DATABASE SECURITY STATE": "VDS",
    "VIEW SECURITY DEFINITION": "VWS", "CREATE USER": "CUSR", "UNMASK": "UMSK", "CONNECT SQL": "COSQ", "VIEW ANY DATABASE": "VWDB",
    "ALTER ANY LOGIN": "ALLG", "CREATE LOGIN": "CLGN", "ALTER ANY CONNECTION": "ALCO", "VIEW SERVER STATE": "VWSS",
    "VIEW SERVER PERFORMANCE STATE": "VSPS", "VIEW SERVER SECURITY STATE": "VSSS", "ALTER SERVER STATE": "ALSS",
    "CONTROL SERVER": "CL", "VIEW ANY DEFINITION": "VWAD", "VIEW ANY SECURITY DEFINITION": "VASD", "CREATE ANY DATABASE": "CRDB",
    "ALTER ANY DATABASE": "ALDB", "ALTER ANY SERVER ROLE": "ALSR", "CONNECT ANY DATABASE": "CADB",
    "SELECT ALL USER SECURABLES": "SUS", "IMPERSONATE ANY LOGIN": "IAL", "ALTER ANY CREDENTIAL": "ALCD",
}  # fmt: skip


def code(permission: str) -> str:
    """Four characters, of the type char(4)."""
    return CODES[permission].ljust(4)


# (class, permission): what implies it, in the same class or in the one around it.
_IMPLIED: dict[tuple[int, str], list[tuple[int, str]]] = {}


def _add(kind: int, permission: str, *by: tuple[int, str]) -> None:
    _IMPLIED[kind, permission] = list(by)


for _data in ("SELECT", "INSERT", "UPDATE", "DELETE", "REFERENCES", "EXECUTE"):
    _add(OBJECT, _data, (OBJECT, "CONTROL"), (SCHEMA, _data))
    _add(SCHEMA, _data, (SCHEMA, "CONTROL"), (DATABASE, _data))
    _add(DATABASE, _data, (DATABASE, "CONTROL"))
_add(DATABASE, "SELECT", (DATABASE, "CONTROL"), (SERVER, "SELECT ALL USER SECURABLES"))
for _kind, _around, _alter in ((OBJECT, SCHEMA, "ALTER"), (SCHEMA, DATABASE, "ALTER ANY SCHEMA")):
    _add(_kind, "ALTER", (_kind, "CONTROL"), (_around, _alter))
    _add(_kind, "VIEW DEFINITION", (_kind, "CONTROL"), (_around, "VIEW DEFINITION"))
    _add(_kind, "TAKE OWNERSHIP", (_kind, "CONTROL"))
    _add(_kind, "CONTROL", (_around, "CONTROL"))
_add(PRINCIPAL, "CONTROL", (DATABASE, "CONTROL"))
_add(PRINCIPAL, "IMPERSONATE", (PRINCIPAL, "CONTROL"))
_add(PRINCIPAL, "ALTER", (PRINCIPAL, "CONTROL"), (DATABASE, "ALTER ANY USER"))
_add(PRINCIPAL, "ALTER ROLE", (PRINCIPAL, "CONTROL"), (DATABASE, "ALTER ANY ROLE"))
_add(
    PRINCIPAL,
    "VIEW DEFINITION",
    (PRINCIPAL, "CONTROL"),
    (DATABASE, "VIEW DEFINITION"),
    (DATABASE, "VIEW SECURITY DEFINITION"),
)
_add(DATABASE, "CONTROL", (SERVER, "CONTROL SERVER"))
_add(DATABASE, "ALTER", (DATABASE, "CONTROL"), (SERVER, "ALTER ANY DATABASE"))
_add(DATABASE, "VIEW DEFINITION", (DATABASE, "CONTROL"), (SERVER, "VIEW ANY DEFINITION"))
_add(DATABASE, "VIEW SECURITY DEFINITION", (DATABASE, "VIEW DEFINITION"), (SERVER, "VIEW ANY SECURITY DEFINITION"))
_add(DATABASE, "VIEW DATABASE STATE", (DATABASE, "CONTROL"), (SERVER, "VIEW SERVER STATE"))
_add(
    DATABASE,
    "VIEW DATABASE PERFORMANCE STATE",
    (DATABASE, "VIEW DATABASE STATE"),
    (SERVER, "VIEW SERVER PERFORMANCE STATE"),
)
_add(
    DATABASE, "VIEW DATABASE SECURITY STATE", (DATABASE, "VIEW DATABASE STATE"), (SERVER, "VIEW SERVER SECURITY STATE")
)
_add(DATABASE, "CONNECT", (DATABASE, "CONTROL"), (SERVER, "CONNECT ANY DATABASE"))
_add(DATABASE, "KILL DATABASE CONNECTION", (DATABASE, "CONTROL"), (SERVER, "ALTER ANY CONNECTION"))
_add(DATABASE, "TAKE OWNERSHIP", (DATABASE, "CONTROL"))
_add(DATABASE, "CREATE USER", (DATABASE, "ALTER ANY USER"))
for _create in ("CREATE TABLE", "CREATE VIEW", "ALTER ANY SCHEMA", "ALTER ANY ROLE", "ALTER ANY USER"):
    _add(DATABASE, _create, (DATABASE, "ALTER"))
_add(DATABASE, "CREATE SCHEMA", (DATABASE, "ALTER ANY SCHEMA"))
_add(DATABASE, "CREATE ROLE", (DATABASE, "ALTER ANY ROLE"))
_add(DATABASE, "UNMASK", (DATABASE, "CONTROL"))
_add(SERVER, "CONTROL SERVER")
for _server in ("ALTER ANY LOGIN", "ALTER ANY CONNECTION", "ALTER SERVER STATE", "VIEW ANY DEFINITION", "ALTER ANY DATABASE",
                "ALTER ANY SERVER ROLE", "CONNECT ANY DATABASE", "SELECT ALL USER SECURABLES", "IMPERSONATE ANY LOGIN",
                "CONNECT SQL", "ALTER ANY CREDENTIAL"):  # fmt: skip
    _add(SERVER, _server, (SERVER, "CONTROL SERVER"))
_add(SERVER, "VIEW SERVER STATE", (SERVER, "ALTER SERVER STATE"))
_add(SERVER, "VIEW SERVER PERFORMANCE STATE", (SERVER, "VIEW SERVER STATE"))
_add(SERVER, "VIEW SERVER SECURITY STATE", (SERVER, "VIEW SERVER STATE"))
_add(SERVER, "CREATE LOGIN", (SERVER, "ALTER ANY LOGIN"))
_add(SERVER, "CREATE ANY DATABASE", (SERVER, "ALTER ANY DATABASE"))
_add(SERVER, "VIEW ANY DATABASE", (SERVER, "VIEW ANY DEFINITION"), (SERVER, "ALTER ANY DATABASE"))
_add(SERVER, "VIEW ANY SECURITY DEFINITION", (SERVER, "VIEW ANY DEFINITION"))
_add(LOGIN, "CONTROL", (SERVER, "CONTROL SERVER"))
_add(LOGIN, "ALTER", (LOGIN, "CONTROL"), (SERVER, "ALTER ANY LOGIN"))
_add(LOGIN, "IMPERSONATE", (LOGIN, "CONTROL"), (SERVER, "IMPERSONATE ANY LOGIN"))
_add(
    LOGIN,
    "VIEW DEFINITION",
    (LOGIN, "CONTROL"),
    (SERVER, "VIEW ANY DEFINITION"),
    (SERVER, "VIEW ANY SECURITY DEFINITION"),
)

# What members of fixed roles may, by grants that no catalogue view shows ("Database-level roles", "Server-level roles").
SERVER_ROLES: dict[int, set[str]] = {
    3: {"CONTROL SERVER"},
    4: {"ALTER ANY LOGIN"},
    5: {"ALTER SERVER STATE"},
    7: {"ALTER ANY CONNECTION", "ALTER SERVER STATE"},
    9: {"ALTER ANY DATABASE"},
}
DATABASE_ROLES: dict[int, set[str]] = {
    16384: {"CONTROL"},
    16385: {"ALTER ANY USER", "CREATE SCHEMA", "CONNECT"},
    16386: {"ALTER ANY ROLE", "CREATE SCHEMA", "VIEW DEFINITION"},
    16387: {"ALTER ANY SCHEMA", "CREATE TABLE", "CREATE VIEW", "CREATE SCHEMA", "REFERENCES"},
    16390: {"SELECT"},
    16391: {"INSERT", "UPDATE", "DELETE"},
}
DATABASE_ROLE_DENIES: dict[int, set[str]] = {16392: {"SELECT"}, 16393: {"INSERT", "UPDATE", "DELETE"}}


def implying(kind: int, permission: str) -> list[tuple[int, str]]:
    """This permission, and all that imply it, the nearest first."""
    found = [(kind, permission)]
    for node in found:
        found.extend(by for by in _IMPLIED.get(node, []) if by not in found)
    return found


def known(kind: int, permission: str) -> bool:
    """Whether there is such a permission on securables of this class."""
    return (kind, permission) in _IMPLIED and permission in CODES


def all_of(kind: int) -> list[str]:
    """The permissions on securables of this class."""
    return sorted(permission for of, permission in _IMPLIED if of == kind and permission in CODES)
