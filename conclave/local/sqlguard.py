"""What owners ask for, as DuckDB's SQL: groups of too few subjects are left out, values are kept within bounds, few rows
of one subject are read."""

from collections.abc import Mapping
from dataclasses import replace

from conclave.ir.expressions import Case, Column, Compare, Literal
from conclave.ir.guard import Clamp, Guard
from conclave.ir.nodes import Aggregate, AggregateOutput, Scan, field_of
from conclave.local.sqlexpr import Sql, column, render_expression, view_name

TOO_FEW = "ccd: too few subjects"  # the engine's error that ends a run; see `LocalEngine.run`


def guard_groups(node: Aggregate, columns: Mapping[str, Sql]) -> tuple[str, ...]:
    """Return what a group must fulfil to be there; `columns` are those that are aggregated."""
    return tuple(
        f"CASE WHEN {_suffices(g, columns)} THEN TRUE ELSE error('{TOO_FEW}') END"
        if g.ends_run
        else _suffices(g, columns)
        for g in node.guards
    )


def guard_outputs(node: Aggregate, outputs: Mapping[str, Sql], columns: Mapping[str, Sql]) -> dict[str, Sql]:
    """Return the outputs, NULL where too few subjects have a value; without keys, where there are too few."""
    return {output.name: _guarded(node, output, outputs[output.name], columns) for output in node.outputs}


def read_scan(scan: Scan) -> str:
    """Return a SELECT of the dataset: of the rows that are read at all, with their values within bounds."""
    clamps = {clamp.column: clamp for clamp in scan.clamps}
    items = []
    for f in scan.schema:
        plain = column(f.name)
        clamp = clamps.get(f.name)
        items.append(plain.text if clamp is None else f"{_clamped(clamp, scan, plain).text} AS {plain.text}")
    return f"SELECT {', '.join(items)} FROM {_kept_rows(scan)}"  # noqa: S608 - quoted names


def _kept_rows(scan: Scan) -> str:
    """Return the dataset, or what of it is read.

    Which rows of a subject are read hangs on these rows alone: another's never change it. Their hash decides, so that
    neither small nor large values are preferred. Rows of nobody in particular may be anybody's, one subject's beside its
    own: so they are not read at all.
    """
    kept, view = scan.kept, view_name(scan.dataset)
    if kept is None:
        return view
    listed = [
        f"{column(each.column).text} IN ({', '.join(_literal(value) for value in each.values)})" for each in kept.listed
    ]
    known = [] if kept.subject is None else [f"{column(kept.subject).text} IS NOT NULL"]
    where = f" WHERE {' AND '.join([*listed, *known])}" if listed or known else ""
    if kept.subject is None:
        return f"(SELECT * FROM {view}{where})"  # noqa: S608 - quoted names
    every = ", ".join(column(f.name).text for f in scan.schema)
    number = f"ROW_NUMBER() OVER (PARTITION BY {column(kept.subject).text} ORDER BY HASH({every}), {every})"
    return f"(SELECT * FROM {view}{where} QUALIFY {number} <= {kept.rows})"  # noqa: S608 - quoted names


def _literal(value: Literal) -> str:
    return render_expression(value, {}).text


def _guarded(node: Aggregate, output: AggregateOutput, made: Sql, columns: Mapping[str, Sql]) -> Sql:
    is_nullable = output.over is not None and field_of(node.source, output.over).nullable
    if not node.guards or (node.keys and not is_nullable):
        return made
    over = columns[output.over] if output.over is not None and is_nullable else None
    text = made.text
    for guard in node.guards:
        otherwise = f" ELSE error('{TOO_FEW}')" if guard.ends_run else ""
        text = f"CASE WHEN {_suffices(guard, columns, over)} THEN {text}{otherwise} END"
    return replace(made, text=text, level=Sql("").level)


def _suffices(guard: Guard, columns: Mapping[str, Sql], over: Sql | None = None) -> str:
    counted = f"COUNT(DISTINCT {columns[guard.subject].text})"
    where = "" if over is None else f" FILTER (WHERE {over.text} IS NOT NULL)"
    return f"{counted}{where} >= {guard.least}"


def _clamped(clamp: Clamp, scan: Scan, plain: Sql) -> Sql:
    f = field_of(scan, clamp.column)
    value = Column(f.name, f.type, f.nullable)
    below, above = Compare("<", value, clamp.low), Compare(">", value, clamp.high)
    return render_expression(Case(((below, clamp.low), (above, clamp.high)), value), {f.name: plain})
