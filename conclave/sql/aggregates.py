"""The aggregate calls of one SELECT: each stands in expressions as a column until the grouping is known."""

from dataclasses import dataclass, field, replace

from sqlglot import exp

from conclave.ir.errors import Position, QueryProblem
from conclave.ir.expressions import Case, Column, Expression, Literal
from conclave.ir.nodes import Aggregate, AggregateFunction, AggregateOutput, Input
from conclave.ir.types import Boolean, Field, Integer
from conclave.sql.bind_expression import ExpressionBinder
from conclave.sql.literals import as_boolean, is_null_literal
from conclave.sql.refuse import refuse_others, refused

_FUNCTIONS: dict[type[exp.Expr], AggregateFunction] = {
    exp.Sum: "sum",
    exp.Count: "count",
    exp.Avg: "avg",
    exp.Min: "min",
    exp.Max: "max",
}


@dataclass(frozen=True)
class Call:
    """One aggregate: `over` is None for count(*)."""

    function: AggregateFunction
    over: Expression | None
    is_distinct: bool
    stand_in: Column = field(compare=False)  # a column that no table can have: its name is not an identifier


@dataclass
class Aggregates:
    """Collects the calls; the same call twice is one."""

    inside: ExpressionBinder  # binds the arguments, over the rows before grouping
    is_grouped: bool
    calls: list[Call] = field(default_factory=list)

    def stand_in(self, part: exp.Expr) -> Expression:
        """Return the column that stands for the call `part`."""
        text = self.inside.context.text
        at = text.at(part)
        condition = None
        if isinstance(part, exp.Filter):
            condition = as_boolean(self.inside.bind(part.expression.this))
            part = part.this
        function = _FUNCTIONS[type(part)]
        refuse_others(part, frozenset({"this", "big_int"}), text)
        if part.this is None:
            raise QueryProblem(f"{function.upper()} of nothing", at, "write COUNT(*)")
        over, is_distinct = self._argument(part, function, at)
        if condition is not None:  # what is NULL is not aggregated
            counted = Literal(1, Integer(32), at) if over is None else over
            over = Case(((condition, counted),), Literal(None, counted.type, at), at)
        for known in self.calls:
            if (known.function, known.over, known.is_distinct) == (function, over, is_distinct):
                return replace(known.stand_in, at=at)
        if is_distinct and any(call.is_distinct and call.over != over for call in self.calls):
            fix = "count each in a subquery of its own, and join those"
            raise refused("DISTINCT over different expressions in one SELECT", at, fix)
        made = _field_of(function, over, self.is_grouped, at)
        column = Column(f"\0{len(self.calls)}", made.type, made.nullable, at)
        self.calls.append(Call(function, over, is_distinct, column))
        return column

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
        is_row_count = function == "count" and isinstance(over, Literal) and not is_null_literal(over)
        return (None if is_row_count else over), False  # COUNT(1) counts rows


def _field_of(function: AggregateFunction, over: Expression | None, is_grouped: bool, at: Position | None) -> Field:
    fields = [Field("key", Boolean())]
    if over is not None:
        fields.append(Field("over", over.type, over.nullable))
    output = AggregateOutput("out", function, None if over is None else "over", at=at)
    return Aggregate(Input("rows", tuple(fields)), ("key",) if is_grouped else (), (output,), at).schema[-1]
