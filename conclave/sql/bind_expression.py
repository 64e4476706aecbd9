"""Scalar expressions. Which aggregates and subqueries they need they note down for the SELECT around them."""

import decimal
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from sqlglot import exp

from conclave.ir.errors import Position, QueryProblem
from conclave.ir.expressions import (
    Arithmetic,
    ArithmeticOperator,
    Case,
    Column,
    Compare,
    ComparisonOperator,
    Expression,
    IsNull,
    Literal,
    Logic,
    LogicOperator,
    Negate,
    Not,
)
from conclave.ir.nodes import CrossOne, Node, Output, Project
from conclave.ir.types import Boolean, Date, Field
from conclave.ir.walk import is_one_row
from conclave.sql.bits import BIT_OPERATIONS, bind_bits
from conclave.sql.conditions import CONDITIONS
from conclave.sql.dates import shifted
from conclave.sql.functions import bind_function, same_or_both_null
from conclave.sql.grouping_sets import GROUPING
from conclave.sql.keys import Pair, columns_of, join_on
from conclave.sql.literals import alike, as_boolean, as_type_of, bind_literal, null
from conclave.sql.parse import Text, unwrapped
from conclave.sql.questions import all_by_extremes, exists_as_count, in_as_counts, is_plain
from conclave.sql.refuse import refuse_others, refused, unsupported
from conclave.sql.row_values import compare_rows, values_in
from conclave.sql.scope import Names, Scope

AGGREGATES = (
    *(exp.Sum, exp.Count, exp.Avg, exp.Min, exp.Max),
    *(exp.Variance, exp.VariancePop, exp.Stddev, exp.StddevSamp, exp.StddevPop),
    *(exp.Median, exp.PercentileCont, exp.PercentileDisc, exp.Quantile, exp.WithinGroup),
    *(exp.ArgMax, exp.ArgMin, exp.Mode, exp.First),
    *CONDITIONS,
    *GROUPING,
)

_ARITHMETIC: dict[type[exp.Expr], ArithmeticOperator] = {
    exp.Add: "+",
    exp.Sub: "-",
    exp.Mul: "*",
    exp.Div: "/",
    exp.IntDiv: "//",
    exp.Mod: "%",
}
_COMPARISON: dict[type[exp.Expr], ComparisonOperator] = {
    exp.EQ: "=",
    exp.NEQ: "<>",
    exp.LT: "<",
    exp.LTE: "<=",
    exp.GT: ">",
    exp.GTE: ">=",
}
_NULL_SAFE: dict[type[exp.Expr], ComparisonOperator] = {exp.NullSafeEQ: "=", exp.NullSafeNEQ: "<>"}
_LOGIC: dict[type[exp.Expr], LogicOperator] = {exp.And: "and", exp.Or: "or"}
MANY_ROWS_FIX = "take an aggregate without GROUP BY, like MAX(...), or the first row: ORDER BY ... LIMIT 1"
# SQLs differ in whether `a = b IS NULL` asks about `b` or about `a = b`.
_NEEDS_PARENTHESES: tuple[type[exp.Expr], ...] = (exp.Is, exp.In, exp.Between, exp.Not, *_COMPARISON)


@dataclass(frozen=True)
class Context:
    """What every part of a query is bound with."""

    text: Text
    tables: dict[str, Node]  # by lower-case name
    bind_query: Callable[[exp.Expr, "Context"], Node]  # a subquery's tree to its rows
    bind_tied: Callable[[exp.Expr, Scope, "Context"], "Tied | exp.Expr | None"]  # one that reads the query around it
    outer: tuple[Scope, ...] = ()  # of the queries around this one; none of their columns can be read


@dataclass(frozen=True)
class Tied:
    """A scalar subquery that reads the query around it, with one row for each value of what it reads."""

    node: Node  # the first column is the value
    ties: tuple[tuple[Expression, str], ...] = ()  # what is read, and the column it is equal to; none: there is one row
    is_count: bool = False  # then no row means 0


@dataclass
class ScalarSubqueries:
    """The relations that stand beside the rows at hand, each giving one column and at most one row for each row."""

    names: Names
    known: list[tuple[str, Tied]] = field(default_factory=list)  # of the whole SELECT
    found: list[tuple[str, Tied]] = field(default_factory=list)  # of the rows at hand

    def column_for(self, tied: Tied, at: Position | None) -> Expression:
        """Return the column that holds the subquery's value; the same subquery has the same column."""
        value = tied.node.schema[0]
        name = next((name for name, other in self.known if other == tied), None)
        if name is None:
            name = self.names.fresh(value.name)
            self.known.append((name, tied))
        if (name, tied) not in self.found:
            self.found.append((name, tied))
        column = Column(name, value.type, value.nullable or bool(tied.ties), at)
        if tied.ties and tied.is_count:
            return Case(((IsNull(column, at), Literal(0, value.type, at)),), replace(column, nullable=False), at)
        return column

    def for_other_rows(self) -> "ScalarSubqueries":
        """Return a collector for other rows of the same SELECT, where the same subquery has the same name."""
        return ScalarSubqueries(self.names, self.known)

    def beside(self, rows: Node, said: Callable[[Expression], Expression] = lambda outer: outer) -> Node:
        """Return `rows`, each with the subqueries' values; `said` says of `rows` what was bound before grouping."""
        for name, tied in self.found:
            node = tied.node
            value = Output(name, columns_of(node)[0])
            if not tied.ties:
                rows = CrossOne(rows, node if name == node.schema[0].name else Project(node, (value,)))
                continue
            types = {column.name: column for column in columns_of(node)}
            keys = [Output(self.names.fresh(key), types[key]) for _, key in tied.ties]
            pairs: list[Pair] = [
                (said(outer), replace(types[key], name=output.name))
                for (outer, key), output in zip(tied.ties, keys, strict=True)
            ]
            rows = join_on(rows, Project(node, (value, *keys)), pairs, None, "left")
        return rows


@dataclass(frozen=True)
class ExpressionBinder:
    """Binds the expressions of one clause.

    `aggregate` gives the column that stands for an aggregate call, `window` for a window function; None where there can
    be none.
    """

    context: Context
    scope: Scope
    clause: str  # for messages: "WHERE"
    aggregate: Callable[[exp.Expr], Expression] | None = None
    subqueries: ScalarSubqueries | None = None
    window: Callable[[exp.Window, Callable[[exp.Expr], Expression]], Expression] | None = None

    def condition(self, part: exp.Expr) -> Expression:
        """Return an expression where a condition is wanted."""
        return as_boolean(self.bind(part))

    def bind(self, part: exp.Expr) -> Expression:
        """Return what `part` means.

        Raises:  QueryProblem, and its kinds.
        """
        try:
            return self._bind(part)
        except QueryProblem as problem:
            if problem.at is None:
                problem.at = self.context.text.at(part)
            raise

    def _bind(self, part: exp.Expr) -> Expression:
        text, at, kind = self.context.text, self.context.text.at(part), type(part)
        match part:
            case exp.Paren():
                return self.bind(part.this)
            case exp.Exists() if self.subqueries is not None:
                return self.bind(exists_as_count(part))
            case exp.Column():
                return self._column(part, at)
            case exp.Literal():
                return bind_literal(part, at)
            case exp.Boolean():
                return Literal(bool(part.this), Boolean(), at)
            case exp.Null():
                return null(at)
            case exp.Neg():
                return _negated(self.bind(part.this), at)
            case exp.Not():
                return Not(self.condition(part.this), at)
            case exp.Is():
                return self._is(part, at)
            case exp.Between():
                return self._between(part, at)
            case exp.In():
                return self._in(part, at)
            case exp.Subquery():
                return self._subquery(part, at)
        if kind in _ARITHMETIC:
            return self._arithmetic(part, at)
        if isinstance(part, BIT_OPERATIONS):
            return bind_bits(part, self.bind, at)
        if kind in _COMPARISON or kind in _NULL_SAFE:
            return self._comparison(part, at)
        if kind in _LOGIC:
            return Logic(_LOGIC[kind], self.condition(part.this), self.condition(part.expression), at)
        if isinstance(part, (*AGGREGATES, exp.Filter)):
            if self.aggregate is None:
                raise QueryProblem(f"an aggregate cannot stand in {self.clause}", at, _AGGREGATE_FIX.get(self.clause))
            return self.aggregate(part)
        if isinstance(part, exp.Window):
            return self._window(part, at)
        return bind_function(part, self.bind, text)

    def _window(self, part: exp.Window, at: Position | None) -> Expression:
        if self.window is None:
            fix = "compute it in a subquery, or use QUALIFY"
            raise QueryProblem(f"a window function cannot stand in {self.clause}", at, fix)
        return self.window(part, replace(self, window=None, clause="a window function").bind)

    def _comparison(self, part: exp.Expr, at: Position | None) -> Expression:
        if isinstance(part.expression, exp.Any | exp.All):
            return self._of_all(part, at)
        left_row, right_row = (values_in(side) for side in (part.this, part.expression))
        if left_row is not None and right_row is not None:
            operator = {**_COMPARISON, **_NULL_SAFE}[type(part)]
            return compare_rows(operator, list(map(self.bind, left_row)), list(map(self.bind, right_row)), at)
        if any(isinstance(side, _NEEDS_PARENTHESES) for side in (part.this, part.expression)):
            raise refused("a comparison of conditions", at, "put the inner condition in parentheses")
        left, right = alike(self.bind(part.this), self.bind(part.expression))
        if isinstance(part, exp.NullSafeEQ):
            return same_or_both_null(left, right, at)
        if isinstance(part, exp.NullSafeNEQ):
            return Not(same_or_both_null(left, right, at), at)
        return Compare(_COMPARISON[type(part)], left, right, at)

    def _of_all(self, part: exp.Expr, at: Position | None) -> Expression:
        query = unwrapped(part.expression.this)
        if not isinstance(query, exp.Query) or type(part) not in _COMPARISON:
            raise unsupported(part.expression, self.context.text)
        if not is_plain(query):
            self._one_column(query, at)
        return self.bind(all_by_extremes(part))

    def _column(self, part: exp.Column, at: Position | None) -> Expression:
        if isinstance(part.this, exp.Star):
            raise unsupported(part.this, self.context.text)
        refuse_others(part, frozenset({"this", "table"}), self.context.text)
        alias = part.table or None
        if not self.scope.has(alias, part.name) and any(o.has(alias, part.name) for o in self.context.outer):
            raise refused(f"a subquery that reads {part.sql()} of the query around it", at, "join instead")
        try:
            return self.scope.resolve(alias, part.name, at)
        except QueryProblem as problem:
            if alias is not None or problem.fix is not None:
                raise
            # Without quotes, or in double ones, a word is a name.
            raise QueryProblem(problem.what, at, f"write '{part.name}' if it is a text") from None

    def _is(self, part: exp.Is, at: Position | None) -> Expression:
        match part.expression:
            case exp.Null():
                return IsNull(self.bind(part.this), at)
            case exp.Boolean(this=wanted):
                operand = self.condition(part.this)
                true, false = Literal(True, Boolean(), at), Literal(False, Boolean(), at)
                return Case(((operand if wanted else Not(operand, at), true),), false, at)
        raise refused("IS with anything but NULL, TRUE or FALSE", at, "write IS NOT DISTINCT FROM")

    def _between(self, part: exp.Between, at: Position | None) -> Expression:
        refuse_others(part, frozenset({"this", "low", "high"}), self.context.text)
        value, low, high = (self.bind(part.args[name]) for name in ("this", "low", "high"))
        above = Compare(">=", *alike(value, low), at)
        return Logic("and", above, Compare("<=", *alike(value, high), at), at)

    def _in(self, part: exp.In, at: Position | None) -> Expression:
        if part.args.get("query") is not None:
            return self._in_subquery(part, at)
        refuse_others(part, frozenset({"this", "expressions"}), self.context.text)
        row = values_in(part.this)
        if row is None:
            value = self.bind(part.this)
            tests: list[Expression] = [Compare("=", *alike(value, self.bind(o)), at) for o in part.expressions]
        else:
            rows = [values_in(each) or [each] for each in part.expressions]
            tests = [compare_rows("=", list(map(self.bind, row)), list(map(self.bind, each)), at) for each in rows]
        result = tests[0]
        for test in tests[1:]:
            result = Logic("or", result, test, at)
        return result

    def _in_subquery(self, part: exp.In, at: Position | None) -> Expression:
        if self.subqueries is None or isinstance(part.this, exp.Tuple):
            raise refused(f"IN (SELECT ...) {_WITHIN}", at, _BY_ITSELF)
        found = self._one_column(unwrapped(part.args["query"]), at)
        is_value_nullable = self.bind(part.this).nullable
        return self.bind(in_as_counts(part, is_value_nullable, found.nullable))

    def _one_column(self, query: exp.Expr, at: Position | None) -> Field:
        """Return the only column of a subquery's rows."""
        inside = replace(self.context, outer=(*self.context.outer, self.scope))
        schema = self.context.bind_query(query, inside).schema
        if len(schema) != 1:
            raise QueryProblem(f"1 values are looked up among {len(schema)} columns", at)
        return schema[0]

    def _arithmetic(self, part: exp.Expr, at: Position | None) -> Expression:
        operator = _ARITHMETIC[type(part)]
        for interval, other in ((part.expression, part.this), (part.this, part.expression)):
            if isinstance(interval, exp.Interval) and (operator == "+" or (operator == "-" and other is part.this)):
                return shifted(self.bind(other), interval, -1 if operator == "-" else 1, self.context.text, at)
        left, right = self.bind(part.this), self.bind(part.expression)
        if operator == "+" and isinstance(right.type, Date):
            left, right = right, left
        if not isinstance(left.type, Date):
            left = as_type_of(left, right.type)
            right = as_type_of(right, left.type)
        return Arithmetic(operator, left, right, at)

    def _subquery(self, part: exp.Subquery, at: Position | None) -> Expression:
        if self.subqueries is None:
            raise refused(f"a subquery in {self.clause}", at, "join with it beforehand, in a subquery")
        tied = self.context.bind_tied(part, self.scope, self.context)
        if isinstance(tied, exp.Expr):
            return self.bind(tied)
        if tied is not None:
            return self.subqueries.column_for(tied, at)
        inside = replace(self.context, outer=(*self.context.outer, self.scope))
        node = self.context.bind_query(part, inside)
        if len(node.schema) != 1:
            raise QueryProblem(f"a subquery in an expression gives one column, this one {len(node.schema)}", at)
        if not is_one_row(node):
            raise refused("a subquery that may have no row or several", at, MANY_ROWS_FIX)
        return self.subqueries.column_for(Tied(node), at)


_WITHIN = "inside an expression"
_BY_ITSELF = "make it a condition of WHERE by itself, joined to the others by AND"
_AGGREGATE_FIX = {
    "WHERE": "use HAVING", "an aggregate": "aggregate in a subquery first", "GROUP BY": "aggregate in a subquery first",
}  # fmt: skip


def _negated(operand: Expression, at: Position | None) -> Expression:
    match operand:
        case Literal(value=bool() | str() | None):
            return Negate(operand, at)
        case Literal(value=int() | float() | decimal.Decimal() as number):
            return Literal(-number, operand.type, at)
    return Negate(operand, at)
