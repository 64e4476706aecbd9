"""The aggregate calls of one SELECT: each stands in expressions as a column until the grouping is known."""

from dataclasses import dataclass, field, replace

from sqlglot import exp

from conclave.ir.errors import Position, QueryProblem
from conclave.ir.expressions import Column, Expression, Literal
from conclave.ir.nodes import Aggregate, AggregateFunction, AggregateOutput, Input
from conclave.ir.types import Boolean, Field
from conclave.sql.bind_expression import ExpressionBinder
from conclave.sql.literals import is_null_literal
from conclave.sql.refuse import refuse_others, unsupported

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
        function = _FUNCTIONS[type(part)]
        if isinstance(part.this, exp.Distinct):
            raise unsupported(part.this, text)
        refuse_others(part, frozenset({"this", "big_int"}), text)
        over = None
        if part.this is None:
            raise QueryProblem(f"{function.upper()} of nothing", at, "write COUNT(*)")
        if not (isinstance(part.this, exp.Star) and function == "count"):
            over = self.inside.bind(part.this)
            if function == "count" and isinstance(over, Literal) and not is_null_literal(over):
                over = None  # COUNT(1) counts rows
        for known in self.calls:
            if (known.function, known.over) == (function, over):
                return replace(known.stand_in, at=at)
        made = _field_of(function, over, self.is_grouped, at)
        column = Column(f"\0{len(self.calls)}", made.type, made.nullable, at)
        self.calls.append(Call(function, over, column))
        return column


def _field_of(function: AggregateFunction, over: Expression | None, is_grouped: bool, at: Position | None) -> Field:
    fields = [Field("key", Boolean())]
    if over is not None:
        fields.append(Field("over", over.type, over.nullable))
    output = AggregateOutput("out", function, None if over is None else "over", at=at)
    return Aggregate(Input("rows", tuple(fields)), ("key",) if is_grouped else (), (output,), at).schema[-1]
