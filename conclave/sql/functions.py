"""Functions and casts, said in the IR's few expressions: COALESCE is a CASE, a power is a product."""

from collections.abc import Callable

from sqlglot import exp

from conclave.ir.errors import Position, TypeProblem
from conclave.ir.expressions import (
    Arithmetic,
    Case,
    Cast,
    Compare,
    ComparisonOperator,
    Expression,
    IsNull,
    Literal,
    Logic,
    Negate,
    Not,
)
from conclave.ir.types import (
    MAX_DECIMAL_DIGITS,
    Boolean,
    Date,
    Decimal,
    Double,
    Integer,
    Type,
    Varchar,
    as_decimal,
    common_type,
)
from conclave.sql.literals import alike, as_boolean, as_date, as_type_of, is_null_literal, null
from conclave.sql.local_functions import bind_local_function
from conclave.sql.parse import Text
from conclave.sql.refuse import refuse_others, refused

MAX_POWER = 8  # each is a multiplication, and the product must fit a word
Bind = Callable[[exp.Expr], Expression]

_INTEGERS = {"TINYINT": 8, "SMALLINT": 16, "INT": 32, "BIGINT": 64}


def bind_function(call: exp.Expr, bind: Bind, text: Text) -> Expression:
    """Return what a function call, CASE or CAST means.

    Raises:  UnsupportedQuery for any function that is not listed here.
    """
    at = text.at(call)
    match call:
        case exp.Case():
            return _case(call, bind, at)
        case exp.If():
            refuse_others(call, frozenset({"this", "true", "false"}), text)
            otherwise = bind(call.args["false"]) if call.args.get("false") else null(at)
            return case(((as_boolean(bind(call.this)), bind(call.args["true"])),), otherwise, at)
        case exp.Coalesce():
            return _coalesce([bind(part) for part in (call.this, *call.expressions)], at)
        case exp.Nullif():
            left, right = alike(bind(call.this), bind(call.expression))
            return case(((Compare("=", left, right, at), as_type_of(null(at), left.type)),), left, at)
        case exp.Greatest() | exp.Least():
            refuse_others(call, frozenset({"this", "expressions", "ignore_nulls"}), text)
            parts = [bind(part) for part in (call.this, *call.expressions)]
            return extreme(">=" if isinstance(call, exp.Greatest) else "<=", parts, at)
        case exp.Abs():
            operand = bind(call.this)
            return case(((Compare("<", operand, Literal(0, Integer(32), at), at), Negate(operand, at)),), operand, at)
        case exp.Pow():
            return _power(call, bind, at)
        case exp.DateDiff():
            if call.args.get("unit") is not None and call.args["unit"].name.upper() != "DAY":
                fix = "use date_diff('day', a, b), or 'month', 'quarter', 'year'"
                raise refused("a date difference in other units than these", at, fix)
            later, earlier = bind(call.this), bind(call.expression)
            if not (isinstance(later.type, Date) and isinstance(earlier.type, Date)):
                raise TypeProblem(f"date_diff needs dates, got {earlier.type} and {later.type}", at)
            return Arithmetic("-", later, earlier, at)
        case exp.Cast() if type(call) is exp.Cast:
            refuse_others(call, frozenset({"this", "to"}), text)
            return cast(bind(call.this), _type(call, at), at)
    return bind_local_function(call, bind, text)


def case(branches: tuple[tuple[Expression, Expression], ...], default: Expression, at: Position | None) -> Expression:
    """Return a CASE whose NULLs have the type of its other values."""
    kind = Case(branches, default, at).type
    return Case(tuple((test, as_type_of(value, kind)) for test, value in branches), as_type_of(default, kind), at)


def _case(call: exp.Case, bind: Bind, at: Position | None) -> Expression:
    branches: list[tuple[Expression, Expression]] = []
    subject = bind(call.this) if call.this is not None else None
    for branch in call.args["ifs"]:
        test = bind(branch.this)
        condition = as_boolean(test) if subject is None else Compare("=", *alike(subject, test), at)
        branches.append((condition, bind(branch.args["true"])))
    default = bind(call.args["default"]) if call.args.get("default") is not None else null(at)
    return case(tuple(branches), default, at)


def _coalesce(parts: list[Expression], at: Position | None) -> Expression:
    *others, last = parts
    if not others:
        return last
    return case(tuple((Not(IsNull(part, at), at), part) for part in others), last, at)


def extreme(operator: ComparisonOperator, parts: list[Expression], at: Position | None) -> Expression:
    """Return the largest or smallest of what is not NULL."""
    first, *others = parts
    for other in others:
        left, right = alike(first, other)
        is_first: Expression = Compare(operator, left, right, at)
        if right.nullable:
            is_first = Logic("or", IsNull(right, at), is_first, at)
        first = case(((is_first, left),), right, at)
    return first


def same_or_both_null(left: Expression, right: Expression, at: Position | None) -> Expression:
    """Return whether both are the same, NULL being the same as NULL: never NULL itself."""
    equal = Compare("=", left, right, at)
    if not (left.nullable or right.nullable):
        return equal
    branches: list[tuple[Expression, Expression]] = [(equal, Literal(True, Boolean(), at))]
    if left.nullable and right.nullable:
        branches.append((Logic("and", IsNull(left, at), IsNull(right, at), at), Literal(True, Boolean(), at)))
    return Case(tuple(branches), Literal(False, Boolean(), at), at)


def _power(call: exp.Pow, bind: Bind, at: Position | None) -> Expression:
    if isinstance(call.this, exp.Neg | exp.Pow):
        # Where the sign goes, and which power is taken first, is told differently from one SQL to the next.
        raise refused("a power of a sign or of a power", at, "put the base in parentheses")
    base, exponent = bind(call.this), bind(call.expression)
    match exponent:
        case Literal(int(n)) if 1 <= n <= MAX_POWER and not isinstance(exponent.type, Boolean):
            product = base
            for _ in range(n - 1):
                product = Arithmetic("*", product, base, at)
            return product
    raise refused(f"a power that is not a whole number from 1 to {MAX_POWER}", at, "write x * x, or SQRT(x)")


def _type(call: exp.Cast, at: Position | None) -> Type:
    target = call.to
    name = str(target.this.value) if isinstance(target.this, exp.DType) else ""
    sizes = [int(size.name) for size in target.expressions if size.name.isdigit()]
    match name, sizes:
        case (("TINYINT" | "SMALLINT" | "INT" | "BIGINT"), []):
            return Integer(_INTEGERS[name])
        case "DECIMAL", [precision, scale] if precision <= MAX_DECIMAL_DIGITS:
            return Decimal(precision, scale)
        case "DECIMAL", [precision] if precision <= MAX_DECIMAL_DIGITS:
            return Decimal(precision, 0)
        case "DOUBLE", []:
            return Double()
        case "DATE", []:
            return Date()
        case "BOOLEAN", []:
            return Boolean()
        case (("TEXT" | "VARCHAR"), _):
            return Varchar()
    fixes = {"FLOAT": "use DOUBLE", "DECIMAL": f"use DECIMAL with at most {MAX_DECIMAL_DIGITS} digits"}
    others = "use DATE, or one of BOOLEAN, TINYINT, SMALLINT, INTEGER, BIGINT, DECIMAL, DOUBLE, VARCHAR"
    raise refused(f"the type {target.sql(dialect='duckdb')}", at, fixes.get(name, others))


def cast(operand: Expression, kind: Type, at: Position | None) -> Expression:
    """Return the operand as another type that holds each of its values.

    Raises:  UnsupportedQuery where values could be lost.
    """
    if operand.type == kind:
        return operand
    if is_null_literal(operand):
        return as_type_of(operand, kind)
    if isinstance(operand, Literal) and isinstance(kind, Date) and isinstance(operand.type, Varchar):
        return as_date(operand)
    match operand.type, kind:
        case Varchar(), Varchar():
            return operand  # as in DuckDB, where a varchar's size says nothing
        case Boolean(), (Integer() | Decimal() | Double()):
            one, zero = (cast(Literal(n, Integer(8), at), kind, at) for n in (1, 0))
            return case(((operand, one), (Not(operand, at), zero)), null(at), at)
        case ((Integer() | Decimal() | Double()), Double()):
            return Cast(operand, kind, at)
        case Integer(have), Integer(want) if have < want or isinstance(operand, Literal):
            return Cast(operand, kind, at)
        case ((Integer() | Decimal()), Decimal(precision, scale)):
            assert isinstance(operand.type, Integer | Decimal)
            source = as_decimal(operand.type)
            # A decimal that fills the word is let through: no wider one exists.
            room = precision == MAX_DECIMAL_DIGITS or precision - scale >= source.precision - source.scale
            if (room and scale >= source.scale) or isinstance(operand, Literal):
                return Cast(operand, kind, at)
            wider = common_type(operand.type, kind)
            raise refused(f"a cast from {operand.type} to {kind} that may not fit", at, f"use {wider}")
    raise refused(f"a cast from {operand.type} to {kind}", at, _cast_fix(operand.type, kind))


def _cast_fix(source: Type, kind: Type) -> str:
    """Return what to write in the place of a cast that could lose values, or fail on one."""
    match source, kind:
        case Integer(), Integer():
            return f"leave it {source}, which holds all that {kind} does"
        case ((Decimal() | Double()), (Integer() | Decimal())):
            return "write ROUND(x, 2), or FLOOR(x), which say what becomes of the other decimals"
        case Varchar(), _:
            return f"declare the column as {kind}"
        case _, Varchar():
            return f"show it as {source}, or write CASE"
    return "compare it: x > 0, or x >= DATE '2026-01-31'"
