"""DuckDB's functions and operators in Spark's words, where both have them under one name and mean different things.

Each rule says what breaks without it. A rule that hangs on a type refuses what has none.
"""

from collections.abc import Callable

from sqlglot import exp

from conclave.local.errors import LocalError

_WIDE = exp.DataType.build("DECIMAL(38, 0)", dialect="spark")  # for HUGEINT, which Spark lacks
_MOST_EXACT = "9007199254740992"  # 2**53: from there on doubles are whole
# What DuckDB trims, Unicode's separators; Spark's default is the blank alone.
_BLANKS = "".join(map(chr, (0x20, 0xA0, 0x1680, *range(0x2000, 0x200B), 0x202F, 0x205F, 0x3000)))
_ESCAPES = "|\\~^!#$"  # a sign that no pattern holds is chosen of these

Rule = Callable[[exp.Expr], exp.Expr]


def rewrite(tree: exp.Expr) -> exp.Expr:
    """Return the typed `tree` in Spark's words, made of the old one.

    Raises:  LocalError for what cannot be said in them.
    """
    for node in reversed(list(tree.walk())):  # parts first
        rule = _RULES.get(type(node))
        if rule is not None:
            made = rule(node)
            if made is not node:
                made.type = made.to if isinstance(made, exp.Cast) else node.type
                node.replace(made)
    return tree


def date_differences(tree: exp.Expr) -> exp.Expr:
    """Return the typed `tree` with what is subtracted of dates as a number of days: to Spark it is an interval.

    Done first, since everything above has another type then.
    """
    for node in reversed(list(tree.walk())):
        if isinstance(node, exp.Sub) and all(_kind(side) == "date" for side in (node.this, node.expression)):
            days = _cast(_call("DATEDIFF", node.this.copy(), node.expression.copy()), "BIGINT")
            days.type = days.to
            node.replace(days)
    return tree


def _kind(node: exp.Expr) -> str:
    """Return integer, bigint, decimal, double, date or other."""
    while isinstance(node, exp.Paren | exp.Distinct):
        node = node.this if isinstance(node, exp.Paren) else node.expressions[0]
    kind = node.type.this if isinstance(node.type, exp.DataType) else None
    return _KINDS.get(kind, "other") if kind is not None else "other"


_KINDS = {
    exp.DType.TINYINT: "integer",
    exp.DType.SMALLINT: "integer",
    exp.DType.INT: "integer",
    exp.DType.BIGINT: "bigint",
    exp.DType.INT128: "decimal",
    exp.DType.DECIMAL: "decimal",
    exp.DType.DOUBLE: "double",
    exp.DType.DATE: "date",
}


def _known(node: exp.Expr) -> str:
    kind = _kind(node)
    if kind == "other":
        raise LocalError("query", "UnknownType")
    return kind


def _call(name: str, *arguments: exp.Expr) -> exp.Anonymous:
    return exp.Anonymous(this=name, expressions=list(arguments))


def _cast(value: exp.Expr, kind: str) -> exp.Cast:
    return exp.cast(value, kind, dialect="spark")


def _over(argument: exp.Expr, change: Callable[[exp.Expr], exp.Expr]) -> exp.Expr:
    """Change what is aggregated, within its DISTINCT if it has one."""
    if isinstance(argument, exp.Distinct):
        return exp.Distinct(expressions=[change(each.copy()) for each in argument.expressions])
    return change(argument.copy())


def _exact_sum(argument: exp.Expr) -> exp.Expr:
    # DuckDB adds up in 128 bits. Spark's sum of 64 would fail on a total that fits, by the order it adds them in.
    wide = _known(argument) == "bigint"
    return exp.Sum(this=_over(argument, lambda value: _cast(value, "DECIMAL(38, 0)")) if wide else argument.copy())


def _sum(node: exp.Expr) -> exp.Expr:
    total = _exact_sum(node.this)
    return node if total == node else total


def _average(node: exp.Expr) -> exp.Expr:
    # Of decimals Spark's mean is one again, cut off; of integers it adds up doubles.
    if _known(node.this) == "double":
        return node
    count = exp.Count(this=node.this.copy())
    none = exp.Nullif(this=count, expression=_whole(0))
    return exp.paren(exp.Div(this=_cast(_exact_sum(node.this), "DOUBLE"), expression=none))


def _spread(node: exp.Expr) -> exp.Expr:
    name = {"variance": "VAR_SAMP", "variancepop": "VAR_POP", "stddevsamp": "STDDEV_SAMP", "stddevpop": "STDDEV_POP"}
    _known(node.this)
    return _call(name[node.key], _over(node.this, lambda value: _cast(value, "DOUBLE")))


def _quantile_between(node: exp.Expr) -> exp.Expr:
    return _call("PERCENTILE", node.this.copy(), node.args["expression"].copy())


def _quantile_of(node: exp.Expr) -> exp.Expr:
    # Spark's own makes doubles of what it is taken of, and knows no dates.
    values, fraction = node.this, node.args["quantile" if isinstance(node, exp.Quantile) else "expression"]
    count = exp.Count(this=values.copy())
    nth = _call("CEIL", exp.Mul(this=count.copy(), expression=fraction.copy()))
    place = _cast(exp.Greatest(this=nth, expressions=[_whole(1)]), "INT")
    listed = _call("SORT_ARRAY", _call("COLLECT_LIST", values.copy()))
    is_any = exp.GT(this=count, expression=_whole(0))
    return exp.Case(ifs=[exp.If(this=is_any, true=_call("ELEMENT_AT", listed, place))])


def _whole(value: int) -> exp.Expr:
    return exp.Literal.number(value)


def _hugeint(node: exp.Expr) -> exp.Expr:
    assert isinstance(node, exp.Cast)
    return exp.Cast(this=node.this.copy(), to=_WIDE.copy()) if node.to.this == exp.DType.INT128 else node


def _round(node: exp.Expr) -> exp.Expr:
    # Spark rounds the decimal that a double is printed as: 1.005 up. DuckDB rounds what it is, which is below that.
    digits = node.args.get("decimals")
    if _known(node.this) != "double" or digits is None or digits.name == "0":
        return node
    scale = exp.Literal.number(f"1e{int(digits.name)}")
    scaled = exp.Round(this=exp.Mul(this=exp.paren(node.this.copy()), expression=scale), decimals=_whole(0))
    return exp.paren(exp.Div(this=scaled, expression=scale.copy()))


def _to_whole(node: exp.Expr) -> exp.Expr:
    # Of a double Spark makes a BIGINT, whose largest stands for all that are larger.
    if _known(node.this) != "double":
        return node
    is_small = exp.LT(this=exp.Abs(this=node.this.copy()), expression=exp.Literal.number(f"{_MOST_EXACT}e0"))
    made = _cast(node.copy(), "DOUBLE")
    return exp.Case(ifs=[exp.If(this=is_small, true=made)], default=node.this.copy())


def _like(node: exp.Expr) -> exp.Expr:
    # In Spark a backslash in a pattern escapes what follows, unless something else does.
    pattern = node.args["expression"]
    free = next((sign for sign in _ESCAPES if sign not in pattern.name), None)
    if free is None or not pattern.is_string:
        raise LocalError("query", "PatternWithoutEscape")
    if isinstance(node.parent, exp.Escape):
        return node
    return exp.Escape(this=node.copy(), expression=exp.Literal.string(free))


def _trim(node: exp.Expr) -> exp.Expr:
    return exp.Trim(this=node.this.copy(), expression=exp.Literal.string(_BLANKS), position="BOTH")


def _truncate_date(node: exp.Expr) -> exp.Expr:
    unit, date = str(node.args["unit"].name).upper(), node.this
    if unit == "DAY":  # unknown to TRUNC, which would say NULL
        return exp.paren(date.copy())
    return _call("TRUNC", date.copy(), exp.Literal.string(unit))


def _week(node: exp.Expr) -> exp.Expr:
    return _call("WEEKOFYEAR", node.this.copy())


def _day_of_week(node: exp.Expr) -> exp.Expr:
    return exp.paren(exp.Sub(this=_call("DAYOFWEEK", node.this.copy()), expression=_whole(1)))  # Sunday is 0 in DuckDB


def _add(node: exp.Expr) -> exp.Expr:
    months = node.args["expression"]
    if isinstance(months, exp.Anonymous) and months.name.lower() == "to_months":
        return _call("ADD_MONTHS", node.this.copy(), months.expressions[0].copy())
    return node


def _function(node: exp.Expr) -> exp.Expr:
    name = node.name.lower()
    if name in ("error", "hash"):
        # Spark's HASH has 32 bits, so that many rows of a subject would be told apart by their values.
        return _call({"error": "RAISE_ERROR", "hash": "XXHASH64"}[name], *(each.copy() for each in node.expressions))
    if name == "to_months" or node.name.upper() in _MADE:
        return node
    raise LocalError("query", "UnknownFunction")


_MADE = frozenset({"DATEDIFF"})  # by `date_differences`


def _window(node: exp.Expr) -> exp.Expr:
    # Rows that are numbered in no order: Spark asks for one to be said.
    is_numbered = isinstance(node.this, exp.RowNumber | exp.Rank | exp.DenseRank | exp.Lag | exp.Lead)
    if is_numbered and not node.args.get("order"):
        node.set("order", exp.Order(expressions=[exp.Ordered(this=exp.Null(), nulls_first=True)]))
    return node


_RULES: dict[type[exp.Expr], Rule] = {
    exp.Sum: _sum,
    exp.Avg: _average,
    exp.Variance: _spread,
    exp.VariancePop: _spread,
    exp.StddevSamp: _spread,
    exp.StddevPop: _spread,
    exp.PercentileCont: _quantile_between,
    exp.PercentileDisc: _quantile_of,
    exp.Quantile: _quantile_of,
    exp.Cast: _hugeint,
    exp.Round: _round,
    exp.Floor: _to_whole,
    exp.Ceil: _to_whole,
    exp.Like: _like,
    exp.ILike: _like,
    exp.Trim: _trim,
    exp.TimestampTrunc: _truncate_date,
    exp.DateTrunc: _truncate_date,
    exp.Week: _week,
    exp.DayOfWeek: _day_of_week,
    exp.Add: _add,
    exp.Anonymous: _function,
    exp.Window: _window,
}
