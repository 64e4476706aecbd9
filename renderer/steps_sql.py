"""Steps as the SQL that they mean, and where a place of that SQL comes from.

The run spec holds this SQL, so whoever runs, judges or reviews a workflow sees one language. Each step is one line.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import assert_never

from conclave.ir.errors import Position
from policy.problem import Path
from renderer.steps import (
    Aggregate,
    Collect,
    Computed,
    Concat,
    ConcatCols,
    Create,
    Distinct,
    DistinctCount,
    Divide,
    Filter,
    FilterBy,
    Index,
    Join,
    Limit,
    Multiply,
    NumRows,
    Project,
    Shuffle,
    SortBy,
    Step,
    Union,
)

_FUNCTIONS = {"mean": "AVG", "variance": "VAR_SAMP", "stddev": "STDDEV_SAMP"}


@dataclass(frozen=True)
class Part:
    """A piece of the SQL, and the field of the step that it comes from."""

    text: str
    field: Path = ()


@dataclass(frozen=True)
class _Line:
    step: int
    parts: tuple[Part, ...]

    @property
    def text(self) -> str:
        return "".join(part.text for part in self.parts)


def sql_of(steps: tuple[Step, ...]) -> str:
    """Return one SELECT that means the same. The steps must have passed `renderer.check_steps`."""
    return "".join(f"{line.text}\n" for line in _lines(steps))


def field_at(steps: tuple[Step, ...], at: Position) -> Path:
    """Return where the text at a place of `sql_of(steps)` comes from: a step's number, and a field of it if it is one's."""
    line = list(_lines(steps))[at.line - 1]
    offset = at.column - 1
    for part in line.parts:
        if offset < len(part.text):
            return (line.step, *part.field)
        offset -= len(part.text)
    return (line.step,)


def _lines(steps: tuple[Step, ...]) -> Iterator[_Line]:
    last = _Last(steps)
    # A table goes by its own name, and what comes after the last grouping or join is the end of the SELECT.
    named = [
        (index, step)
        for index, step in enumerate(steps)
        if not isinstance(step, Collect) and index not in last.order and not _is_table(step)
    ]
    for position, (index, step) in enumerate(named):
        begin = Part("WITH " if position == 0 else "     ")
        after = Part(")," if position < len(named) - 1 else ")")
        yield _Line(index, (begin, Part(_quoted(step.name), ("name",)), Part(" AS ("), *_select(step), after))
    yield _Line(last.collect, (Part("SELECT * FROM "), Part(_quoted(last.source), ("from",))))
    for index in last.order:
        end = steps[index]
        if isinstance(end, SortBy):
            yield _Line(index, (Part("ORDER BY "), *_sorted_by(end)))
        elif isinstance(end, Limit):
            yield _Line(index, (Part(f"LIMIT {end.rows}", ("rows",)),))


class _Last:
    """What is collected: of which rows, and in which order."""

    def __init__(self, steps: tuple[Step, ...]) -> None:
        named = {step.name.lower(): index for index, step in enumerate(steps) if not isinstance(step, Collect)}
        self.collect, order = len(steps) - 1, list[int]()
        end = steps[self.collect]
        assert isinstance(end, Collect)
        self.source = end.source
        while isinstance(before := steps[named[self.source.lower()]], SortBy | Limit):
            order.append(named[self.source.lower()])
            self.source = before.source
        self.order = tuple(reversed(order))


def _is_table(step: Step) -> bool:
    return isinstance(step, Create) and step.table in (None, step.name)


def _select(step: Step) -> Iterator[Part]:
    match step:
        case Create():
            yield from (Part("SELECT * FROM "), Part(_quoted(step.table or step.name), ("table",)))
        case Project():
            yield from (Part("SELECT "), *_projected(step), *_from(step.source))
        case Filter():
            yield from (Part("SELECT *"), *_from(step.source), Part(" WHERE "), *_compared(step))
        case FilterBy():
            yield from _filtered_by(step)
        case Multiply() | Divide():
            yield from (Part("SELECT *, "), *_computed(step), *_as(step.result), *_from(step.source))
        case Aggregate():
            yield from _aggregated(step.by, step.compute, step.source)
        case DistinctCount():
            counted = (Part("COUNT(DISTINCT "), Part(_quoted(step.column), ("column",)), Part(")"), *_as(step.result))
            yield from _grouped(step.by, (counted,), step.source)
        case NumRows():
            yield from (Part("SELECT COUNT(*)"), *_as(step.result), *_from(step.source))
        case Distinct():
            columns = _listed(step.columns, ("columns",)) if step.columns else (Part("*"),)
            yield from (Part("SELECT DISTINCT "), *columns, *_from(step.source))
        case Index():
            order = _listed(step.by, ("by",))
            yield from (Part("SELECT *, ROW_NUMBER() OVER (ORDER BY "), *order, Part(")"), *_as(step.result))
            yield from _from(step.source)
        case Shuffle():
            yield from (Part("SELECT *"), *_from(step.source))
        case _:
            yield from _of_several(step)


def _of_several(step: Join | Concat | Union | ConcatCols | SortBy | Limit | Collect) -> Iterator[Part]:
    match step:
        case Join():
            yield from _joined(step)
        case ConcatCols():
            yield from (Part("SELECT *"), *_from(step.left, "left"), Part(" CROSS JOIN "))
            yield Part(_quoted(step.right), ("right",))
        case Concat() | Union():
            between = " UNION ALL " if isinstance(step, Concat) else " UNION "
            for index, source in enumerate(step.sources):
                yield from (Part(between if index else "", ("from",)), Part("SELECT * FROM ", ("from",)))
                yield Part(_quoted(source), ("from", index))
        case SortBy() | Limit() | Collect():
            raise AssertionError("these are the end of the SELECT")
        case _ as never:
            assert_never(never)


def _from(source: str, field: str = "from") -> tuple[Part, ...]:
    return (Part(" FROM "), Part(_quoted(source), (field,)))


def _as(name: str) -> tuple[Part, ...]:
    return (Part(" AS "), Part(_quoted(name), ("as",)))


def _listed(columns: tuple[str, ...], field: Path) -> Iterator[Part]:
    for index, column in enumerate(columns):
        yield from (Part(", " if index else ""), Part(_quoted(column), (*field, index)))


def _projected(step: Project) -> Iterator[Part]:
    if not isinstance(step.columns, dict):
        yield from _listed(step.columns, ("columns",))
        return
    for index, (new, old) in enumerate(step.columns.items()):
        text = f"{_quoted(old)} AS {_quoted(new)}"
        yield from (Part(", " if index else ""), Part(text, ("columns", new)))


def _compared(step: Filter) -> Iterator[Part]:
    yield from (Part(_quoted(step.column), ("column",)), Part(f" {step.operator} ", ("operator",)))
    if step.other is not None:
        yield Part(_quoted(step.other), ("other",))
    elif step.value is not None:
        yield Part(_literal(step.value), ("value",))


def _filtered_by(step: FilterBy) -> Iterator[Part]:
    not_ = "NOT " if step.keep == "not in" else ""
    yield from (Part("SELECT *"), *_from(step.source), Part(f" AS kept WHERE {not_}EXISTS (SELECT *"))
    yield from (*_from(step.by, "by"), Part(" AS known WHERE known."))
    yield Part(_quoted(step.by_column or step.column), ("byColumn",) if step.by_column else ("column",))
    yield from (Part(" = kept."), Part(_quoted(step.column), ("column",)), Part(")"))


def _computed(step: Multiply | Divide) -> Iterator[Part]:
    between = " * " if isinstance(step, Multiply) else " / "
    for index, operand in enumerate(step.operands):
        text = _quoted(operand) if isinstance(operand, str) else _literal(operand)
        yield from (Part(between if index else ""), Part(text, ("operands", index)))


def _aggregated(by: tuple[str, ...], compute: tuple[Computed, ...], source: str) -> Iterator[Part]:
    columns = []
    for index, each in enumerate(compute):
        field: Path = ("compute", index)
        call = _FUNCTIONS.get(each.function, each.function.upper())
        over = Part("*", field) if each.over is None else Part(_quoted(each.over), (*field, "over"))
        end = (Part(") AS ", field), Part(_quoted(each.result), (*field, "as")))
        columns.append((Part(f"{call}(", (*field, "function")), over, *end))
    yield from _grouped(by, tuple(columns), source)


def _grouped(by: tuple[str, ...], columns: tuple[tuple[Part, ...], ...], source: str) -> Iterator[Part]:
    yield from (Part("SELECT "), *_listed(by, ("by",)), Part(", " if by else ""))
    for index, column in enumerate(columns):
        yield from (Part(", " if index else ""), *column)
    yield from _from(source)
    if by:
        yield from (Part(" GROUP BY "), *_listed(by, ("by",)))


def _joined(step: Join) -> Iterator[Part]:
    kind = {"inner": "JOIN", "left": "LEFT JOIN", "semi": "SEMI JOIN", "anti": "ANTI JOIN"}[step.how]
    yield from (Part("SELECT *"), *_from(step.left, "left"), Part(f" {kind} "))
    yield from (Part(_quoted(step.right), ("right",)), Part(" "))
    if not isinstance(step.on, dict):
        yield from (Part("USING ("), *_listed(step.on, ("on",)), Part(")"))
        return
    yield Part("ON ")
    for index, (left, right) in enumerate(step.on.items()):
        text = f"{_quoted(step.left)}.{_quoted(left)} = {_quoted(step.right)}.{_quoted(right)}"
        yield from (Part(" AND " if index else ""), Part(text, ("on", left)))


def _sorted_by(step: SortBy) -> Iterator[Part]:
    for index, column in enumerate(step.columns):
        text = _quoted(column) + (" DESC" if column in step.descending else "")
        yield from (Part(", " if index else ""), Part(text, ("columns", index)))


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _literal(value: bool | float | str) -> str:
    match value:
        case bool():
            return str(value).upper()
        case int():
            return str(value)
        case float():
            return f"{Decimal(repr(value)):f}"  # as it is written, and no double: 0.1 is a tenth
        case str():
            return "'" + value.replace("'", "''") + "'"
        case _ as never:
            assert_never(never)
