"""What a server keeps: logins, databases, and in each of those users, roles, schemas, objects and permissions."""

from __future__ import annotations

import datetime
import itertools
import secrets
from dataclasses import dataclass, field

from . import collation
from .passwords import Password
from .statements import Column, Tokens

PUBLIC_SERVER, PUBLIC = 2, 0
SA, SYSADMIN = 1, 3
DBO, GUEST, INFORMATION_SCHEMA, SYS = 1, 2, 3, 4

FIXED_SERVER_ROLES = {
    3: "sysadmin", 4: "securityadmin", 5: "serveradmin", 6: "setupadmin", 7: "processadmin", 8: "diskadmin", 9: "dbcreator",
    10: "bulkadmin",
}  # fmt: skip
FIXED_DATABASE_ROLES = {
    16384: "db_owner", 16385: "db_accessadmin", 16386: "db_securityadmin", 16387: "db_ddladmin", 16389: "db_backupoperator",
    16390: "db_datareader", 16391: "db_datawriter", 16392: "db_denydatareader", 16393: "db_denydatawriter",
}  # fmt: skip


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC).replace(tzinfo=None)


@dataclass(eq=False)
class Login:
    """A principal of the server: a login (S) or a server role (R)."""

    id: int
    name: str
    type: str
    sid: bytes
    password: Password | None = None
    disabled: bool = False
    default_database: str = "master"
    check_policy: bool = True
    check_expiration: bool = False
    created: datetime.datetime = field(default_factory=_now)

    @property
    def fixed(self) -> bool:
        return self.id <= 10


@dataclass(eq=False)
class User:
    """A principal of a database: a user (S) or a role (R)."""

    id: int
    name: str
    type: str
    sid: bytes | None
    default_schema: str | None = "dbo"
    authentication: int = 0
    password: Password | None = None
    owner: int | None = None
    created: datetime.datetime = field(default_factory=_now)

    @property
    def fixed(self) -> bool:
        return self.id in FIXED_DATABASE_ROLES

    @property
    def system(self) -> bool:
        """Seen by everybody."""
        return self.id <= SYS or self.fixed


@dataclass(eq=False)
class Schema:
    id: int
    name: str
    owner: int


@dataclass(eq=False)
class Object:
    """A table (U) or a view (V)."""

    id: int
    name: str
    schema: int
    type: str
    columns: list[Column] = field(default_factory=list)
    rows: list[list[object]] = field(default_factory=list)
    query: Tokens = field(default_factory=list)
    # None: the schema's owner.
    owner: int | None = None
    created: datetime.datetime = field(default_factory=_now)


@dataclass(frozen=True)
class PermissionKey:
    """What there is one permission for."""

    securable_class: int
    major: int
    minor: int
    grantee: int
    grantor: int
    permission: str


@dataclass(eq=False)
class Database:
    id: int
    name: str
    owner: bytes
    contained: bool = False
    collation: str = collation.DEFAULT
    principals: dict[int, User] = field(default_factory=dict)
    members: set[tuple[int, int]] = field(default_factory=set)
    schemas: dict[int, Schema] = field(default_factory=dict)
    objects: dict[int, Object] = field(default_factory=dict)
    # To the state: G, W (with grant option) or D.
    permissions: dict[PermissionKey, str] = field(default_factory=dict)
    created: datetime.datetime = field(default_factory=_now)
    restricted: bool = False
    read_only: bool = False
    offline: bool = False
    _ids: itertools.count = field(default_factory=lambda: itertools.count(5))
    _object_ids: itertools.count = field(default_factory=lambda: itertools.count(901578250, 16))

    def __post_init__(self) -> None:
        users = {DBO: "dbo", GUEST: "guest", INFORMATION_SCHEMA: "INFORMATION_SCHEMA", SYS: "sys"}
        for number, name in users.items():
            schema = name if number in (DBO, GUEST) else None
            sid = self.owner if number == DBO else b"\0" if number == GUEST else None
            self.principals[number] = User(number, name, "S", sid, schema, int(number == DBO))
            self.schemas[number] = Schema(number, name, number)
        for number, name in ({PUBLIC: "public"} | FIXED_DATABASE_ROLES).items():
            self.principals[number] = User(number, name, "R", secrets.token_bytes(28), None, owner=DBO)
            if number:
                self.schemas[number] = Schema(number, name, number)
        self.permissions[PermissionKey(0, 0, 0, DBO, DBO, "CONNECT")] = "G"

    def same(self, left: str, right: str) -> bool:
        """Whether two names are the same here."""
        return collation.key_under(self.collation, left) == collation.key_under(self.collation, right)

    def principal(self, name: str) -> User | None:
        return next((user for user in self.principals.values() if self.same(user.name, name)), None)

    def user_of(self, sid: bytes) -> User | None:
        return next((user for user in self.principals.values() if user.sid == sid and user.type == "S"), None)

    def schema(self, name: str) -> Schema | None:
        return next((schema for schema in self.schemas.values() if self.same(schema.name, name)), None)

    def object(self, schema: Schema, name: str) -> Object | None:
        return next((o for o in self.objects.values() if o.schema == schema.id and self.same(o.name, name)), None)

    def owner_of(self, thing: Object) -> int:
        return self.schemas[thing.schema].owner if thing.owner is None else thing.owner

    def next_id(self) -> int:
        """Of a principal or a schema: of either kind the lowest that is free and was not used."""
        return next(self._ids)

    def next_object_id(self) -> int:
        return next(self._object_ids)

    def roles_of(self, user: int) -> set[int]:
        """All roles, by way of others too, and public."""
        return closure(self.members, user) | {PUBLIC}


def closure(members: set[tuple[int, int]], start: int) -> set[int]:
    """The roles of a member, and theirs."""
    found: set[int] = set()
    look = [start]
    while look:
        member = look.pop()
        for role, of in members:
            if of == member and role not in found:
                found.add(role)
                look.append(role)
    return found


@dataclass(eq=False)
class Server:
    """All of it, but for sessions and locks."""

    version: int = 16
    azure: bool = False
    containment: bool = False
    # Of every database of Azure: "DATABASEPROPERTYEX", ServiceObjective.
    objective: str = "S3"
    logins: dict[int, Login] = field(default_factory=dict)
    members: set[tuple[int, int]] = field(default_factory=set)
    permissions: dict[PermissionKey, str] = field(default_factory=dict)
    databases: dict[int, Database] = field(default_factory=dict)
    _login_ids: itertools.count = field(default_factory=lambda: itertools.count(260))
    _database_ids: itertools.count = field(default_factory=lambda: itertools.count(5))

    def __post_init__(self) -> None:
        sa = Login(SA, "sa", "S", b"\1")
        self.logins[SA] = sa
        for number, name in ({PUBLIC_SERVER: "public"} | FIXED_SERVER_ROLES).items():
            self.logins[number] = Login(number, name, "R", bytes([number]), default_database="")
        self.members.add((SYSADMIN, SA))
        for permission in ("CONNECT SQL", "VIEW ANY DATABASE"):
            grantee = SA if permission == "CONNECT SQL" else PUBLIC_SERVER
            self.permissions[PermissionKey(100, 0, 0, grantee, SA, permission)] = "G"
        for number, name in enumerate(("master", "tempdb", "model", "msdb"), 1):
            if self.azure and name != "master":
                continue
            database = Database(number, name, sa.sid)
            if name != "model":
                database.permissions[PermissionKey(0, 0, 0, GUEST, DBO, "CONNECT")] = "G"
            self.databases[number] = database

    @property
    def edition(self) -> int:
        return 5 if self.azure else 3

    @property
    def product_version(self) -> str:
        return "12.0.2000.8" if self.azure else f"{self.version}.0.4085.2"

    def login(self, name: str) -> Login | None:
        return next((login for login in self.logins.values() if collation.key(login.name) == collation.key(name)), None)

    def login_of(self, sid: bytes | None) -> Login | None:
        return next((login for login in self.logins.values() if login.sid == sid), None)

    def database(self, name: str) -> Database | None:
        return next((d for d in self.databases.values() if collation.key(d.name) == collation.key(name)), None)

    def next_login_id(self) -> int:
        return next(self._login_ids)

    def next_database_id(self) -> int:
        return next(self._database_ids)

    def roles_of(self, login: int) -> set[int]:
        return closure(self.members, login) | {PUBLIC_SERVER}

    def is_sysadmin(self, login: Login | None) -> bool:
        return login is not None and (login.id == SA or SYSADMIN in self.roles_of(login.id))
