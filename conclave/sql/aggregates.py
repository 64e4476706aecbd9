"""The aggregate calls of one SELECT: each stands in expressions as a column until the grouping is known."""

import decimal
from dataclasses import dataclass, field, replace
from fractions import Fraction

from sqlglot import exp

from conclave.ir.errors import Position, QueryProblem
from conclave.ir.expressions import Case, Column, Expression, Literal
from conclave.ir.nodes import QUANTILES, SPREADS, Aggregate, AggregateFunction, AggregateOutput, Input
from conclave.ir.types import Boolean, Field, Integer
from conclave.sql.bind_expression import ExpressionBinder
from conclave.sql.conditions import CONDITIONS, of_conditions
from conclave.sql.functions import cast
from conclave.sql.grouping_sets import GROUPING
from conclave.sql.literals import as_boolean, is_null_literal
from conclave.sql.picks import PICKS, picked
from conclave.sql.refuse import refuse_others, refused
from conclave.sql.windows import Windows

_QUANTILE_CALLS: dict[type[exp.Expr], AggregateFunction] = {
    exp.Median: "quantile_cont",
    exp.PercentileCont: "quantile_cont",
    exp.PercentileDisc: "quantile_disc",
    exp.Quantile: "quantile_disc",
}
_FUNCTIONS: dict[type[exp.Expr], AggregateFunction] = {
    **_QUANTILE_CALLS,
    exp.Variance: "var_samp",
    exp.VariancePop: "var_pop",
    exp.Stddev: "stddev_samp",
    exp.StddevSamp: "stddev_samp",
    exp.StddevPop: "stddev_pop",
    exp.Sum: "sum",
    exp.Count: "count",
    exp.Avg: "avg",
    exp.Min: "min",
    exp.Max: "max",
}


MOST_PARTS = 10**6


@dataclass(frozen=True)
class Call:
    """One aggregate: `over` is None for count(*)."""

    function: AggregateFunction
    over: Expression | None
    is_distinct: bool
    fraction: decimal.Decimal | None
    stand_in: Column = field(compare=False)  # a column that no table can have: its name is not an identifier


@dataclass
class Aggregates:
    """Collects the calls; the same call twice is one."""

    inside: ExpressionBinder  # binds the arguments, over the rows before grouping
    is_grouped: bool
    calls: list[Call] = field(default_factory=list)
    ranked: Windows = field(init=False)  # numbers of rows, of which some pick one
    groupings: dict[Column, tuple[Expression, ...]] = field(default_factory=dict)  # GROUPING(...), and what it asks of

    def __post_init__(self) -> None:
        self.ranked = Windows(self.inside.context.text)

    def stand_in(self, part: exp.Expr) -> Expression:
        """Return the column that stands for the call `part`."""
        text = self.inside.context.text
        at = text.at(part)
        if isinstance(part, GROUPING):
            return self._grouping(part, at)
        call = part.this if isinstance(part, exp.Filter) else part
        if isinstance(call, CONDITIONS):
            may_be_none = not self.is_grouped or part is not call or self.inside.bind(call.this).nullable
            return of_conditions(part, may_be_none, self.stand_in, text)
        condition = None
        if isinstance(part, exp.Filter):
            condition = as_boolean(self.inside.bind(part.expression.this))
            part = part.this
        if isinstance(part, PICKS):
            return self._column("max", picked(part, condition, self.inside.bind, self.ranked, text), at)
        fraction = None
        if isinstance(part, exp.WithinGroup):
            part = self._ordered_within(part)
        if type(part) in _QUANTILE_CALLS:
            fraction = self._fraction(part, at)
        function = _FUNCTIONS[type(part)]
        refuse_others(part, frozenset({"this", "big_int", "expression", "quantile"}), text)
        if part.this is None:
            raise QueryProblem(f"{function.upper()} of nothing", at, "write COUNT(*)")
        over, is_distinct = self._argument(part, function, at)
        if is_distinct and (fraction is not None or function in SPREADS):
            raise refused(f"DISTINCT in {function.upper()}", at, "aggregate a SELECT DISTINCT")
        if condition is not None:  # what is NULL is not aggregated
            counted = Literal(1, Integer(32), at) if over is None else over
            over = Case(((condition, counted),), Literal(None, counted.type, at), at)
        return self._column(function, over, at, is_distinct, fraction)

    def _column(
        self,
        function: AggregateFunction,
        over: Expression | None,
        at: Position | None,
        is_distinct: bool = False,
        fraction: decimal.Decimal | None = None,
    ) -> Column:
        """Return the column that stands for a call."""
        for known in self.calls:
            if (known.function, known.over, known.is_distinct, known.fraction) == (
                function,
                over,
                is_distinct,
                fraction,
            ):
                return replace(known.stand_in, at=at)
        self._check_distinct(function, over, is_distinct, at)
        made = _field_of(function, over, self.is_grouped, at)
        column = Column(f"\0{len(self.calls)}", made.type, made.nullable, at)
        self.calls.append(Call(function, over, is_distinct, fraction, column))
        return column

    def _grouping(self, part: exp.Expr, at: Position | None) -> Column:
        asked = tuple(self.inside.bind(each) for each in part.expressions)
        if not 0 < len(asked) < Integer(64).bits:
            raise refused(f"GROUPING of {len(asked)} columns", at, "name the columns of GROUP BY that are asked about")
        known = next((column for column, other in self.groupings.items() if other == asked), None)
        if known is None:
            known = Column(f"\0g{len(self.groupings)}", Integer(64), False, at)
            self.groupings[known] = asked
        return replace(known, at=at)

    def _check_distinct(
        self, function: AggregateFunction, over: Expression | None, is_distinct: bool, at: Position | None
    ) -> None:
        """Refuse what cannot be grouped twice at once: different values are counted side by side, but not added up."""
        once = [(call.function, call.over) for call in self.calls if call.is_distinct]
        once += [(function, over)] if is_distinct else []
        if all(each == "count" for each, _ in once):
            return
        fix = "take each in a subquery of its own, and join those"
        if any(other != once[0][1] for _, other in once):
            raise refused("SUM or AVG of DISTINCT values beside other DISTINCT values", at, fix)
        if function in QUANTILES or any(call.function in QUANTILES for call in self.calls):
            raise refused("SUM or AVG of DISTINCT values beside a quantile", at, fix)

    def _fraction(self, part: exp.Expr, at: Position | None) -> decimal.Decimal:
        """Return the part of the values that a quantile asks for."""
        if isinstance(part, exp.Median):
            return decimal.Decimal("0.5")
        said = part.args.get("quantile") or part.args.get("expression")
        said = said if said is not None else exp.Null()
        fraction = decimal.Decimal(said.name) if isinstance(said, exp.Literal) and not said.is_string else None
        if fraction is None or not 0 <= fraction <= 1 or Fraction(fraction).denominator > MOST_PARTS:
            what = f"a quantile at other than a constant from 0 to 1 of at most {len(str(MOST_PARTS)) - 1} decimals"
            raise refused(what, at, "write QUANTILE_CONT(x, 0.25)")
        return fraction.normalize()

    def _ordered_within(self, part: exp.WithinGroup) -> exp.Expr:
        """Return PERCENTILE_CONT(p) WITHIN GROUP (ORDER BY x) as QUANTILE_CONT(x, p)."""
        text, call, order = self.inside.context.text, part.this, part.expression
        keys = order.expressions if isinstance(order, exp.Order) else []
        if type(call) not in (exp.PercentileCont, exp.PercentileDisc) or len(keys) != 1 or keys[0].args.get("desc"):
            raise refused("WITHIN GROUP like this", text.at(part), "write QUANTILE_CONT(x, 0.25)")
        args = {"this": keys[0].this, "expression": call.this}
        return exp.PercentileCont(**args) if isinstance(call, exp.PercentileCont) else exp.PercentileDisc(**args)

    def _argument(self, part: exp.Expr, function: str, at: Position | None) -> tuple[Expression | None, bool]:
        """Return what is aggregated, None for rows, and whether equal values count once."""
        if isinstance(part.this, exp.Star) and function == "count":
            return None, False
        if isinstance(part.this, exp.Distinct):
            if len(part.this.expressions) != 1 or isinstance(part.this.expressions[0], exp.Tuple):
                raise refused("DISTINCT over several columns", at, "count the rows of a SELECT DISTINCT")
            # The smallest and the largest are the same without repeats.
            return self.inside.bind(part.this.expressions[0]), function not in ("min", "max")
        over = self.inside.bind(part.this)
        if function == "sum" and isinstance(over.type, Boolean):
            over = cast(over, Integer(32), at)
        is_row_count = function == "count" and isinstance(over, Literal) and not is_null_literal(over)
        return (None if is_row_count else over), False  # COUNT(1) counts rows


def _field_of(function: AggregateFunction, over: Expression | None, is_grouped: bool, at: Position | None) -> Field:
    fields = [Field("key", Boolean())]
    if over is not None:
        fields.append(Field("over", over.type, over.nullable))
    output = AggregateOutput("out", function, None if over is None else "over", at=at)
    return Aggregate(Input("rows", tuple(fields)), ("key",) if is_grouped else (), (output,), at).schema[-1]
