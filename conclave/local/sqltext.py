"""The IR as text: one deterministic SELECT in DuckDB's dialect, shown to data stewards and run as it stands.

A chain of nodes becomes one flat SELECT as long as SQL's own order of clauses allows (FROM, WHERE, GROUP BY,
HAVING, SELECT, ORDER BY, LIMIT); the next node after that reads it as a subquery. The answer has exactly the
names and types of the node's schema: what DuckDB types differently (SUM of integers is a HUGEINT) is cast.
"""

import re
from collections import Counter
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import assert_never

from conclave.ir.expressions import Column, columns_of
from conclave.ir.nodes import (
    Aggregate,
    AggregateOutput,
    Collect,
    Concat,
    CrossOne,
    Filter,
    Input,
    Join,
    JoinKind,
    Limit,
    Node,
    Project,
    Scan,
    Sort,
    field_of,
)
from conclave.ir.noise import Noise
from conclave.ir.types import Double, Field, Integer
from conclave.ir.window import SortKey, Window, WindowOutput
from conclave.local.sqlexpr import Sql, and_parts, cast, column, duckdb_type, render_expression, view_name
from conclave.local.sqlguard import guard_groups, guard_outputs, read_scan

_COLUMN = re.compile(r'(\w+\.)?"([^"]|"")*"')
MAX_WIDTH = 100  # of a list that stays on one line
MAX_REPEATED = 80  # a longer expression is computed once, in a subquery, if it is read more than once


@lru_cache(maxsize=128)  # a subquery is rendered once for each way its columns are named
def to_sql(node: Node) -> str:
    """Return the query `node` as one SELECT, without a semicolon.

    >>> from conclave.ir.expressions import Column, Compare, Literal
    >>> from conclave.ir.types import Integer, Varchar
    >>> fields = (Field("carrier", Varchar(2)), Field("delay", Integer(32)))
    >>> flights = Scan("flights", "jfk/flights", "jfk", fields)
    >>> late = Filter(flights, Compare(">", Column("delay", Integer(32)), Literal(15, Integer(64))))
    >>> print(to_sql(Aggregate(late, ("carrier",), (AggregateOutput("total", "sum", "delay"),))))
    SELECT "carrier", CAST(SUM("delay") AS BIGINT) AS "total"
    FROM "jfk/flights"
    WHERE "delay" > 15
    GROUP BY "carrier"
    """
    match node:
        case Collect(source):
            return to_sql(source)
        case Concat(parts):
            return "\nUNION ALL\n".join(_part(part) for part in parts)
    select = _select(node, "")
    return _text(_select(node, "t") if _orders_by_a_hidden_column(select) else select)


@dataclass(frozen=True)
class _Select:
    """A SELECT being built. `columns` are its outputs; all text in it is over the relations in `source`."""

    node: Node
    columns: dict[str, Sql]
    source: str
    base: frozenset[str] = frozenset()  # the unqualified names that `source` offers
    where: tuple[str, ...] = ()
    is_grouped: bool = False
    keys: tuple[Sql, ...] = ()
    having: tuple[str, ...] = ()
    order: tuple[tuple[Sql, str], ...] = ()
    limit: int | None = None
    is_joined: bool = False

    @property
    def groups_by_expressions(self) -> bool:
        """Whether a key is more than a column: DuckDB then tells it apart from equal text with an alias inside."""
        return any(_COLUMN.fullmatch(key.text) is None for key in self.keys)

    @property
    def is_plain(self) -> bool:
        """Whether rows are neither grouped nor cut off yet."""
        return not self.is_grouped and self.limit is None


def _part(part: Node) -> str:
    text = to_sql(part)
    return f"(\n{_indent(text)}\n)" if isinstance(part, Sort | Limit) else text


@lru_cache(maxsize=128)
def _select(node: Node, alias: str) -> _Select:
    """Build `node`; `alias` qualifies the columns of its relation, "" leaves them as they are."""
    match node:
        case Scan(clamps=clamps, kept=kept) if clamps or kept is not None:
            # A subquery: no alias of what is made of a column may capture the column.
            return _from(f"({read_scan(node)})", node, alias)
        case Scan(dataset=name) | Input(name=name):
            return _from(view_name(name), node, alias)
        case Collect(source):
            return _select(source, alias)
        case Concat():
            return _subquery(node, alias)
        case Project():
            return _project(node, alias)
        case Filter(source, predicate):
            inner = _select(source, alias)
            if inner.limit is not None or inner.groups_by_expressions:
                inner = _wrapped(inner, alias)
            conditions = and_parts(predicate, inner.columns)
            if inner.is_grouped:
                return replace(inner, node=node, having=inner.having + conditions)
            return replace(inner, node=node, where=inner.where + conditions)
        case Aggregate():
            return _aggregate(node, alias)
        case Noise():
            raise AssertionError("no owner adds noise by itself")
        case Window():
            return _window(node, alias)
        case Join() | CrossOne():
            return _join(node, alias)
        case Sort(source, keys):
            inner = _select(source, alias)
            if inner.limit is not None:
                inner = _wrapped(inner, alias)
            return replace(inner, node=node, order=tuple(_order(key, inner) for key in keys))
        case Limit(source, count):
            inner = _select(source, alias)
            if inner.limit is not None:
                inner = _wrapped(inner, alias)
            return replace(inner, node=node, limit=count)
        case _ as never:
            assert_never(never)


def _from(relation: str, node: Node, alias: str) -> _Select:
    return _Select(
        node=node,
        columns={f.name: column(f.name, alias) for f in node.schema},
        source=f"{relation} AS {alias}" if alias else relation,
        base=frozenset() if alias else frozenset(f.name for f in node.schema),
    )


def _subquery(node: Node, alias: str) -> _Select:
    return _from(f"(\n{_indent(to_sql(node))}\n)", node, alias)


def _wrapped(select: _Select, alias: str) -> _Select:
    return _subquery(select.node, alias)


def _project(node: Project, alias: str) -> _Select:
    inner = _select(node.source, alias)
    reads = Counter(c.name for output in node.outputs for c in columns_of(output.expression))
    if inner.groups_by_expressions and any(not isinstance(o.expression, Column) for o in node.outputs):
        inner = _wrapped(inner, alias)
    repeats = any(n > 1 and len(inner.columns[name].text) > MAX_REPEATED for name, n in reads.items())
    # A SELECT of constants alone would no longer be an aggregate, and have a row for each row of the source.
    forgets_aggregate = inner.is_grouped and not inner.keys and not reads
    if repeats or forgets_aggregate:
        inner = _wrapped(inner, alias)
    columns = {o.name: render_expression(o.expression, inner.columns) for o in node.outputs}
    return replace(inner, node=node, columns=columns)


def _aggregate(node: Aggregate, alias: str) -> _Select:
    inner = _select(node.source, alias)
    # GROUP BY 1 would mean the first column, not the constant.
    if not inner.is_plain or any(inner.columns[key].is_constant for key in node.keys):
        inner = _wrapped(inner, alias)
    keys = {key: inner.columns[key] for key in node.keys}
    outputs = {o.name: _aggregate_output(o, field_of(node, o.name), inner.columns) for o in node.outputs}
    return replace(
        inner,
        node=node,
        columns={**keys, **guard_outputs(node, outputs, inner.columns)},
        is_grouped=True,
        keys=tuple(keys.values()),
        having=guard_groups(node, inner.columns) if keys else (),
        order=(),
    )


def _aggregate_output(output: AggregateOutput, declared: Field, columns: dict[str, Sql]) -> Sql:
    if output.times is not None:
        return cast(_with_times(output, columns, columns[output.times].text), declared.type)
    if output.over is None:
        return Sql("COUNT(*)", is_exact=True)
    over = columns[output.over]
    if output.is_total_of_counts:
        return cast(Sql(f"COALESCE(SUM({over.text}), 0)"), declared.type)
    call = f"{output.function.upper()}({'DISTINCT ' if output.is_distinct else ''}{over.text})"
    match output.function:
        case "quantile_cont":
            return Sql(f"QUANTILE_CONT(CAST({over.text} AS DOUBLE), {output.fraction})", is_exact=True)
        case "quantile_disc":
            return cast(Sql(f"QUANTILE_DISC({over.text}, {output.fraction})"), declared.type)
        case "sum_squares":
            wide = f"CAST({over.text} AS HUGEINT)" if isinstance(declared.type, Integer) else f"({over.text})"
            return cast(Sql(f"SUM({wide} * ({over.text}))"), declared.type)
        case "count" | "avg" | "var_samp" | "var_pop" | "stddev_samp" | "stddev_pop":  # BIGINT or DOUBLE in any case
            return Sql(call, is_exact=True)
        case "min" | "max":
            return Sql(call, is_exact=True) if over.is_exact else cast(Sql(call), declared.type)
        case "sum" if isinstance(declared.type, Double | Integer):
            return Sql(call, is_exact=declared.type == Double())  # a HUGEINT is cast where it is put out
        case "sum":
            return cast(Sql(call), declared.type)
        case _ as never:
            assert_never(never)


def _with_times(output: AggregateOutput, columns: dict[str, Sql], times: str) -> Sql:
    over = "1" if output.over is None else columns[output.over].text
    if output.function == "count":
        return Sql(f"COALESCE(SUM(CASE WHEN ({over}) IS NOT NULL THEN {times} END), 0)")
    assert output.function == "sum"
    return Sql(f"SUM(({over}) * ({times}))")


_JOIN_WORDS: dict[JoinKind, str] = {"inner": "JOIN", "left": "LEFT JOIN", "semi": "SEMI JOIN", "anti": "ANTI JOIN"}


def _join(node: Join | CrossOne, alias: str) -> _Select:
    left, right = _select(node.left, f"{alias}l"), _select(node.right, f"{alias}r")
    # Conditions that a side has already made can as well be checked after an inner join.
    if not left.is_plain:
        left = _wrapped(left, f"{alias}l")
    is_outer = isinstance(node, Join) and node.how != "inner"
    # After an outer join it would be too late for a condition on the right rows, or to compute something of them.
    if not right.is_plain or right.is_joined or (is_outer and not isinstance(node.right, Scan | Input)):
        right = _wrapped(right, f"{alias}r")
    columns = {**left.columns, **right.columns}
    if isinstance(node, Join):
        pairs = " AND ".join(f"{columns[a].text} = {columns[b].text}" for a, b in node.on)
        source = f"{left.source}\n{_JOIN_WORDS[node.how]} {right.source} ON {pairs}"
    else:
        source = f"{left.source}\nCROSS JOIN {right.source}"
    shown = {f.name: columns[f.name] for f in node.schema}
    return _Select(node, shown, source, where=left.where + right.where, is_joined=True)


_FRAMES = {
    "rows": " ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW",
    "range": " RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW",
    "partition": " ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING",
}


def _window(node: Window, alias: str) -> _Select:
    inner = _select(node.source, alias)
    if not inner.is_plain:
        inner = _wrapped(inner, alias)
    by = [inner.columns[name].text for name in node.partition]
    order = [sql.text + how for sql, how in (_order(key, inner) for key in node.order)]
    clauses = [f"PARTITION BY {', '.join(by)}"] if by else []
    clauses += [f"ORDER BY {', '.join(order)}"] if order else []
    made = {o.name: _window_output(o, field_of(node, o.name), inner.columns, " ".join(clauses)) for o in node.outputs}
    whole = replace(inner, node=node, columns={**inner.columns, **made}, order=())
    # What is read above it, by WHERE or another window, has to be a column by then: hence the subquery.
    return _from(f"(\n{_indent(_text(whole))}\n)", node, alias)


def _window_output(output: WindowOutput, declared: Field, columns: dict[str, Sql], over: str) -> Sql:
    column_text = "" if output.over is None else columns[output.over].text
    match output.function:
        case "row_number" | "rank" | "dense_rank":
            call, frame = f"{output.function.upper()}()", ""
        case "lag" | "lead":
            call, frame = f"{output.function.upper()}({column_text}, {output.offset})", ""
        case "sum" | "count" | "min" | "max":
            call, frame = f"{output.function.upper()}({column_text or '*'})", _FRAMES[output.frame]
        case _ as never:
            assert_never(never)
    return cast(Sql(f"{call} OVER ({(over + frame).strip()})"), declared.type)


def _order(key: SortKey, inner: _Select) -> tuple[Sql, str]:
    direction = " DESC" if key.descending else ""
    return inner.columns[key.column], f"{direction} NULLS {'FIRST' if key.nulls_first else 'LAST'}"


def _orders_by_a_hidden_column(select: _Select) -> bool:
    """Whether an output's name would capture a column in ORDER BY, the one clause that prefers outputs."""
    outputs = set(select.columns.values())
    is_hidden = any(name in select.base and sql != column(name) for name, sql in select.columns.items())
    return is_hidden and any(sql not in outputs for sql, _ in select.order)


def _text(select: _Select) -> str:
    items = [_item(f, select.columns[f.name]) for f in select.node.schema] or ["1"]  # SQL knows no row without columns
    outputs = {sql.text: column(name).text for name, sql in select.columns.items()}
    order = [outputs.get(sql.text, sql.text) + how for sql, how in select.order if not sql.is_constant]
    is_distinct = bool(select.keys) and not select.having and set(select.columns.values()) == set(select.keys)
    lines = [
        _listed("SELECT DISTINCT" if is_distinct else "SELECT", items),
        f"FROM {select.source}",
        *([_conjunction("WHERE", select.where)] if select.where else []),
        *([_listed("GROUP BY", [key.text for key in select.keys])] if select.keys and not is_distinct else []),
        *([_conjunction("HAVING", select.having)] if select.having else []),
        *([_listed("ORDER BY", order)] if order else []),
        *([f"LIMIT {select.limit}"] if select.limit is not None else []),
    ]
    return "\n".join(lines)


def _item(declared: Field, sql: Sql) -> str:
    exact = sql if sql.is_exact else cast(sql, declared.type)
    name = column(declared.name).text
    return name if exact.text == name else f"{exact.text} AS {name}"


def _listed(clause: str, items: list[str]) -> str:
    flat = f"{clause} {', '.join(items)}"
    if len(flat) <= MAX_WIDTH:
        return flat
    return f"{clause}\n" + ",\n".join(_indent(item) for item in items)


def _conjunction(clause: str, conditions: tuple[str, ...]) -> str:
    return f"{clause} " + "\n  AND ".join(conditions)


def _indent(text: str) -> str:
    return "\n".join(f"  {line}" for line in text.split("\n"))


__all__ = ["duckdb_type", "to_sql", "view_name"]
