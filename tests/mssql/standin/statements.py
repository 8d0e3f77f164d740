"""What the parser makes of a batch. An expression or a query stays a list of tokens until it is evaluated."""

from __future__ import annotations

from dataclasses import dataclass, field

from .lexer import Token

Tokens = list[Token]


@dataclass(frozen=True)
class Name:
    """A name of one to four parts, the last one is the object's; a part that is left out is empty."""

    parts: tuple[str, ...]
    # Of a table variable; [@t] in brackets is a table's name like any other.
    variable: bool = False

    @property
    def name(self) -> str:
        return self.parts[-1]

    @property
    def schema(self) -> str:
        return self.parts[-2] if len(self.parts) > 1 else ""

    @property
    def database(self) -> str:
        return self.parts[-3] if len(self.parts) > 2 else ""

    def __str__(self) -> str:
        return ".".join(self.parts)


@dataclass
class TypeName:
    """A data type: `nvarchar(max)` has the size -1."""

    name: str
    size: int | None = None


class Statement:
    """Any."""


@dataclass
class Block(Statement):
    body: list[Statement]


@dataclass
class Try(Statement):
    body: list[Statement]
    catch: list[Statement]


@dataclass
class If(Statement):
    condition: Tokens
    then: Statement
    otherwise: Statement | None


@dataclass
class While(Statement):
    condition: Tokens
    body: Statement


@dataclass
class Jump(Statement):
    """BREAK, CONTINUE, or RETURN with a value."""

    kind: str
    value: Tokens = field(default_factory=list)


@dataclass
class Declare(Statement):
    variables: list[tuple[str, TypeName, Tokens]]


@dataclass
class DeclareTable(Statement):
    variable: str
    columns: list[Column]


@dataclass
class SetVariable(Statement):
    name: str
    value: Tokens


@dataclass
class SetOption(Statement):
    names: list[str]
    value: str


@dataclass
class Select(Statement):
    query: Tokens
    assigns: list[tuple[str, Tokens]] = field(default_factory=list)
    # What follows the select list, where variables are assigned.
    rest: Tokens = field(default_factory=list)


@dataclass
class Insert(Statement):
    table: Name
    columns: list[str]
    rows: list[list[Tokens]]
    query: Tokens
    source: Execute | None = None


@dataclass
class Update(Statement):
    table: Name
    values: list[tuple[str, Tokens]]
    where: Tokens


@dataclass
class Delete(Statement):
    table: Name
    where: Tokens


@dataclass
class Argument:
    name: str
    value: Tokens
    output: bool = False


@dataclass
class Execute(Statement):
    """EXEC of a procedure, or of text if there is no name."""

    procedure: Name | None
    arguments: list[Argument]
    result: str = ""


@dataclass
class ExecuteAs(Statement):
    kind: str
    name: str


@dataclass
class Simple(Statement):
    """REVERT, BEGIN TRANSACTION and the like, with what belongs to it."""

    kind: str
    arguments: list[Tokens] = field(default_factory=list)
    name: str = ""


@dataclass
class Column:
    name: str
    type: TypeName
    nullable: bool = True
    identity: bool = False


@dataclass
class CreateTable(Statement):
    table: Name
    columns: list[Column]


@dataclass
class CreateView(Statement):
    view: Name
    query: Tokens
    columns: list[str]
    or_alter: bool = False


@dataclass
class Drop(Statement):
    """DROP of anything: `kind` is TABLE, VIEW, SCHEMA, USER, LOGIN, ROLE, DATABASE and so on."""

    kind: str
    names: list[Name]
    if_exists: bool = False


@dataclass
class CreatePrincipal(Statement):
    """CREATE or ALTER of a LOGIN, USER or ROLE."""

    action: str
    kind: str
    name: str
    options: dict[str, object] = field(default_factory=dict)


@dataclass
class Membership(Statement):
    """ALTER [SERVER] ROLE ... ADD or DROP MEMBER."""

    server: bool
    role: str
    action: str
    member: str


@dataclass
class CreateSchema(Statement):
    name: str
    owner: str


@dataclass
class CreateDatabase(Statement):
    name: str
    contained: bool
    collation: str


@dataclass
class AlterDatabase(Statement):
    name: str
    option: str


@dataclass
class AlterAuthorization(Statement):
    kind: str
    entity: Name
    owner: str


@dataclass
class Permissions(Statement):
    """GRANT, REVOKE or DENY."""

    verb: str
    permissions: list[tuple[str, list[str]]]
    kind: str
    securable: Name | None
    columns: list[str]
    principals: list[str]
    option: bool = False
    cascade: bool = False
    grantor: str = ""
