"""Names and types of a query's columns."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlglot import exp

from . import functions, types
from .errors import SqlError, unknown
from .statements import TypeName

if TYPE_CHECKING:
    from .query import Relation
    from .session import Session

Columns = list[tuple[str, TypeName]]
NULL = TypeName("null")


def data_type(node: exp.Expression) -> TypeName:
    """A type as it is written in CAST."""
    if not isinstance(node, exp.DataType):
        raise unknown("this type")
    sizes = [parameter.this.name for parameter in node.expressions if isinstance(parameter, exp.DataTypeParam)]
    name = node.sql(dialect="tsql").partition("(")[0].lower()
    name = {"integer": "int", "datetime2": "datetime", "double": "float", "numeric": "float", "decimal": "float"}.get(
        name, name
    )
    size = -1 if sizes and sizes[0].upper() == "MAX" else int(sizes[0]) if sizes else None
    return TypeName(name, size)


def columns(tree: exp.Expression, relations: dict[str, Relation], session: Session) -> Columns:
    """Of a whole query."""
    named = [(name, NULL_AS_INT if kind is NULL else kind) for name, kind in _query(tree, relations, session, {})]
    return named


NULL_AS_INT = types.INT


def _query(
    tree: exp.Expression, relations: dict[str, Relation], session: Session, known: dict[str, Columns]
) -> Columns:
    with_ = tree.args.get("with_") or tree.args.get("with")
    if with_ is not None:
        known = dict(known)
        for cte in with_.expressions:
            first = cte.this.this if isinstance(cte.this, exp.SetOperation) else cte.this
            found = _query(first, relations, session, known)
            names = [column.name for column in cte.args["alias"].args.get("columns") or []]
            known[cte.alias.lower()] = [(names[at] if names else name, kind) for at, (name, kind) in enumerate(found)]
    if isinstance(tree, exp.SetOperation):
        left = _query(tree.this, relations, session, known)
        right = _query(tree.expression, relations, session, known)
        if len(left) != len(right):
            raise SqlError(
                205,
                text="All queries combined using a UNION, INTERSECT or EXCEPT operator must have an equal number of "
                "expressions in their target lists.",
            )
        return [(name, types.common([one, other])) for (name, one), (_, other) in zip(left, right)]
    if isinstance(tree, exp.Subquery):
        return _query(tree.this, relations, session, known)
    if not isinstance(tree, exp.Select):
        raise unknown("this kind of query")
    scope = _Scope(_sources(tree, relations, session, known), relations, session, known)
    found = []
    for projection in tree.expressions:
        if isinstance(projection, exp.Star) or (
            isinstance(projection, exp.Column) and isinstance(projection.this, exp.Star)
        ):
            wanted = projection.table.lower() if isinstance(projection, exp.Column) else ""
            for alias, its in scope.sources.items():
                if wanted in ("", alias):
                    found.extend(its)
        else:
            plain = projection.this if isinstance(projection, exp.Alias) else projection
            name = (
                projection.alias
                if isinstance(projection, exp.Alias)
                else plain.name
                if isinstance(plain, exp.Column)
                else ""
            )
            found.append((name, scope.kind(plain)))
    return found


def _sources(
    select: exp.Select, relations: dict[str, Relation], session: Session, known: dict[str, Columns]
) -> dict[str, Columns]:
    sources: dict[str, Columns] = {}
    from_ = select.args.get("from_") or select.args.get("from")
    nodes = [from_.this] if from_ is not None else []
    nodes += [join.this for join in select.args.get("joins") or []]
    for node in nodes:
        alias = node.alias_or_name.lower()
        if isinstance(node, exp.Table):
            name = node.name
            sources[alias] = relations[name].columns if name in relations else known.get(name.lower(), [])
        elif isinstance(node, exp.Values):
            names = [column.name for column in node.args["alias"].args.get("columns") or []]
            scope = _Scope({}, relations, session, known)
            rows = [row.expressions for row in node.expressions]
            sources[alias] = [
                (name, types.common([scope.kind(row[at]) for row in rows])) for at, name in enumerate(names)
            ]
        elif isinstance(node, exp.Subquery):
            found = _query(node.this, relations, session, known)
            names = (
                [column.name for column in node.args["alias"].args.get("columns") or []]
                if node.args.get("alias")
                else []
            )
            sources[alias] = [(names[at] if names else name, kind) for at, (name, kind) in enumerate(found)]
        else:
            raise unknown(f"{type(node).__name__} as a table")
    return sources


class _Scope:
    """Where a column's name is looked up."""

    def __init__(
        self, sources: dict[str, Columns], relations: dict[str, Relation], session: Session, known: dict[str, Columns]
    ) -> None:
        self.sources, self.relations, self.session, self.known = sources, relations, session, known

    def column(self, column: exp.Column) -> TypeName:
        for alias, its in self.sources.items():
            if column.table and column.table.lower() != alias:
                continue
            for name, kind in its:
                if name.lower() == column.name.lower():
                    return kind
        # Of a query around this one; whether there is such a column at all is seen when it is run.
        return NULL

    def kind(self, node: exp.Expression) -> TypeName:
        """An expression's type."""
        if isinstance(node, exp.Alias | exp.Paren | exp.Collate):
            return self.kind(node.this)
        if isinstance(node, exp.Column):
            return self.column(node)
        if isinstance(node, exp.Parameter):
            key = "@" + node.name.lower()
            if key not in self.session.variables:
                raise SqlError(137, "@" + node.name)
            return self.session.variables[key][0]
        if isinstance(node, exp.National):
            return TypeName("nvarchar", max(1, len(node.name)))
        if isinstance(node, exp.Literal):
            if node.is_string:
                return TypeName("varchar", max(1, len(node.name)))
            return types.INT if node.name.isdigit() else types.FLOAT
        if isinstance(node, exp.Null):
            return NULL
        if isinstance(node, exp.Anonymous) and node.name.upper().startswith("F_"):
            argument = node.expressions[0].name if node.expressions else None
            return functions.result_type(node.name.upper()[2:], argument)
        if isinstance(node, exp.Cast):
            return _sized(data_type(node.to))
        if isinstance(node, exp.Convert):
            return _sized(data_type(node.this))
        if isinstance(node, exp.Case):
            branches = [branch.args["true"] for branch in node.args["ifs"]]
            return types.common(
                [self.kind(branch) for branch in [*branches, *filter(None, [node.args.get("default")])]]
            )
        if isinstance(node, exp.If):
            return types.common(
                [self.kind(branch) for branch in (node.args["true"], node.args["false"]) if branch is not None]
            )
        if isinstance(node, exp.Coalesce):
            return types.common([self.kind(part) for part in [node.this, *node.expressions]])
        if isinstance(node, exp.Add):
            kinds = [self.kind(node.this), self.kind(node.expression)]
            if all(types.is_text(kind) for kind in kinds):
                return TypeName("nvarchar" if any(k.name[0] in "ns" for k in kinds) else "varchar", 4000)
            return types.common(kinds)
        if isinstance(node, exp.Count):
            return types.INT
        if isinstance(node, exp.Max | exp.Min | exp.Sum | exp.Nullif | exp.Neg):
            return self.kind(node.this)
        if isinstance(node, exp.Sub | exp.Mul | exp.Div | exp.Mod):
            return types.common([self.kind(node.this), self.kind(node.expression)])
        if isinstance(node, exp.GroupConcat):
            return types.NVARCHAR
        if isinstance(node, exp.Subquery | exp.Select):
            return _query(
                node.this if isinstance(node, exp.Subquery) else node, self.relations, self.session, self.known
            )[0][1]
        if isinstance(node, exp.Window):
            return TypeName("bigint")
        raise unknown(f"the type of {type(node).__name__}")


def _sized(kind: TypeName) -> TypeName:
    if kind.size is None and (types.is_text(kind) or kind.name in ("varbinary", "binary")) and kind.name != "sysname":
        return TypeName(kind.name, 30)
    return kind
