"""A server in this process, without a network."""

from __future__ import annotations

import unittest

from standin.authentication import Admitted, authenticate
from standin.batch import Rows, Run
from standin.engine import Engine
from standin.errors import SqlError
from standin.model import Database, Server
from standin.passwords import Password
from standin.session import Session

SECRET = "Aa1-secret"


class Client:
    """A session, and the answers to what it sends."""

    def __init__(self, engine: Engine, admitted: Admitted) -> None:
        self.session = Session(engine.next_session_id(), engine, admitted.database, [admitted.identity])
        self.engine = engine
        engine.open(self.session)

    def answers(self, sql: str) -> list[object]:
        """All of a batch: rows as lists of tuples, errors as their numbers."""
        found: list[object] = []
        for answer in Run(self.session).batch(sql):
            if isinstance(answer, Rows):
                found.append(answer.rows)
            elif isinstance(answer, SqlError):
                found.append(answer.number)
        return found

    def do(self, *statements: str) -> None:
        """Each is a batch, and works."""
        for statement in statements:
            errors = [answer for answer in Run(self.session).batch(statement) if isinstance(answer, SqlError)]
            if errors:
                raise AssertionError(f"{errors[0].number} {errors[0]} in: {statement}")

    def rows(self, sql: str) -> list[tuple]:
        """Of the last result."""
        answers = self.answers(sql)
        if not answers or not isinstance(answers[-1], list):
            raise AssertionError(f"{answers} in: {sql}")
        return answers[-1]

    def value(self, sql: str) -> object:
        return self.rows(sql)[0][0]

    def error(self, sql: str) -> int | None:
        """The first error of a batch."""
        return next((answer for answer in self.answers(sql) if isinstance(answer, int)), None)

    def close(self) -> None:
        self.engine.close(self.session)


class Case(unittest.TestCase):
    """With a server of its own, and its administrator in the database `d`."""

    options: dict[str, object] = {}

    def setUp(self) -> None:
        self.server = Server(**self.options)
        self.server.logins[1].password = Password.of(SECRET)
        self.engine = Engine(self.server)
        if self.server.azure:
            number = self.server.next_database_id()
            self.server.databases[number] = Database(number, "d", self.server.logins[1].sid)
        else:
            self.open("sa", "master").do("CREATE DATABASE d")
        self.sa = self.open("sa")

    def open(self, name: str, database: str = "d", password: str = SECRET) -> Client:
        return Client(self.engine, authenticate(self.server, name, password, database))

    def login(self, name: str) -> None:
        """A login, and its user in `d`."""
        self.sa.do(f"CREATE LOGIN [{name}] WITH PASSWORD = N'{SECRET}'", f"CREATE USER [{name}] FOR LOGIN [{name}]")

    def table(self, name: str = "t") -> None:
        self.sa.do(
            f"CREATE TABLE [{name}] (id int NOT NULL, name nvarchar(20))",
            f"INSERT INTO [{name}] VALUES (1, 'one'), (2, 'two')",
        )
