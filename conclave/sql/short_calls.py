"""Calls and comparisons that are short for longer ones, each beside what it is short for."""

import re
from collections.abc import Callable, Iterable
from functools import cache

from sqlglot import exp, parse_one

from conclave.sql.around import with_call
from conclave.sql.parse import Text, unwrapped
from conclave.sql.refuse import refused

_DAYS = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")
_MONTHS = (
    *("January", "February", "March", "April", "May", "June", "July"),
    *("August", "September", "October", "November", "December"),
)


def _named(number: str, names: Iterable[tuple[int, str]]) -> str:
    branches = " ".join(f"WHEN {n} THEN '{name}'" for n, name in names)
    return f"CASE {number} {branches} END"


# x and y are what the call is of. NULLs have to come out as in DuckDB.
_SCALARS: dict[type[exp.Expr], str] = {
    exp.Sign: "CASE WHEN x > 0 THEN 1 WHEN x < 0 THEN -1 WHEN x = 0 THEN 0 END",
    exp.DayOfWeekIso: "CASE DAYOFWEEK(x) WHEN 0 THEN 7 ELSE DAYOFWEEK(x) END",
    exp.Dayname: _named("DAYOFWEEK(x)", enumerate(_DAYS)),
    exp.Monthname: _named("MONTH(x)", enumerate(_MONTHS, 1)),
    exp.LastDay: "CAST(DATE_TRUNC('month', x) + INTERVAL 1 MONTH AS DATE) - 1",
}
_TRUNC = "CASE WHEN x < 0 THEN CEIL(x) ELSE FLOOR(x) END"
_BETWEEN_DATES = {
    "MONTH": "(YEAR(x) - YEAR(y)) * 12 + (MONTH(x) - MONTH(y))",
    "QUARTER": "(YEAR(x) - YEAR(y)) * 4 + (QUARTER(x) - QUARTER(y))",
    "YEAR": "YEAR(x) - YEAR(y)",
}
# A sum or a difference is NULL where either is: so a covariance is of the pairs that have both, and (x + y)^2 - (x - y)^2 =
# 4xy says it by variances, which do not lose digits to large means.
_PAIR_X, _PAIR_Y = "CASE WHEN y IS NOT NULL THEN x END", "CASE WHEN x IS NOT NULL THEN y END"
_COVARIANCE = "(VAR_POP(x + y) - VAR_POP(x - y)) / 4"
_CORRELATION = f"{_COVARIANCE} / (NULLIF(STDDEV_POP({_PAIR_X}), 0) * NULLIF(STDDEV_POP({_PAIR_Y}), 0))"
_AGGREGATES: dict[type[exp.Expr], str] = {
    exp.ApproxDistinct: "COUNT(DISTINCT x)",
    exp.AnyValue: "MIN(x)",  # any is one of them, and NULL is none
    exp.CovarPop: _COVARIANCE,
    exp.CovarSamp: "(VAR_SAMP(x + y) - VAR_SAMP(x - y)) / 4",
    exp.Corr: _CORRELATION,
    exp.RegrSlope: f"{_COVARIANCE} / VAR_POP({_PAIR_Y})",
    exp.RegrIntercept: f"AVG({_PAIR_X}) - {_COVARIANCE} / VAR_POP({_PAIR_Y}) * AVG({_PAIR_Y})",
    exp.RegrR2: (
        f"CASE WHEN STDDEV_POP({_PAIR_Y}) > 0 THEN "
        f"CASE WHEN STDDEV_POP({_PAIR_X}) > 0 THEN ({_CORRELATION}) * ({_CORRELATION}) ELSE 1 END END"
    ),
    exp.RegrAvgx: f"AVG({_PAIR_Y})",
    exp.RegrAvgy: f"AVG({_PAIR_X})",
    exp.RegrCount: f"COUNT({_PAIR_X})",
}
_BY_NAME: dict[str, str] = {"MEAN": "AVG(x)"}
_TEXT_TESTS: dict[str, tuple[str, str]] = {  # name: what is before the text and what is after it, of any
    "STARTS_WITH": ("", "%"), "PREFIX": ("", "%"), "ENDS_WITH": ("%", ""), "SUFFIX": ("%", ""), "CONTAINS": ("%", "%"),
}  # fmt: skip
_TEXT_CALLS: dict[type[exp.Expr], str] = {
    exp.StartsWith: "STARTS_WITH", exp.EndsWith: "ENDS_WITH", exp.Contains: "CONTAINS",
}  # fmt: skip
_WILD = re.compile("[%_]")
_HAS_NO_CASE = re.compile("[^A-Za-z\x80-\U0010ffff]*")


def long_call(call: exp.Expr, around: exp.Expr, text: Text) -> exp.Expr | None:
    """Return what a call is short for, None if it is not; `around` is the call with its FILTER and its OVER, if any."""
    if isinstance(call, exp.AnyValue):
        return None  # within the next
    if isinstance(call, exp.IgnoreNulls) and isinstance(call.this, exp.AnyValue):
        call = call.this
    kind = type(call)
    if kind in _AGGREGATES:
        return _aggregate(_AGGREGATES[kind], _arguments(call, text), around)
    if isinstance(call, exp.Anonymous) and str(call.this).upper() in _BY_NAME:
        return _aggregate(_BY_NAME[str(call.this).upper()], call.expressions, around)
    if isinstance(call, exp.Count) and call.this is None:
        return with_call(around, exp.Count(this=exp.Star(), big_int=True))
    if around is not call:
        return None
    if kind in _SCALARS:
        return _filled(_SCALARS[kind], [call.this])
    match call:
        case exp.Trunc() if call.args.get("decimals") is None:
            return _filled(_TRUNC, [call.this])
        case exp.DateDiff() if call.args.get("unit") is not None:
            form = _BETWEEN_DATES.get(call.args["unit"].name.upper())
            return None if form is None else _filled(form, [call.this, call.expression])
        case exp.Extract() if call.name.upper() == "ISODOW":
            return _filled(_SCALARS[exp.DayOfWeekIso], [call.expression])
        case exp.Left() | exp.Right():
            return _end_of_text(call)
        case exp.ILike() if _is_text(call.expression) and _HAS_NO_CASE.fullmatch(call.expression.name):
            return exp.Like(this=call.this.copy(), expression=call.expression.copy(), negate=call.args.get("negate"))
        case exp.EQ() | exp.NEQ() if isinstance(call.expression, exp.Any | exp.All):
            return _in(call)
    return _text_test(call)


def _arguments(call: exp.Expr, text: Text) -> list[exp.Expr]:
    given = [each for each in (call.this, call.args.get("expression")) if each is not None]
    if any(isinstance(each, exp.Distinct) for each in given):
        at = text.at(call)
        raise refused(f"DISTINCT in {text.called_at(at) or call.key}".upper(), at, "aggregate a SELECT DISTINCT")
    return given


def _in(call: exp.Expr) -> exp.Expr | None:
    """Return `x = ANY (SELECT ...)` as IN, and `x <> ALL (SELECT ...)` as NOT IN."""
    query = unwrapped(call.expression.this)
    is_any = isinstance(call.expression, exp.Any)
    if not isinstance(query, exp.Query) or is_any != isinstance(call, exp.EQ):
        return None
    found = exp.In(this=call.this.copy(), query=exp.Subquery(this=query.copy()))
    return found if is_any else exp.Not(this=found)


def _end_of_text(call: exp.Expr) -> exp.Expr | None:
    """Return LEFT(x, 2) as SUBSTRING(x, 1, 2), and RIGHT(x, 2) as SUBSTRING(x, -2)."""
    size = call.expression
    if not (isinstance(size, exp.Literal) and size.is_int and int(size.name) > 0):
        return None
    if isinstance(call, exp.Left):
        return exp.Substring(this=call.this.copy(), start=exp.Literal.number(1), length=size.copy())
    return exp.Substring(this=call.this.copy(), start=exp.Neg(this=size.copy()))


def _text_test(call: exp.Expr) -> exp.Expr | None:
    if isinstance(call, exp.Anonymous):
        name, given = str(call.this).upper(), call.expressions
    else:
        name, given = _TEXT_CALLS.get(type(call), ""), [call.this, call.args.get("expression")]
    if name not in _TEXT_TESTS or len(given) != 2 or not _is_text(given[1]):
        return None
    (before, after), sought = _TEXT_TESTS[name], str(given[1].this)
    if not _WILD.search(sought):
        return exp.Like(this=given[0].copy(), expression=exp.Literal.string(f"{before}{sought}{after}"))
    if before and after:
        return None
    start = exp.Neg(this=exp.Literal.number(len(sought))) if before else exp.Literal.number(1)
    size = None if before else exp.Literal.number(len(sought))
    return exp.EQ(this=exp.Substring(this=given[0].copy(), start=start, length=size), expression=given[1].copy())


def _is_text(part: object) -> bool:
    return isinstance(part, exp.Literal) and part.is_string


def _aggregate(form: str, given: list[exp.Expr], around: exp.Expr) -> exp.Expr:
    """Return the form over what is given, each of its aggregates with the FILTER and the OVER that the call has."""
    return _filled(form, given, lambda made: with_call(around, made))


def _filled(form: str, given: list[exp.Expr], wrapped: Callable[[exp.Expr], exp.Expr] = lambda made: made) -> exp.Expr:
    """Return the expression that `form` says of what is given, in parentheses: it stands within another."""
    made = exp.Paren(this=_parsed(form).copy())
    holes = [each for each in made.walk() if isinstance(each, exp.Column)]
    for aggregate in [each for each in made.walk() if isinstance(each, exp.AggFunc)]:
        place = exp.Placeholder()
        aggregate.replace(place)
        place.replace(wrapped(aggregate))
    for hole in holes:
        hole.replace(exp.Paren(this=given["xy".index(hole.name)].copy()))
    return made


@cache
def _parsed(form: str) -> exp.Expr:
    """Return the tree of a form, without places: they are not the query's."""
    tree = parse_one(form, dialect="duckdb")
    for node in tree.walk():
        node.meta.clear()
    return tree
