"""Who somebody is, in a database, and what that principal may ("Determining effective permissions")."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from . import rights
from .model import DBO, GUEST, PUBLIC, PUBLIC_SERVER, Database, Login, Object, PermissionKey, Schema, Server, User
from .rights import DATABASE, LOGIN, OBJECT, PRINCIPAL, SCHEMA, SERVER

Securable = Object | Schema | User | Login | None


@dataclass(frozen=True)
class Context:
    """A login (or none: a contained user) and its user in a database."""

    server: Server
    login: Login | None
    database: Database
    user: User

    @property
    def sysadmin(self) -> bool:
        return self.server.is_sysadmin(self.login)

    @property
    def dbo(self) -> bool:
        """The owner of the database, and every sysadmin: nothing is checked then."""
        return self.user.id == DBO

    def logins(self) -> set[int]:
        if self.login is None:
            return {PUBLIC_SERVER}
        return {self.login.id} | self.server.roles_of(self.login.id)

    def users(self) -> set[int]:
        """The user and its roles."""
        return {self.user.id} | self.database.roles_of(self.user.id)

    def has_role(self, role: str) -> bool:
        found = self.database.principal(role)
        return self.dbo or (found is not None and found.id in self.database.roles_of(self.user.id))

    def may(self, kind: int, permission: str, on: Securable = None, column: int = 0) -> bool:
        """Whether the permission is effective: something grants it, or what implies it, and nothing denies either."""
        if self.sysadmin:
            return True
        if kind not in (SERVER, LOGIN):
            if self.dbo:
                return True
            if isinstance(on, Object) and self.database.owner_of(on) in self.users():
                return True
            if isinstance(on, Schema) and on.owner in self.users():
                return True
            if isinstance(on, User) and on.owner in self.users() and on.type == "R":
                return True
        states = self._states(kind, permission, on, column)
        return "D" not in states and bool(states & {"G", "W"})

    def may_grant(self, kind: int, permission: str, on: Securable) -> set[int]:
        """Principals of this context that hold the permission, or what implies it, with grant option."""
        found = set()
        for of, name in rights.implying(kind, permission):
            for key, state in self._rows(of, name, on, 0):
                if state == "W":
                    found.add(key.grantee)
        return found

    def any_on(self, on: Object) -> bool:
        """Whether the principal has any permission on an object, or what is as good: then it sees its metadata."""
        if any(self.may(OBJECT, permission, on) for permission in rights.all_of(OBJECT)):
            return True
        mine = self.users()
        return any(
            key.securable_class == OBJECT and key.major == on.id and key.minor and key.grantee in mine and state != "D"
            for key, state in self.database.permissions.items()
        )

    def sees_object(self, on: Object) -> bool:
        """ "Metadata visibility configuration"."""
        return self.any_on(on)

    def sees_user(self, user: User) -> bool:
        """ "sys.database_principals", section Permissions."""
        if user.system or user.id in (self.user.id, PUBLIC):
            return True
        if user.type == "R":
            return user.id in self.users() or self.may(DATABASE, "ALTER ANY ROLE") or self._any_on_principal(user)
        return self.may(DATABASE, "ALTER ANY USER") or self._any_on_principal(user)

    def _any_on_principal(self, user: User) -> bool:
        return any(
            self.may(PRINCIPAL, permission, user)
            for permission in ("CONTROL", "IMPERSONATE", "VIEW DEFINITION", "ALTER")
        )

    def sees_login(self, login: Login) -> bool:
        """ "sys.server_principals", section Permissions."""
        if login.id <= 10 or login is self.login or (login.type == "R" and login.id in self.logins()):
            return True
        if self.may(SERVER, "ALTER ANY LOGIN" if login.type == "S" else "ALTER ANY SERVER ROLE"):
            return True
        return any(
            self.may(LOGIN, permission, login) for permission in ("CONTROL", "IMPERSONATE", "VIEW DEFINITION", "ALTER")
        )

    def sees_database(self, database: Database) -> bool:
        """ "sys.databases", section Permissions."""
        if database.id in (1, 2) or database is self.database:
            return True
        if self.login is not None and database.owner == self.login.sid:
            return True
        return any(
            self.may(SERVER, name) for name in ("VIEW ANY DATABASE", "ALTER ANY DATABASE", "CREATE ANY DATABASE")
        )

    def sees_state(self) -> bool:
        """Whether other sessions are seen: "sys.dm_exec_sessions", section Permissions."""
        if self.server.azure:
            return self.may(DATABASE, "VIEW DATABASE STATE")
        if self.server.version >= 16:
            return self.may(SERVER, "VIEW SERVER PERFORMANCE STATE")
        return self.may(SERVER, "VIEW SERVER STATE")

    def _states(self, kind: int, permission: str, on: Securable, column: int) -> set[str]:
        states = set()
        for of, name in rights.implying(kind, permission):
            states |= {state for _, state in self._rows(of, name, on, column)}
            if of == SERVER:
                states |= {
                    "G" for role, names in rights.SERVER_ROLES.items() if name in names and role in self.logins()
                }
            elif of == DATABASE:
                mine = self.users()
                states |= {"G" for role, names in rights.DATABASE_ROLES.items() if name in names and role in mine}
                states |= {"D" for role, names in rights.DATABASE_ROLE_DENIES.items() if name in names and role in mine}
        return states

    def _rows(self, kind: int, permission: str, on: Securable, column: int) -> Iterable[tuple[PermissionKey, str]]:
        """The rows for exactly this permission, to anybody whom this principal is."""
        permission = "ALTER" if permission == "ALTER ROLE" else permission
        if kind in (SERVER, LOGIN):
            rows, mine = self.server.permissions, self.logins()
            major = on.id if kind == LOGIN and isinstance(on, Login) else 0
        else:
            rows, mine = self.database.permissions, self.users()
            major = self._major(kind, on)
        for key, state in rows.items():
            if (
                key.permission == permission
                and key.securable_class == kind
                and key.major == major
                and key.grantee in mine
            ):
                if key.minor in (0, column):
                    yield key, state

    @staticmethod
    def _major(kind: int, on: Securable) -> int:
        if kind == DATABASE or on is None:
            return 0
        if kind == SCHEMA and isinstance(on, Object):
            return on.schema
        return on.id


def user_in(server: Server, login: Login | None, database: Database) -> User | None:
    """The user as whom a login works in a database, if it may connect there at all."""
    if login is None or database.offline:
        return None
    if server.is_sysadmin(login) or database.owner == login.sid:
        return database.principals[DBO]
    user = database.user_of(login.sid)
    if user is None:
        guest = database.principals[GUEST]
        anybody = Context(server, login, database, guest)
        # "CONNECT ANY DATABASE ... allows the login to connect to all databases".
        connects = PermissionKey(DATABASE, 0, 0, GUEST, DBO, "CONNECT") in database.permissions
        return guest if connects or anybody.may(SERVER, "CONNECT ANY DATABASE") else None
    return user if may_connect(Context(server, login, database, user)) else None


def may_connect(context: Context) -> bool:
    """Whether a user has CONNECT on its database."""
    return context.may(DATABASE, "CONNECT")
