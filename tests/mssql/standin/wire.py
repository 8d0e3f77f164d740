"""One client's connection: PRELOGIN, TLS, LOGIN7, then requests and answers ([MS-TDS]).

Framing, tokens and the tunnel are pysqlbridge's; what is agreed on, who is admitted and what is answered is decided here.
"""

from __future__ import annotations

import socket
import ssl
from dataclasses import dataclass
from enum import Enum

from pysqlbridge.tds.login import Login7, deobfuscate_password
from pysqlbridge.tds.packet import (
    TDS_72,
    Message,
    PacketStatus,
    PacketType,
    TdsProtocolError,
    build_message,
    build_packet,
    reassemble,
)
from pysqlbridge.tds.prelogin import Encryption, Prelogin, Version, server_response
from pysqlbridge.tds.tls import TlsTunnel, wrap_handshake
from pysqlbridge.tds.token import negotiate

PACKET_SIZE = 4096


class Encrypt(Enum):
    """What the server wants of a client."""

    OFF = "off"
    ON = "on"
    REQUIRED = "required"


class Closed(Exception):
    """The client has gone, or does not get on."""


@dataclass
class Opening:
    """What a client has said before it is admitted."""

    user: str
    password: str
    database: str
    host: str
    program: str
    client: str
    version: int
    encrypted: bool


class Wire:
    """Messages to and from one socket."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.encrypted = False
        self.tds_version = 0
        self.session_id = 0
        self._tunnel: TlsTunnel | None = None
        self._raw = bytearray()
        self._plain = bytearray()

    def open(self, encrypt: Encrypt, context: ssl.SSLContext | None, version: tuple[int, int, int]) -> Opening:
        """Everything up to what the client says of itself."""
        message = self.receive()
        if message.type is not PacketType.PRELOGIN:
            raise Closed
        asked = Prelogin.parse(message.payload)
        agreed = _agreed(encrypt if context is not None else Encrypt.OFF, asked.encryption)
        response = server_response(
            version=Version(*version), encryption=Encryption.REQUIRED if agreed is None else agreed, asked=asked
        )
        self._send_raw(build_packet(PacketType.TABULAR_RESULT, response.build()))
        if agreed is None:
            # "the server ... MUST terminate the connection": one side demands what the other does not do.
            raise Closed
        if agreed is not Encryption.NOT_SUPPORTED:
            self._shake_hands(context)
        self.encrypted = agreed is not Encryption.NOT_SUPPORTED
        message = self.receive()
        if message.type is not PacketType.LOGIN7:
            raise Closed
        login = Login7.parse(message.payload)
        # The tunnel is for the login alone where nobody asked for more.
        if agreed is Encryption.OFF:
            self.encrypted, self._tunnel = False, None
        self.tds_version = negotiate(login.tds_version)
        if self.tds_version < TDS_72:
            raise Closed
        return Opening(
            login.user_name, deobfuscate_password(login.password), login.database, login.host_name, login.app_name,
            login.client_interface_name, self.tds_version, self.encrypted,
        )  # fmt: skip

    def _shake_hands(self, context: ssl.SSLContext) -> None:
        tunnel = TlsTunnel(context)
        while not tunnel.handshake_complete:
            message = self.receive()
            records = tunnel.advance_handshake(message.payload)
            for packet in wrap_handshake(records) if records else []:
                self._send_raw(packet)
        self._tunnel = tunnel

    def receive(self) -> Message:
        """The next whole message."""
        source = self._plain if self.encrypted else self._raw
        while (message := reassemble(source)) is None:
            try:
                data = self.connection.recv(65536)
            except OSError:
                raise Closed from None
            if not data:
                raise Closed
            source += self._tunnel.unwrap(data) if self.encrypted and self._tunnel else data
        del source[: message.consumed]
        return message

    def send(self, tokens: bytes) -> None:
        """An answer, in as many packets as it takes."""
        packets = b"".join(
            build_message(PacketType.TABULAR_RESULT, tokens, packet_size=PACKET_SIZE, spid=self.session_id & 0xFFFF)
        )
        self._send_raw(self._tunnel.wrap(packets) if self.encrypted and self._tunnel else packets)

    def _send_raw(self, data: bytes) -> None:
        try:
            self.connection.sendall(data)
        except OSError:
            raise Closed from None


def _agreed(own: Encrypt, asked: Encryption | None) -> Encryption | None:
    """ "PRELOGIN", the table of encryption options: none where the two do not get on."""
    table = {
        Encrypt.OFF: {Encryption.OFF: Encryption.NOT_SUPPORTED, Encryption.NOT_SUPPORTED: Encryption.NOT_SUPPORTED,
                      Encryption.ON: Encryption.NOT_SUPPORTED, Encryption.REQUIRED: Encryption.NOT_SUPPORTED},
        Encrypt.ON: {Encryption.OFF: Encryption.OFF, Encryption.NOT_SUPPORTED: Encryption.NOT_SUPPORTED,
                     Encryption.ON: Encryption.ON, Encryption.REQUIRED: Encryption.ON},
        Encrypt.REQUIRED: {Encryption.OFF: Encryption.REQUIRED, Encryption.NOT_SUPPORTED: None, Encryption.ON: Encryption.ON,
                           Encryption.REQUIRED: Encryption.ON},
    }  # fmt: skip
    return table[own].get(asked if asked is not None else Encryption.NOT_SUPPORTED)


def wants_reset(message: Message) -> bool:
    """Whether a pool hands the session to its next user."""
    return bool(message.status & (PacketStatus.RESET_CONNECTION | PacketStatus.RESET_CONNECTION_SKIP_TRAN))


__all__ = ["Closed", "Encrypt", "Opening", "PacketType", "TdsProtocolError", "Wire", "wants_reset"]
