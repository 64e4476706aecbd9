"""EXISTS and IN inside an expression, said by counts: how many rows there are is a scalar subquery like others.

As a condition of WHERE by itself they are joins, see `bind_where`; here they stand beside OR, in CASE, or in HAVING.
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
