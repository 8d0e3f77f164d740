"""CREATE, ALTER and DROP of logins, users and roles; who is in which role."""

from __future__ import annotations

import secrets

from . import passwords
from .errors import SqlError, unknown
from .model import DBO, PUBLIC, SYSADMIN, Database, Login, PermissionKey, Server, User
from .passwords import Password
from .rights import DATABASE, LOGIN, PRINCIPAL, SERVER
from .session import Session
from .statements import CreatePrincipal, Drop, Membership


def principal(session: Session, statement: CreatePrincipal) -> None:
    """CREATE or ALTER."""
    _ACTIONS[statement.action, statement.kind](session, statement.name, statement.options)


def _legal(name: str) -> None:
    # "SQL Server Authentication login names can't contain a backslash" ("CREATE LOGIN", "CREATE USER").
    if "\\" in name:
        raise SqlError(15006, name)


def _password(options: dict[str, object], name: str, *, checked: bool) -> Password:
    text = options["password"]
    if isinstance(text, bytes):
        return Password(text[2:6], text[6:])
    if checked:
        passwords.check(str(text), name)
    return Password.of(str(text))


def _in_master(session: Session) -> None:
    if session.engine.server.azure and session.database.id != 1:
        raise SqlError(5001)


def _create_login(session: Session, name: str, options: dict[str, object]) -> None:
    server = session.engine.server
    _in_master(session)
    if not session.context.may(SERVER, "CREATE LOGIN" if server.version >= 16 else "ALTER ANY LOGIN"):
        raise SqlError(15247)
    _legal(name)
    policy, expiration = options.get("check_policy", True), options.get("check_expiration", False)
    if expiration and not policy:
        raise SqlError(15122)
    if server.login(name) is not None:
        raise SqlError(15025, name)
    database = str(options.get("default_database", "master"))
    if server.database(database) is None:
        raise SqlError(15010, database)
    if "password" not in options:
        raise SqlError(102, "WITH")
    sid = options.get("sid") or secrets.token_bytes(16)
    if len(sid) != 16:
        raise SqlError(15419)
    if server.login_of(sid) is not None:
        raise SqlError(15433)
    login = Login(
        server.next_login_id(), name, "S", sid, _password(options, name, checked=bool(policy)),
        default_database=server.database(database).name, check_policy=bool(policy), check_expiration=bool(expiration),
    )  # fmt: skip
    session.journal.put(server.logins, login.id, login)
    session.journal.put(server.permissions, PermissionKey(SERVER, 0, 0, login.id, 1, "CONNECT SQL"), "G")


def _alter_login(session: Session, name: str, options: dict[str, object]) -> None:
    server, context, journal = session.engine.server, session.context, session.journal
    _in_master(session)
    login = server.login(name)
    if login is None or login.type != "S" or not context.sees_login(login):
        raise SqlError(15151, "alter", "login", name)
    own = login is context.login
    needed = "CONTROL SERVER" if _powerful(server, login) and not own else None
    may = context.may(SERVER, needed) if needed else context.may(LOGIN, "ALTER", login)
    if not may:
        # Its own password may be changed by who knows it.
        old = options.get("old_password")
        if not own or set(options) - {"password", "old_password"} or "password" not in options:
            raise SqlError(15151, "alter", "login", name)
        if old is None or not login.password.is_it(str(old)):
            raise SqlError(15151, "alter", "login", name)
    if "disabled" in options:
        journal.set(login, "disabled", bool(options["disabled"]))
    policy = bool(options.get("check_policy", login.check_policy))
    if options.get("check_expiration", login.check_expiration) and not policy:
        raise SqlError(15122)
    if "password" in options:
        journal.set(login, "password", _password(options, login.name, checked=policy))
    journal.set(login, "check_policy", policy)
    journal.set(login, "check_expiration", bool(options.get("check_expiration", login.check_expiration)))
    if "default_database" in options:
        journal.set(login, "default_database", str(options["default_database"]))
    if "name" in options:
        _legal(str(options["name"]))
        if server.login(str(options["name"])) is not None:
            raise SqlError(15025, options["name"])
        journal.set(login, "name", str(options["name"]))


def _powerful(server: Server, login: Login) -> bool:
    """ "If the login that is being changed is a member of the sysadmin fixed server role or a grantee of CONTROL SERVER
    permission, ALTER ANY LOGIN is not enough"."""
    controls = any(
        key.grantee in server.roles_of(login.id) | {login.id} and key.permission == "CONTROL SERVER" and state != "D"
        for key, state in server.permissions.items()
    )
    return server.is_sysadmin(login) or controls


def _drop_login(session: Session, name: str) -> None:
    server, context, journal = session.engine.server, session.context, session.journal
    login = server.login(name)
    if login is None or login.type != "S" or not context.sees_login(login):
        raise SqlError(15151, "drop", "login", name)
    if not context.may(SERVER, "ALTER ANY LOGIN") or (
        _powerful(server, login) and not context.may(SERVER, "CONTROL SERVER")
    ):
        raise SqlError(15151, "drop", "login", name)
    if login.id == 1:
        raise SqlError(15150, "drop", "login", "sa")
    if any(login in (identity.login for identity in other.identities) for other in session.engine.sessions()):
        raise SqlError(15434, login.name)
    if any(database.owner == login.sid for database in server.databases.values()):
        raise SqlError(15174, login.name)
    if any(key.grantor == login.id for key in server.permissions):
        raise SqlError(15173, login.name)
    for key in [
        key
        for key in server.permissions
        if key.grantee == login.id or (key.securable_class == LOGIN and key.major == login.id)
    ]:
        journal.take(server.permissions, key)
    for row in [row for row in server.members if row[1] == login.id]:
        journal.discard(server.members, row)
    journal.take(server.logins, login.id)


def _create_user(session: Session, name: str, options: dict[str, object]) -> None:
    server, context, database = session.engine.server, session.context, session.database
    if not context.may(DATABASE, "CREATE USER" if server.version >= 16 else "ALTER ANY USER"):
        raise SqlError(15247)
    _legal(name)
    sid, password, authentication = None, None, 0
    if "password" in options:
        if not database.contained and not server.azure:
            raise SqlError(33233)
        password, authentication = _password(options, name, checked=True), 2
        sid = options.get("sid") or secrets.token_bytes(16)
    elif options.get("without_login"):
        sid = secrets.token_bytes(16)
    else:
        login_name = str(options.get("login", name))
        login = server.login(login_name)
        if login is None or login.type != "S" or not context.sees_login(login):
            raise SqlError(15007, login_name)
        if login.id == 1:
            raise SqlError(15405, text="Cannot use the special principal 'sa'.")
        sid, authentication = login.sid, 1
    if database.principal(name) is not None:
        raise SqlError(15023, name)
    if any(user.sid == sid for user in database.principals.values()):
        raise SqlError(15063)
    schema = str(options.get("default_schema", "dbo"))
    user = User(database.next_id(), name, "S", sid, schema, authentication, password)
    session.journal.put(database.principals, user.id, user)
    if not options.get("without_login"):
        session.journal.put(database.permissions, PermissionKey(DATABASE, 0, 0, user.id, DBO, "CONNECT"), "G")


def _alter_user(session: Session, name: str, options: dict[str, object]) -> None:
    context, database, journal = session.context, session.database, session.journal
    user = _visible(session, name, "S", "alter", "user")
    own = user is context.user
    may = context.may(PRINCIPAL, "ALTER", user)
    if "password" in options:
        knows = own and user.password is not None and user.password.is_it(str(options.get("old_password", "")))
        if not may and not knows:
            raise SqlError(15151, "alter", "user", name)
        if user.password is None:
            raise SqlError(
                33234,
                text="The parameter PASSWORD cannot be provided for users that cannot authenticate in a database.",
            )
        journal.set(user, "password", _password(options, user.name, checked=True))
    elif not may:
        raise SqlError(15151, "alter", "user", name)
    if "default_schema" in options:
        journal.set(user, "default_schema", str(options["default_schema"]))
    if "name" in options:
        _legal(str(options["name"]))
        if database.principal(str(options["name"])) is not None:
            raise SqlError(15023, options["name"])
        journal.set(user, "name", str(options["name"]))
    if "login" in options:
        login = session.engine.server.login(str(options["login"]))
        if login is None:
            raise SqlError(15151, "alter", "login", options["login"])
        journal.set(user, "sid", login.sid)


def _visible(session: Session, name: str, kind: str, verb: str, what: str) -> User:
    user = session.database.principal(name)
    if user is None or user.type != kind or not session.context.sees_user(user):
        raise SqlError(15151, verb, what, name)
    return user


def _drop_user(session: Session, name: str, *, if_exists: bool) -> None:
    database = session.database
    existing = database.principal(name)
    if if_exists and (existing is None or not session.context.sees_user(existing)):
        return
    user = _visible(session, name, "S", "drop", "user")
    if user.system:
        raise SqlError(15150, "drop", "user", name)
    if not session.context.may(PRINCIPAL, "ALTER", user):
        raise SqlError(15151, "drop", "user", name)
    _remove(session, database, user)


def _remove(session: Session, database: Database, user: User) -> None:
    journal = session.journal
    if any(schema.owner == user.id for schema in database.schemas.values()):
        raise SqlError(15138, "schema")
    if any(other.owner == user.id and other.type == "R" for other in database.principals.values()):
        raise SqlError(15421)
    if any(thing.owner == user.id for thing in database.objects.values()):
        raise SqlError(15183)
    if any(key.grantor == user.id for key in database.permissions):
        raise SqlError(15284)
    for key in [
        key
        for key in database.permissions
        if key.grantee == user.id or (key.securable_class == PRINCIPAL and key.major == user.id)
    ]:
        journal.take(database.permissions, key)
    for row in [row for row in database.members if user.id in row]:
        journal.discard(database.members, row)
    journal.take(database.principals, user.id)


def _create_role(session: Session, name: str, options: dict[str, object]) -> None:
    context, database = session.context, session.database
    if not context.may(DATABASE, "CREATE ROLE"):
        raise SqlError(15247)
    if database.principal(name) is not None:
        raise SqlError(15023, name)
    owner = context.user.id
    if options.get("owner"):
        found = database.principal(str(options["owner"]))
        if found is None or not (context.dbo or context.may(PRINCIPAL, "IMPERSONATE", found)):
            raise SqlError(15151, "find", "user", options["owner"])
        owner = found.id
    role = User(database.next_id(), name, "R", secrets.token_bytes(28), None, owner=owner)
    session.journal.put(database.principals, role.id, role)


def _drop_role(session: Session, name: str, *, if_exists: bool) -> None:
    database = session.database
    if if_exists and database.principal(name) is None:
        return
    role = _visible(session, name, "R", "drop", "role")
    if role.fixed or role.id == PUBLIC:
        raise SqlError(15150, "drop", "role", name)
    if not session.context.may(PRINCIPAL, "ALTER ROLE", role):
        raise SqlError(15151, "drop", "role", name)
    if any(row[0] == role.id for row in database.members):
        raise SqlError(15144)
    _remove(session, database, role)


def membership(session: Session, statement: Membership) -> None:
    """ALTER ROLE and ALTER SERVER ROLE."""
    if statement.server:
        _server_membership(session, statement)
        return
    database, context, journal = session.database, session.context, session.journal
    role = _visible(session, statement.role, "R", "alter", "role")
    may = context.has_role("db_owner") if role.fixed else context.may(PRINCIPAL, "ALTER ROLE", role)
    if role.id == PUBLIC or not may:
        raise SqlError(15151, "alter", "role", statement.role)
    member = database.principal(statement.member)
    if member is None or not context.sees_user(member):
        raise SqlError(15151, statement.action.lower(), "principal", statement.member)
    if member.id in (DBO, PUBLIC) or member.fixed:
        raise SqlError(15405, text=f"Cannot use the special principal '{member.name}'.")
    change = journal.add if statement.action == "ADD" else journal.discard
    change(database.members, (role.id, member.id))


def _server_membership(session: Session, statement: Membership) -> None:
    server, context, journal = session.engine.server, session.context, session.journal
    role, member = server.login(statement.role), server.login(statement.member)
    if role is None or role.type != "R" or role.id == 2:
        raise SqlError(15151, "alter", "server role", statement.role)
    member_of = context.sysadmin or role.id in context.logins()
    may = member_of if role.fixed else context.may(SERVER, "ALTER ANY SERVER ROLE")
    if not may or (role.id == SYSADMIN and not context.sysadmin):
        raise SqlError(15151, "alter", "server role", statement.role)
    if member is None or not context.sees_login(member):
        raise SqlError(15151, statement.action.lower(), "login", statement.member)
    change = journal.add if statement.action == "ADD" else journal.discard
    change(server.members, (role.id, member.id))


def _create_server_role(session: Session, name: str, options: dict[str, object]) -> None:
    server = session.engine.server
    if not session.context.may(SERVER, "ALTER ANY SERVER ROLE"):
        raise SqlError(15247)
    if server.login(name) is not None:
        raise SqlError(15025, name)
    role = Login(server.next_login_id(), name, "R", secrets.token_bytes(16), default_database="")
    session.journal.put(server.logins, role.id, role)


def _drop_server_role(session: Session, name: str) -> None:
    server, journal = session.engine.server, session.journal
    role = server.login(name)
    if role is None or role.type != "R" or role.fixed or not session.context.may(SERVER, "ALTER ANY SERVER ROLE"):
        raise SqlError(15151, "drop", "server role", name)
    if any(row[0] == role.id for row in server.members):
        raise SqlError(15144)
    for key in [key for key in server.permissions if key.grantee == role.id]:
        journal.take(server.permissions, key)
    journal.take(server.logins, role.id)


def drop(session: Session, statement: Drop) -> None:
    """DROP LOGIN, USER or ROLE."""
    for name in statement.names:
        match statement.kind:
            case "LOGIN":
                _in_master(session)
                _drop_login(session, name.name)
            case "USER":
                _drop_user(session, name.name, if_exists=statement.if_exists)
            case "SERVER ROLE":
                _drop_server_role(session, name.name)
            case "ROLE":
                _drop_role(session, name.name, if_exists=statement.if_exists)
            case kind:
                raise unknown(f"DROP {kind}")


_ACTIONS = {
    ("CREATE", "LOGIN"): _create_login, ("ALTER", "LOGIN"): _alter_login, ("CREATE", "USER"): _create_user,
    ("ALTER", "USER"): _alter_user, ("CREATE", "ROLE"): _create_role, ("CREATE", "SERVER ROLE"): _create_server_role,
}  # fmt: skip
PRINCIPALS = {CreatePrincipal: principal, Membership: membership}
