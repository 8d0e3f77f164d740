"""`python -m standin --port 0 ...`: one server, until its standard input ends or it is told to."""

from __future__ import annotations

import argparse
import os
import secrets
import signal
import sys
import threading
from pathlib import Path

from pysqlbridge.certificate import load, server_context

from .engine import Engine
from .listener import Listener
from .model import Database, Server
from .passwords import Password
from .wire import Encrypt


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="standin", description="A stand-in for SQL Server, on 127.0.0.1, for tests.")
    parser.add_argument("--port", type=int, default=0, help="0: any that is free")
    parser.add_argument("--password-file", type=Path, help="the administrator's password; without it, a random one")
    parser.add_argument("--certificate", type=Path, help="PEM; without it there is no TLS")
    parser.add_argument("--key", type=Path, help="PEM")
    parser.add_argument(
        "--encrypt", choices=[mode.value for mode in Encrypt], default="on", help="what is asked of clients"
    )
    parser.add_argument("--release", type=int, choices=[14, 15, 16, 17], default=16, help="16: SQL Server 2022")
    parser.add_argument("--azure", action="store_true", help="as Azure SQL Database: users are contained")
    parser.add_argument("--contained", action="store_true", help="databases may be contained")
    parser.add_argument("--stdin", action="store_true", help="end when standard input does")
    return parser.parse_args()


def _server(options: argparse.Namespace, password: str) -> tuple[Server, str]:
    server = Server(version=options.release, azure=options.azure, containment=options.contained)
    server.logins[1].password = Password.of(password)
    if not options.azure:
        return server, "master"
    number = server.next_database_id()
    server.databases[number] = Database(number, "standin", server.logins[1].sid, contained=False)
    return server, "standin"


def main() -> int:
    """Runs it."""
    options = _arguments()
    password = options.password_file.read_text().strip() if options.password_file else f"Aa1-{secrets.token_hex(16)}"
    server, database = _server(options, password)
    tls = server_context(load(options.certificate, options.key)) if options.certificate else None
    listener = Listener(Engine(server), Encrypt(options.encrypt), tls)
    listening, port = listener.listen(options.port)
    # Its own password is nobody's secret; one that was given is.
    shown = "..." if options.password_file else password
    print(f"sqlserver://sa:{shown}@127.0.0.1:{port}/{database}", flush=True)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: os._exit(0))
    if options.stdin:
        threading.Thread(target=listener.serve, args=(listening,), daemon=True).start()
        sys.stdin.buffer.read()
        return 0
    listener.serve(listening)
    return 0


if __name__ == "__main__":
    sys.exit(main())
