"""Scalar expressions as DuckDB's SQL, with the fewest parentheses and casts that keep the IR's meaning."""

import datetime
import decimal
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import assert_never

from conclave.ir.errors import TypeProblem
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
    names_in,
)
from conclave.ir.types import Boolean, Date, Decimal, Double, Integer, Type, Varchar

_OR, _AND, _NOT, _COMPARE, _SUM, _PRODUCT, _ATOM = range(1, 8)
_LEVELS = {
    "or": _OR,
    "and": _AND,
    "+": _SUM,
    "-": _SUM,
    "*": _PRODUCT,
    "/": _PRODUCT,
    "//": _PRODUCT,
    "%": _PRODUCT,
    "&": _ATOM,
}


@dataclass(frozen=True)
class Sql:
    """A piece of SQL: how tightly it binds, and whether DuckDB gives it the very type that the IR does."""

    text: str
    level: int = _ATOM
    is_exact: bool = False
    is_constant: bool = False


def view_name(name: str) -> str:
    """Return the identifier, quoted, under which SQL reads a dataset ("party/dataset") or a step's table.

    >>> print(view_name("jfk/flights"))
    "jfk/flights"
    """
    if "\0" in name:
        raise TypeProblem("a name holds a NUL character")
    return '"' + name.replace('"', '""') + '"'


def column(name: str, alias: str = "") -> Sql:
    """Return a reference to a column of the relation called `alias`, or of the only one."""
    return Sql(f"{alias}.{view_name(name)}" if alias else view_name(name), is_exact=True)


def duckdb_type(kind: Type) -> str:
    """Return the name of DuckDB's type for `kind`. A varchar's bound is not DuckDB's: `check` keeps it."""
    match kind:
        case Integer() | Decimal() | Double() | Boolean() | Date():
            return str(kind).upper()
        case Varchar():
            return "VARCHAR"
        case _ as never:
            assert_never(never)


def cast(sql: Sql, kind: Type) -> Sql:
    """Return `sql` as the type `kind`."""
    return Sql(f"CAST({sql.text} AS {duckdb_type(kind)})", is_exact=True, is_constant=sql.is_constant)


def and_parts(predicate: Expression, columns: Mapping[str, Sql]) -> tuple[str, ...]:
    """Return the conditions that `predicate` joins by AND, each ready to stand beside others."""
    if isinstance(predicate, Logic) and predicate.operator == "and":
        return and_parts(predicate.left, columns) + and_parts(predicate.right, columns)
    return (_at_least(_AND + 1, render_expression(predicate, columns)),)


def render_expression(expression: Expression, columns: Mapping[str, Sql]) -> Sql:
    """Return `expression` with each column replaced by what `columns` says it is."""
    if isinstance(expression, Column):
        return columns[expression.name]
    sql = _render(expression, columns)
    is_constant = all(columns[name].is_constant for name in names_in(expression))
    return Sql(sql.text, sql.level, sql.is_exact, is_constant)


def _render(expression: Expression, columns: Mapping[str, Sql]) -> Sql:
    match expression:
        case Column(name):
            return columns[name]
        case Literal():
            return _literal(expression)
        case Arithmetic():
            return _arithmetic(expression, columns)
        case Negate(operand):
            number = render_expression(operand, columns)
            if isinstance(operand.type, Integer) and not (isinstance(operand, Literal) or _is_bigint(operand)):
                number = cast(number, Integer(64))  # the least number of a narrower type has no counterpart in it
            return Sql(f"-{_at_least(_ATOM, number)}", _PRODUCT)
        case Compare(operator, left, right):
            sides = (_at_least(_SUM, render_expression(side, columns)) for side in (left, right))
            return Sql(f" {operator} ".join(sides), _COMPARE, is_exact=True)
        case Logic(operator, left, right):
            level = _LEVELS[operator]
            sides = (_at_least(level, render_expression(side, columns)) for side in (left, right))
            return Sql(f" {operator.upper()} ".join(sides), level, is_exact=True)
        case Not(IsNull(operand)):
            text = f"{_at_least(_ATOM, render_expression(operand, columns))} IS NOT NULL"
            return Sql(text, _COMPARE, is_exact=True)
        case Not(operand):
            return Sql(f"NOT {_at_least(_ATOM, render_expression(operand, columns))}", _NOT, is_exact=True)
        case IsNull(operand):
            text = f"{_at_least(_ATOM, render_expression(operand, columns))} IS NULL"
            return Sql(text, _COMPARE, is_exact=True)
        case Case():
            return _case(expression, columns)
        case Call():
            return _call(expression, columns)
        case Spread():
            assert expression.part == "all", "parts are MPC's"
            return _spread(expression, columns)
        case Cast(operand, kind):
            return cast(render_expression(operand, columns), kind)
        case _ as never:
            assert_never(never)


def _call(call: Call, columns: Mapping[str, Sql]) -> Sql:
    match call:
        case Call("like" | "ilike" as function, (operand, pattern)):
            sides = (_at_least(_SUM, render_expression(side, columns)) for side in (operand, pattern))
            return Sql(f" {function.upper()} ".join(sides), _COMPARE, is_exact=True)
        case Call("add_months", (operand, months), kind):
            date, number = (render_expression(each, columns) for each in (operand, months))
            return cast(Sql(f"{_at_least(_SUM, date)} + to_months({number.text})"), kind)
        case Call("sqrt", (operand,), kind):  # of what is negative it is an error, or no number
            number = render_expression(operand, columns)
            return cast(Sql(f"sqrt(CASE WHEN {_at_least(_SUM, number)} >= 0 THEN {number.text} END)"), kind)
        case Call(function, arguments, kind):
            rendered = ", ".join(render_expression(argument, columns).text for argument in arguments)
            return cast(Sql(f"{function}({rendered})"), kind)


def _at_least(level: int, sql: Sql) -> str:
    return sql.text if sql.level >= level else f"({sql.text})"


def _arithmetic(expression: Arithmetic, columns: Mapping[str, Sql]) -> Sql:
    operator, level = expression.operator, _LEVELS[expression.operator]
    left, right = (render_expression(side, columns) for side in (expression.left, expression.right))
    is_exact = False
    match operator, expression.left.type, expression.right.type:
        case "/", _, _:
            is_exact = True
            left = left if expression.left.type == Double() and left.is_exact else cast(left, Double())
            if not (isinstance(expression.right, Literal) and expression.right.value):
                right = Sql(f"NULLIF({right.text}, 0)")
        case "&", _, _:
            left = left if _is_bigint(expression.left) else cast(left, Integer(64))
            return Sql(f"({_at_least(_ATOM, left)} & {_at_least(_ATOM, right)})", _ATOM, is_exact)
        case "//" | "%", _, _:
            left = left if _is_bigint(expression.left) else cast(left, Integer(64))
            if not (isinstance(expression.right, Literal) and expression.right.value):
                right = Sql(f"NULLIF({right.text}, 0)")
        case _, Date(), Date():
            is_exact = True
        case _, Date(), Integer():
            is_exact = True
            right = cast(right, Integer(32))  # DuckDB shifts dates by INTEGER only
        case _, Integer(), Integer() if not (_is_bigint(expression.left) or _is_bigint(expression.right)):
            left = cast(left, Integer(64))  # narrower types would overflow, BIGINT is what a word holds
    return Sql(f"{_at_least(level, left)} {operator} {_at_least(level + 1, right)}", level, is_exact)


def _is_bigint(expression: Expression) -> bool:
    """Whether DuckDB, too, holds the expression in a BIGINT: it gives constants the narrowest type."""
    match expression:
        case Column(type=kind) | Cast(type=kind):
            return kind == Integer(64)
        case Arithmetic(type=kind):
            return kind == Integer(64)
        case Negate(operand):
            return not isinstance(operand, Literal)
        case Case(branches, default):
            return any(_is_bigint(value) for value in (*(value for _, value in branches), default))
    return False


def _case(expression: Case, columns: Mapping[str, Sql]) -> Sql:
    whens = "".join(
        f" WHEN {render_expression(condition, columns).text} THEN {_branch(value, columns)}"
        for condition, value in expression.branches
    )
    return Sql(f"CASE{whens} ELSE {_branch(expression.default, columns)} END")


def _spread(spread: Spread, columns: Mapping[str, Sql]) -> Sql:
    """Return n * Q - S * S by n * n, or by n * (n - 1), all of it exact for whole numbers and decimals."""
    n, total, squares = (render_expression(e, columns).text for e in (spread.count, spread.total, spread.squares))
    if isinstance(spread.total.type, Integer):
        total, squares = f"CAST({total} AS HUGEINT)", f"CAST({squares} AS HUGEINT)"
    is_sample = spread.function in ("var_samp", "stddev_samp")
    around = f"GREATEST(CAST({n} * {squares} - {total} * {total} AS DOUBLE), 0)"
    below = f"(CAST({n} AS DOUBLE) * ({n}{' - 1' if is_sample else ''}))"
    variance = f"CASE WHEN {n} > {int(is_sample)} THEN {around} / {below} END"
    return Sql(
        f"sqrt({variance})" if spread.function in ("stddev_samp", "stddev_pop") else f"({variance})", is_exact=True
    )


def _branch(value: Expression, columns: Mapping[str, Sql]) -> str:
    if isinstance(value, Literal) and value.value is None:
        return "NULL"
    return render_expression(value, columns).text


def _literal(literal: Literal) -> Sql:
    match literal.value:
        case None:
            return cast(Sql("NULL"), literal.type)
        case bool():
            return Sql("TRUE" if literal.value else "FALSE", is_exact=True)
        case str():
            return Sql(quoted(literal.value), is_exact=True)
        case datetime.date():
            return Sql(f"DATE '{literal.value.isoformat()}'", is_exact=True)
        case int() | float() | decimal.Decimal():
            text = _number(literal.value, literal.type)
            return Sql(text, _PRODUCT if text.startswith("-") else _ATOM)
        case _ as never:
            assert_never(never)


def quoted(text: str) -> str:
    """Return a string constant."""
    if "\0" in text:
        raise TypeProblem("a string constant holds a NUL character")
    return "'" + text.replace("'", "''") + "'"


def _number(value: int | float | decimal.Decimal, kind: Type) -> str:
    match kind:
        case Double():
            if not math.isfinite(value):
                raise TypeProblem("a constant is too large for a double")
            text = repr(float(value))
            return text if "e" in text else f"{text}e0"  # the exponent is what makes it a DOUBLE in DuckDB
        case Decimal(_, scale):
            return format(decimal.Decimal(value).quantize(decimal.Decimal(1).scaleb(-scale)), "f")
    return str(value)
