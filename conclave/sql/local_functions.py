"""Functions of text, dates and rounding that owners compute on their own rows. MPC has none of them.

They can stand wherever their arguments come from one owner's tables: the passes move them there. Where they cannot be
moved, the plan is refused. None fails on a value, which all would see: SQRT of a negative number is NULL.
"""

from collections.abc import Callable

from sqlglot import exp

from conclave.ir.errors import Position, TypeProblem
from conclave.ir.expressions import Call, Cast, Expression, Literal, LocalFunction, Not
from conclave.ir.types import MAX_DECIMAL_DIGITS, Boolean, Date, Decimal, Double, Integer, Type, Varchar, is_numeric
from conclave.sql.parse import Text
from conclave.sql.refuse import refuse_others, refused, unsupported

Bind = Callable[[exp.Expr], Expression]

_OF_DATES: dict[str, LocalFunction] = {
    "YEAR": "year", "QUARTER": "quarter", "MONTH": "month", "WEEK": "week", "DAY": "day",
    "DOW": "dayofweek", "DAYOFWEEK": "dayofweek", "DOY": "dayofyear", "DAYOFYEAR": "dayofyear",
}  # fmt: skip
_DATE_CALLS: dict[type[exp.Expr], LocalFunction] = {
    exp.Year: "year", exp.Quarter: "quarter", exp.Month: "month", exp.Week: "week", exp.Day: "day",
    exp.DayOfMonth: "day", exp.DayOfWeek: "dayofweek", exp.DayOfYear: "dayofyear",
}  # fmt: skip
_MAX_BOUND = 2**31 - 1  # far beyond it the engine fails on any text but NULL
_TRUNCATED_TO = ("YEAR", "QUARTER", "MONTH", "WEEK", "DAY")


def bind_local_function(call: exp.Expr, bind: Bind, text: Text) -> Expression:
    """Return the call of a local function.

    Raises:  UnsupportedQuery for any function that is not listed here.
    """
    at = text.at(call)
    match call:
        case exp.Like() | exp.ILike():
            refuse_others(call, frozenset({"this", "expression", "negate"}), text)
            function: LocalFunction = "like" if isinstance(call, exp.Like) else "ilike"
            like = _like(function, bind(call.this), bind(call.expression), at)
            return Not(like, at) if call.args.get("negate") else like
        case exp.Extract():
            return _date_part(_OF_DATES.get(call.name.upper()), call.name, bind(call.expression), at)
        case exp.Anonymous(expressions=[exp.Literal(is_string=True) as named, of]) if _is_date_part(call):
            return _date_part(_OF_DATES.get(str(named.this).upper()), str(named.this), bind(of), at)
        case exp.DateTrunc() | exp.TimestampTrunc():
            return _date_trunc(call, bind, at)
        case exp.Substring():
            return _substring(call, bind, text, at)
        case exp.Lower() | exp.Upper() | exp.Trim():
            refuse_others(call, frozenset({"this"}), text)
            operand = bind(call.this)
            size = _size_of_text(call.key, operand, at)
            # Another case of a letter may take up to half as many bytes more.
            return Call(_NAMES[call.key], (operand,), Varchar(size if call.key == "trim" else -(-size * 3 // 2)), at)
        case exp.Length():
            refuse_others(call, frozenset({"this"}), text)
            operand = bind(call.this)
            _size_of_text("length", operand, at)
            return Call("length", (operand,), Integer(64), at)
        case exp.Floor() | exp.Ceil():
            refuse_others(call, frozenset({"this"}), text)
            return _to_whole("floor" if isinstance(call, exp.Floor) else "ceil", bind(call.this), at)
        case exp.Round():
            refuse_others(call, frozenset({"this", "decimals"}), text)
            return _round(bind(call.this), bind(call.args["decimals"]) if call.args.get("decimals") else None, at)
        case exp.Sqrt():
            return Call("sqrt", (Cast(_number("sqrt", bind(call.this), at), Double()),), Double(), at)
    if type(call) in _DATE_CALLS:
        part = _DATE_CALLS[type(call)]
        operand = call.this.this if isinstance(call.this, exp.TsOrDsToDate) else call.this
        return _date_part(part, part, bind(operand), at)
    raise unsupported(call, text)


def _is_date_part(call: exp.Anonymous) -> bool:
    return str(call.this).upper() in ("DATE_PART", "DATEPART")


_NAMES: dict[str, LocalFunction] = {"lower": "lower", "upper": "upper", "trim": "trim"}


def _like(function: LocalFunction, operand: Expression, pattern: Expression, at: Position | None) -> Expression:
    _size_of_text(function, operand, at)
    if not (isinstance(pattern, Literal) and isinstance(pattern.value, str)):
        raise refused(
            f"{function.upper()} with a pattern that is not a constant", at, "write LIKE 'a%', or compare with ="
        )
    return Call(function, (operand, pattern), Boolean(), at)


def _date_part(function: LocalFunction | None, name: str, operand: Expression, at: Position | None) -> Expression:
    if function is None:
        raise refused(f"EXTRACT of {name.upper()}", at, f"extract one of {', '.join(sorted(set(_OF_DATES.values())))}")
    return Call(function, (_date(function, operand, at),), Integer(64), at)


def _date_trunc(call: exp.Expr, bind: Bind, at: Position | None) -> Expression:
    unit = str(call.args["unit"].name).upper()
    if unit not in _TRUNCATED_TO:
        raise refused(f"DATE_TRUNC to {unit}", at, f"truncate to one of {', '.join(_TRUNCATED_TO).lower()}")
    operand = _date("date_trunc", bind(call.this), at)
    return Call("date_trunc", (Literal(unit.lower(), Varchar(len(unit))), operand), Date(), at)


def _substring(call: exp.Substring, bind: Bind, text: Text, at: Position | None) -> Expression:
    refuse_others(call, frozenset({"this", "start", "length"}), text)
    operand = bind(call.this)
    most = _size_of_text("substring", operand, at)
    bounds = [bind(call.args[name]) for name in ("start", "length") if call.args.get(name) is not None]
    numbers = [b.value for b in bounds if isinstance(b, Literal) and isinstance(b.value, int)]
    is_from_end = len(numbers) == len(bounds) == 1 and -_MAX_BOUND <= numbers[0] < 0
    if not is_from_end and (len(numbers) < len(bounds) or not all(0 < each <= _MAX_BOUND for each in numbers)):
        raise refused("SUBSTRING with bounds that are not positive constants", at, "write SUBSTRING(x, 1, 2)")
    if len(numbers) == 2 or is_from_end:
        most = min(most, 4 * abs(numbers[-1]))  # a character takes four bytes at most
    return Call("substring", (operand, *bounds), Varchar(most), at)


def _to_whole(function: LocalFunction, operand: Expression, at: Position | None) -> Expression:
    match _number(function, operand, at).type:
        case Integer():
            return operand
        case Decimal(precision, scale):
            return Call(function, (operand,), Decimal(min(max(precision - scale, 0) + 1, MAX_DECIMAL_DIGITS), 0), at)
    return Call(function, (operand,), Double(), at)


def _round(operand: Expression, decimals: Expression | None, at: Position | None) -> Expression:
    digits = 0 if decimals is None else decimals.value if isinstance(decimals, Literal) else None
    if not isinstance(digits, int) or digits < 0:
        fix = "write ROUND(x, 2); for hundreds 100 * ROUND(x / 100)"
        raise refused("ROUND to other than a constant number of decimals, 0 or more", at, fix)
    match _number("round", operand, at).type:
        case Integer():
            return operand
        case Decimal(_, scale) if scale <= digits:
            return operand
        case Decimal(precision, scale):
            kind: Type = Decimal(min(precision - scale + digits + 1, MAX_DECIMAL_DIGITS), digits)
        case _:
            kind = Double()
    return Call("round", (operand, Literal(digits, Integer(32))), kind, at)


def _size_of_text(function: str, operand: Expression, at: Position | None) -> int:
    if not isinstance(operand.type, Varchar):
        raise TypeProblem(f"{function.upper()} needs text, got {operand.type}", at)
    return operand.type.max_bytes


def _date(function: str, operand: Expression, at: Position | None) -> Expression:
    if not isinstance(operand.type, Date):
        raise TypeProblem(f"{function.upper()} needs a date, got {operand.type}", at)
    return operand


def _number(function: str, operand: Expression, at: Position | None) -> Expression:
    if not is_numeric(operand.type):
        raise TypeProblem(f"{function.upper()} needs a number, got {operand.type}", at)
    return operand
