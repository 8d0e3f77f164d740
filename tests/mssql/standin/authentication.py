"""Who may log in ("Contained database users", "Troubleshoot login failed errors").

A client that names a contained database is looked for among its users first; if one has that name, the server's logins are not
asked any more.
"""

from __future__ import annotations

from dataclasses import dataclass

from .context import Context, may_connect, user_in
from .errors import SqlError
from .model import Database, Server
from .rights import SERVER
from .session import Identity


class Refused(Exception):
    """With the errors that the client is told, in their order."""

    def __init__(self, *errors: SqlError) -> None:
        super().__init__(errors[0])
        self.errors = errors


@dataclass
class Admitted:
    identity: Identity
    database: Database


def authenticate(server: Server, name: str, password: str, database_name: str) -> Admitted:
    """Admits a client, or raises `Refused`."""
    failed = SqlError(18456, name)
    wanted = server.database(database_name) if database_name else None
    if wanted is not None and (wanted.contained or server.azure):
        user = wanted.principal(name)
        if user is not None and user.password is not None:
            if not user.password.is_it(password):
                raise Refused(failed)
            context = Context(server, None, wanted, user)
            if not may_connect(context):
                raise Refused(SqlError(4060, database_name), failed)
            return Admitted(Identity(None, user, wanted), wanted)
    login = server.login(name)
    if login is None or login.type != "S" or login.password is None or not login.password.is_it(password):
        raise Refused(failed)
    master = server.databases[1]
    anywhere = Context(server, login, master, master.principals[2])
    if login.disabled:
        raise Refused(SqlError(18470, name))
    if not anywhere.may(SERVER, "CONNECT SQL"):
        raise Refused(failed)
    database = wanted if database_name else server.database(login.default_database)
    if database is None or user_in(server, login, database) is None:
        cannot = SqlError(4060, database_name) if database_name else SqlError(4064)
        raise Refused(cannot, failed)
    return Admitted(Identity(login), database)
