"""Taking connections: a thread for each client."""

from __future__ import annotations

import socket
import ssl
import threading
import traceback
from dataclasses import dataclass
from pathlib import Path

from pysqlbridge.tds.batch import parse_sql_batch
from pysqlbridge.tds.packet import TdsProtocolError
from pysqlbridge.tds.rpc import RpcRequest, parse_rpc
from pysqlbridge.tds.tls import TlsError
from pysqlbridge.tds.transaction import TransactionRequestType, parse_transaction_request

from . import answers, types
from .authentication import Refused, authenticate
from .batch import Run
from .engine import Engine
from .errors import SqlError, unknown
from .procedures import declarations
from .session import Session
from .statements import TypeName
from .wire import Closed, Encrypt, PacketType, Wire, wants_reset

_TRANSACTIONS = {
    TransactionRequestType.BEGIN_XACT: "BEGIN TRANSACTION", TransactionRequestType.COMMIT_XACT: "COMMIT",
    TransactionRequestType.ROLLBACK_XACT: "ROLLBACK",
}  # fmt: skip


@dataclass
class Listener:
    """Serves an engine on a socket of this machine."""

    engine: Engine
    encrypt: Encrypt
    tls: ssl.SSLContext | None

    def listen(self, port: int) -> tuple[socket.socket, int]:
        listening = socket.create_server(("127.0.0.1", port), backlog=128)
        return listening, listening.getsockname()[1]

    def serve(self, listening: socket.socket) -> None:
        """Until the socket is closed."""
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self._client, args=(connection,), daemon=True).start()

    @property
    def version(self) -> tuple[int, int, int]:
        major, minor, build = self.engine.server.product_version.split(".")[:3]
        return int(major), int(minor), int(build)

    def _client(self, connection: socket.socket) -> None:
        with connection:
            try:
                wire = Wire(connection)
                session = self._admit(wire)
                if session is None:
                    return
                try:
                    while not session.killed:
                        self._request(wire, session)
                finally:
                    self.engine.close(session)
            except (Closed, TdsProtocolError, TlsError, OSError):
                return

    def _admit(self, wire: Wire) -> Session | None:
        opening = wire.open(self.encrypt, self.tls, self.version)
        engine = self.engine
        try:
            # From here to the session's beginning nobody can drop the login.
            with engine.running:
                admitted = authenticate(engine.server, opening.user, opening.password, opening.database)
                session = Session(
                    engine.next_session_id(), engine, admitted.database, [admitted.identity], opening.host, opening.program,
                    opening.client, wire.connection,
                )  # fmt: skip
                session.options["encrypted"] = "1" if opening.encrypted else ""
                engine.open(session)
        except Refused as refused:
            wire.send(answers.refusal(refused.errors, wire.tds_version))
            return None
        wire.session_id = session.id
        wire.send(answers.welcome(self.version, admitted.database.name, wire.tds_version))
        return session

    def _request(self, wire: Wire, session: Session) -> None:
        message = wire.receive()
        if wants_reset(message):
            session.journal.undo()
            session.transactions, session.doomed = 0, False
            session.options = {"encrypted": session.options.get("encrypted", "")}
            session.variables, session.tables = {}, {}
        version = wire.tds_version
        match message.type:
            case PacketType.SQL_BATCH:
                reply = self._batch(session, parse_sql_batch(message.payload, version), version)
            case PacketType.RPC:
                reply = self._procedure(session, parse_rpc(message.payload, version), version)
            case PacketType.TRANSACTION_MANAGER:
                request = parse_transaction_request(message.payload, version)
                reply = self._batch(session, _TRANSACTIONS[request.kind], version)
            case PacketType.ATTENTION:
                reply = answers.cancelled(version)
            case _:
                raise Closed
        if session.killed:
            raise Closed
        wire.send(reply)

    def _batch(self, session: Session, text: str, version: int) -> bytes:
        try:
            return answers.batch(Run(session).batch(text), version)
        except Exception as error:  # noqa: BLE001
            return answers.batch([_own_fault(error)], version)

    @staticmethod
    def _procedure(session: Session, call: RpcRequest, version: int) -> bytes:
        run = Run(session)
        if not call.is_execute_sql:
            error = SqlError(2812, call.procedure)
            return answers.procedure([error], error.number, version)
        values = [parameter.value for parameter in call.parameters]
        named = {parameter.name.lower(): parameter.value for parameter in call.parameters[2:] if parameter.name}
        in_order = iter([parameter.value for parameter in call.parameters[2:] if not parameter.name])
        text, declared = str(values[0]), str(values[1] or "") if len(values) > 1 else ""

        def begin() -> dict[str, tuple[TypeName, object]]:
            variables = {}
            for name, kind, _ in declarations(declared):
                value = named[name.lower()] if name.lower() in named else next(in_order, None)
                variables[name.lower()] = (kind, types.convert(value, kind, cast=False))
            return variables

        status = [0]
        try:
            run._guarded(lambda: run._save(lambda: status.__setitem__(0, run.nested(text, begin()))))
            return answers.procedure(run._finished(), status[0], version)
        except Exception as error:  # noqa: BLE001
            return answers.procedure([_own_fault(error)], -1, version)


def _own_fault(error: Exception) -> SqlError:
    """A fault of ours is an answer too: where it is, and nothing of the statement, in which may be a password."""
    place = traceback.extract_tb(error.__traceback__)[-1]
    return unknown(f"{type(error).__name__} at {Path(place.filename).name}:{place.lineno}")
