"""EXISTS and IN inside an expression, and comparisons with ALL or ANY, said by counts and extremes of the subquery.

How many rows there are is a scalar subquery like others. As a condition of WHERE by themselves EXISTS and IN are joins, see
`bind_where`; here they stand beside OR, in CASE, or in HAVING.
"""

from sqlglot import exp

from conclave.sql.parse import unwrapped

_SET, _VALUE = (
    "in_set",
    "in_value",
)  # the subquery's rows, as a table of their own, so that no name of theirs is in the way
_KEPT = ("from_", "joins", "where", "with_")


def exists_as_count(part: exp.Exists) -> exp.Expr:
    """Return EXISTS (SELECT ...) as (SELECT COUNT(*) ...) > 0."""
    query = unwrapped(part.this)
    others = any(value for name, value in query.args.items() if name not in (*_KEPT, "expressions", "distinct"))
    if not isinstance(query, exp.Select) or others or any(e.find(exp.AggFunc) for e in query.expressions):
        return _is_some(_counted(query, None))
    counted = exp.Select(**{name: _copied(value) for name, value in query.args.items() if name in _KEPT and value})
    counted.set("expressions", [exp.Count(this=exp.Star())])
    return _is_some(counted)


def in_as_counts(part: exp.In, is_value_nullable: bool, is_set_nullable: bool) -> exp.Expr:
    """Return `x IN (SELECT y ...)` as a CASE: NULL where x is not found, but it or one of the set is NULL."""
    query, value = part.args["query"], part.this
    found = _is_some(_counted(query, exp.EQ(this=_column(), expression=exp.Paren(this=value.copy()))))
    if not (is_value_nullable or is_set_nullable):
        return found
    unknown: list[exp.Expr] = []
    if is_value_nullable:
        is_null = exp.Is(this=exp.Paren(this=value.copy()), expression=exp.Null())
        unknown.append(exp.Paren(this=exp.And(this=is_null, expression=_is_some(_counted(query, None)))))
    if is_set_nullable:
        unknown.append(_is_some(_counted(query, exp.Is(this=_column(), expression=exp.Null()))))
    either = unknown[0] if len(unknown) == 1 else exp.Or(this=unknown[0], expression=unknown[1])
    branches = [exp.If(this=found, true=exp.true()), exp.If(this=either, true=exp.null())]
    return exp.Case(ifs=branches, default=exp.false())


_OPPOSITE: dict[type[exp.Expr], type[exp.Binary]] = {
    exp.EQ: exp.NEQ, exp.NEQ: exp.EQ, exp.LT: exp.GTE, exp.GTE: exp.LT, exp.GT: exp.LTE, exp.LTE: exp.GT,
}  # fmt: skip
# What is above all values is above the largest; what is equal to all is equal to the least and the largest.
_EXTREMES: dict[type[exp.Expr], tuple[type[exp.AggFunc], ...]] = {
    exp.GT: (exp.Max,), exp.GTE: (exp.Max,), exp.LT: (exp.Min,), exp.LTE: (exp.Min,), exp.EQ: (exp.Min, exp.Max),
}  # fmt: skip


def all_by_extremes(part: exp.Expr) -> exp.Expr:
    """Return `x > ALL (SELECT y ...)` as a CASE over the largest y, and ANY as what is not so for all.

    Of no rows it is true; else false where the extreme says so, and NULL where x or some y is.
    """
    query, value, operator = unwrapped(part.expression.this), part.this, type(part)
    if isinstance(part.expression, exp.Any):
        opposite = _OPPOSITE[operator](this=value.copy(), expression=exp.All(this=query.copy()))
        return exp.Not(this=exp.Paren(this=opposite))
    if operator is exp.NEQ:
        return exp.Not(this=exp.In(this=value.copy(), query=exp.Subquery(this=query.copy())))

    def asked(call: type[exp.AggFunc], of: exp.Expr) -> exp.Expr:
        return exp.Subquery(this=_aggregated(query, call, of))

    tests = [
        operator(this=exp.Paren(this=value.copy()), expression=asked(extreme, _column()))
        for extreme in _EXTREMES[operator]
    ]
    holds = exp.Paren(this=exp.and_(*tests))
    n_rows = asked(exp.Count, exp.Star())
    is_empty = exp.EQ(this=n_rows, expression=exp.Literal.number(0))
    is_known = exp.EQ(this=n_rows.copy(), expression=asked(exp.Count, _column()))
    branches = [
        exp.If(this=is_empty, true=exp.true()),
        exp.If(this=exp.Not(this=holds), true=exp.false()),
        exp.If(this=is_known, true=holds.copy()),
    ]
    return exp.Case(ifs=branches)


def is_plain(query: exp.Expr) -> bool:
    """Whether a query selects one expression of the rows of its FROM; it may read the query around it."""
    if not isinstance(query, exp.Select) or any(
        v for name, v in query.args.items() if name not in (*_KEPT, "expressions")
    ):
        return False
    return len(query.expressions) == 1 and not query.is_star and not query.expressions[0].find(exp.Window, exp.AggFunc)


def _aggregated(query: exp.Expr, call: type[exp.AggFunc], of: exp.Expr) -> exp.Select:
    """Return a SELECT of one aggregate over what a query selects."""
    if is_plain(query):
        selected = exp.Select(**{name: _copied(value) for name, value in query.args.items() if name in _KEPT and value})
        of = query.expressions[0].unalias().copy() if isinstance(of, exp.Column) else of
    else:
        alias = exp.TableAlias(this=exp.to_identifier(_SET), columns=[exp.to_identifier(_VALUE)])
        selected = exp.Select(from_=exp.From(this=exp.Subquery(this=query.copy(), alias=alias)))
    selected.set("expressions", [call(this=of)])
    return selected


def _counted(query: exp.Expr, condition: exp.Expr | None) -> exp.Select:
    names = [] if condition is None else [exp.to_identifier(_VALUE)]
    alias = exp.TableAlias(this=exp.to_identifier(_SET), columns=names)
    source = exp.Subquery(this=unwrapped(query).copy(), alias=alias)
    counted = exp.Select(expressions=[exp.Count(this=exp.Star())], from_=exp.From(this=source))
    if condition is not None:
        counted.set("where", exp.Where(this=condition))
    return counted


def _is_some(counted: exp.Select) -> exp.Expr:
    return exp.GT(this=exp.Subquery(this=counted), expression=exp.Literal.number(0))


def _column() -> exp.Column:
    return exp.column(_VALUE, table=_SET)


def _copied(value: object) -> object:
    if isinstance(value, list):
        return [each.copy() for each in value]
    assert isinstance(value, exp.Expr)
    return value.copy()
