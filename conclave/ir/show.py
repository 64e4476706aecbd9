"""Print a tree: one line a node, sources indented below, expressions as SQL. Equal trees print the same."""

import datetime
import re
from typing import assert_never

from conclave.ir.expressions import (
    Arithmetic,
    Call,
    Case,
    Cast,
    Column,
    Compare,
    Expression,
    IsNull,
    Literal,
    Logic,
    Negate,
    Not,
    Spread,
)
from conclave.ir.guard import Clamp, Guard, Kept
from conclave.ir.nodes import (
    Aggregate,
    AggregateOutput,
    Collect,
    Concat,
    CrossOne,
    Filter,
    Input,
    Join,
    Limit,
    Node,
    Output,
    Project,
    Scan,
    Sort,
)
from conclave.ir.noise import Noise, Noised
from conclave.ir.types import Double
from conclave.ir.walk import children
from conclave.ir.window import SortKey, Window, WindowOutput

_PLAIN_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)?")
# How tightly each operator binds; parentheses are printed only where they are needed.
_OR, _AND, _NOT, _COMPARE, _ADD, _MULTIPLY, _NEGATE, _ATOM = range(8)


def show(node: Node) -> str:
    """Return the tree as indented text.

    >>> from conclave.ir.types import Field, Integer
    >>> visits = Scan("visits", "alpha/visits", "alpha", (Field("ward", Integer()),))
    >>> print(show(Aggregate(visits, ("ward",), (AggregateOutput("n", "count", None),))))
    aggregate by ward: n = count(*)
      scan visits @alpha
    """
    return "\n".join(_lines(node, ""))


def _lines(node: Node, indent: str) -> list[str]:
    below = [line for source in children(node) for line in _lines(source, indent + "  ")]
    return [indent + show_node(node), *below]


def show_node(node: Node) -> str:
    """Return the node's own line, without its sources."""
    match node:
        case Scan(table, dataset, owner):
            place = owner if dataset == f"{owner}/{table}" else dataset
            return f"scan {_name(table)} @{place}{''.join(map(_clamp, node.clamps))}{_kept(node.kept)}"
        case Input(name):
            return f"input {_name(name)}"
        case Concat():
            return "concat"
        case Project(_, outputs):
            return f"project {', '.join(_output(output) for output in outputs)}"
        case Filter(_, predicate):
            return f"filter {show_expression(predicate)}"
        case Aggregate(_, keys, outputs):
            by = f" by {', '.join(map(_name, keys))}" if keys else ""
            made = f": {', '.join(map(_aggregate, outputs))}" if outputs else ""
            return f"aggregate{by}{made}{''.join(map(_guard, node.guards))}"
        case Noise(_, keys, domains, noised):
            each = [f"{_name(key)} of {len(domain)}" for key, domain in zip(keys, domains, strict=True)]
            groups = f"each {' and '.join(each)}: " if each else ""
            return f"noise on {groups}{', '.join(map(_noised, noised)) or 'nothing'}"
        case Join(_, _, on, how):
            kind = "" if how == "inner" else f"{how} "
            return f"{kind}join on {', '.join(f'{_name(left)} = {_name(right)}' for left, right in on)}"
        case Window(_, partition, sort_keys, made):
            by = f" by {', '.join(map(_name, partition))}" if partition else ""
            order = f" ordered by {', '.join(map(_sort_key, sort_keys))}" if sort_keys else ""
            return f"window{by}{order}: {', '.join(map(_window, made))}"
        case CrossOne():
            return "cross one row"
        case Sort(_, sort_keys):
            return f"sort by {', '.join(map(_sort_key, sort_keys))}"
        case Limit(_, count):
            return f"limit {count}"
        case Collect(_, recipients):
            return f"collect for {', '.join(recipients)}"
        case _ as never:
            assert_never(never)


def _kept(kept: Kept | None) -> str:
    if kept is None:
        return ""
    most = (
        ""
        if kept.subject is None
        else f", {kept.rows} {'rows' if kept.rows > 1 else 'row'} of each {_name(kept.subject)}"
    )
    return most + "".join(f", {listed.column} one of {len(listed.values)}" for listed in kept.listed)


def _noised(noised: Noised) -> str:
    return f"{_name(noised.column)} of scale {noised.scale}"


def show_expression(expression: Expression) -> str:
    """Return the expression as SQL, with no more parentheses than it needs.

    >>> from conclave.ir.types import Integer
    >>> a, b = Column("a", Integer()), Column("b", Integer())
    >>> show_expression(Arithmetic("*", a, Arithmetic("+", a, Negate(b))))
    'a * (a + -b)'
    """
    return _show(expression)[0]


def _show(expression: Expression) -> tuple[str, int]:
    match expression:
        case Column(name):
            return _name(name), _ATOM
        case Literal():
            return _literal(expression), _ATOM
        case Arithmetic(operator, left, right):
            if operator == "&":
                return f"({_within(left, _ATOM)} & {_within(right, _ATOM)})", _ATOM
            level = _ADD if operator in "+-" else _MULTIPLY
            return f"{_within(left, level)} {operator} {_within(right, level + 1)}", level
        case Negate(operand):
            return f"-{_within(operand, _ATOM)}", _NEGATE
        case Compare(operator, left, right):
            return f"{_within(left, _ADD)} {operator} {_within(right, _ADD)}", _COMPARE
        case Logic(operator, left, right):
            level = _OR if operator == "or" else _AND
            return f"{_within(left, level)} {operator} {_within(right, level + 1)}", level
        case Not(IsNull(operand)):
            return f"{_within(operand, _ADD)} is not null", _COMPARE
        case Not(operand):
            return f"not {_within(operand, _NOT)}", _NOT
        case IsNull(operand):
            return f"{_within(operand, _ADD)} is null", _COMPARE
        case Case(branches, default):
            whens = " ".join(f"when {_show(test)[0]} then {_show(value)[0]}" for test, value in branches)
            return f"case {whens} else {_show(default)[0]} end", _ATOM
        case Call("like" | "ilike" as function, (operand, pattern)):
            return f"{_within(operand, _ADD)} {function} {_within(pattern, _ADD)}", _COMPARE
        case Call(function, arguments):
            return f"{function}({', '.join(_show(argument)[0] for argument in arguments)})", _ATOM
        case Spread(function, count, total, squares):
            which = "" if expression.part == "all" else f"{expression.part} "
            return f"{which}{function}({', '.join(_show(part)[0] for part in (count, total, squares))})", _ATOM
        case Cast(operand, kind):
            return f"cast({_show(operand)[0]} as {kind})", _ATOM
        case _ as never:
            assert_never(never)


def _within(part: Expression, level: int) -> str:
    text, own = _show(part)
    return text if own >= level else f"({text})"


def _literal(literal: Literal) -> str:
    match literal.value:
        case None:
            return "null"
        case bool(value):
            return "true" if value else "false"
        case str(value):
            return "'" + value.replace("'", "''") + "'"
        case datetime.date() as value:
            return f"date '{value.isoformat()}'"
        case float(value) if isinstance(literal.type, Double):
            return f"{value!r}" if "e" in repr(value) else f"{value!r}e0"
    return str(literal.value)


def _name(name: str) -> str:
    return name if _PLAIN_NAME.fullmatch(name) else '"' + name.replace('"', '""') + '"'


def _output(output: Output) -> str:
    if isinstance(output.expression, Column) and output.expression.name == output.name:
        return _name(output.name)
    return f"{_name(output.name)} = {_within(output.expression, _ADD)}"


def _aggregate(output: AggregateOutput) -> str:
    function = "total" if output.is_total_of_counts else output.function
    over = "*" if output.over is None else _name(output.over)
    at = "" if output.fraction is None else f", {output.fraction}"
    return f"{_name(output.name)} = {function}({'distinct ' if output.is_distinct else ''}{over}{at})" + (
        "" if output.times is None else f" times {_name(output.times)}"
    )


def _guard(guard: Guard) -> str:
    return f", {'none' if guard.ends_run else 'not'} under {guard.least} {_name(guard.subject)}"


def _clamp(clamp: Clamp) -> str:
    return f", {_name(clamp.column)} within {_literal(clamp.low)} and {_literal(clamp.high)}"


_FRAMES = {"rows": " so far", "range": " so far and alike", "partition": ""}


def _window(output: WindowOutput) -> str:
    match output.function:
        case "row_number" | "rank" | "dense_rank" as function:
            call = f"{function}()"
        case "lag" | "lead" as function:
            call = f"{function}({_name(output.over or '')}, {output.offset})"
        case function:
            call = f"{function}({'*' if output.over is None else _name(output.over)}){_FRAMES[output.frame]}"
    return f"{_name(output.name)} = {call}"


def _sort_key(key: SortKey) -> str:
    return f"{_name(key.column)}{' desc' if key.descending else ''}{' nulls first' if key.nulls_first else ''}"
