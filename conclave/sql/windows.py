"""The window functions of one SELECT: each stands in expressions as a column until the rows that it is over are known."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from sqlglot import exp

from conclave.ir.errors import Position, QueryProblem
from conclave.ir.expressions import Arithmetic, Case, Column, Expression, Literal
from conclave.ir.nodes import Input, Node, Output, Project
from conclave.ir.types import Boolean, Field, Integer
from conclave.ir.window import Frame, SortKey, Window, WindowFunction, WindowOutput
from conclave.sql.conditions import CONDITIONS, of_conditions
from conclave.sql.keys import columns_of
from conclave.sql.literals import as_boolean
from conclave.sql.parse import Text
from conclave.sql.refuse import refuse_others, refused
from conclave.sql.scope import Names

Bind = Callable[[exp.Expr], Expression]
MOST_ROWS_AWAY = 1 << 20

_NUMBERS: dict[type[exp.Expr], WindowFunction] = {
    exp.RowNumber: "row_number", exp.Rank: "rank", exp.DenseRank: "dense_rank",
}  # fmt: skip
_MOVES: dict[type[exp.Expr], WindowFunction] = {exp.Lag: "lag", exp.Lead: "lead"}
_TOTALS: dict[type[exp.Expr], WindowFunction] = {exp.Sum: "sum", exp.Count: "count", exp.Min: "min", exp.Max: "max"}
_KNOWN = "ROW_NUMBER, RANK, DENSE_RANK, LAG, LEAD, SUM, COUNT, AVG, MIN, MAX"


@dataclass(frozen=True)
class _Key:
    expression: Expression
    descending: bool
    nulls_first: bool


@dataclass(frozen=True)
class _Call:
    """One window function; its stand-in is a column that no table can have: its name is not an identifier."""

    partition: tuple[Expression, ...]
    order: tuple[_Key, ...]
    function: WindowFunction
    over: Expression | None
    frame: Frame
    offset: int
    stand_in: Column = field(compare=False)


@dataclass
class Windows:
    """Collects the calls; the same call twice is one."""

    text: Text
    named: dict[str, exp.Expr] = field(default_factory=dict)  # the WINDOW clause, by lower-case name
    calls: list[_Call] = field(default_factory=list)
    columns: dict[str, Column] = field(default_factory=dict)  # a stand-in's name to the column it stands for

    @classmethod
    def of(cls, select: exp.Select, text: Text) -> "Windows":
        """Return a collector that knows the windows that a SELECT names."""
        found = cls(text)
        for part in select.args.get("windows") or ():
            found.named[part.name.lower()] = part
        return found

    def stand_in(self, part: exp.Expr, bind: Bind) -> Expression:
        """Return what stands for the window function `part`, whose own parts `bind` binds."""
        at, call = self.text.at(part), part.this
        if isinstance(call.this if isinstance(call, exp.Filter) else call, CONDITIONS):
            may_be_none = isinstance(call, exp.Filter) or bind(call.this).nullable  # a row is in its own partition
            return of_conditions(part, may_be_none, lambda made: self.stand_in(made, bind), self.text)
        definition = self._definition(part, at)
        partition = tuple(dict.fromkeys(bind(each) for each in definition.args.get("partition_by") or ()))
        order = self._order(definition.args.get("order"), bind)
        condition = None
        if isinstance(call, exp.Filter):
            condition, call = as_boolean(bind(call.expression.this)), call.this
        known = _Call(partition, order, "count", None, "partition", 1, Column("", Boolean()))
        if type(call) in _NUMBERS:
            function = _NUMBERS[type(call)]
            if not order:
                raise refused(f"{function.upper()} without an order", at, "say OVER (... ORDER BY ...)")
            return self._column(replace(known, function=function), at)
        if type(call) in _MOVES:
            return self._moved(call, known, bind, at)
        frame = self._frame(definition.args.get("spec"), bool(order), at)
        if type(call) not in (*_TOTALS, exp.Avg):
            raise refused(f"{call.key.upper()} as a window function", at, f"there are {_KNOWN}")
        over = self._over(call, condition, bind, at)
        if isinstance(call, exp.Avg):
            sums = self._column(replace(known, function="sum", over=over, frame=frame), at)
            return Arithmetic("/", sums, self._column(replace(known, over=over, frame=frame), at), at)
        return self._column(replace(known, function=_TOTALS[type(call)], over=over, frame=frame), at)

    def beside(self, rows: Node, said: Callable[[Expression], Expression], names: Names, wish: dict[str, str]) -> Node:
        """Return `rows` with all window functions; `said` says over `rows` what was bound before they were grouped.

        `wish` is the name that each stand-in would best have.
        """
        if not self.calls:
            return rows
        inputs: dict[Expression, str] = {}
        for call in self.calls:
            read = (*call.partition, *(key.expression for key in call.order), call.over)
            for expression in (said(e) for e in read if e is not None):
                if isinstance(expression, Column):
                    inputs[expression] = expression.name
                elif expression not in inputs:
                    inputs[expression] = names.fresh("window_input")
        computed = [Output(name, e) for e, name in inputs.items() if not isinstance(e, Column)]
        if computed:
            rows = Project(rows, (*(Output(c.name, c) for c in columns_of(rows)), *computed))
        for partition, order in dict.fromkeys((call.partition, call.order) for call in self.calls):
            made = []
            for call in (c for c in self.calls if (c.partition, c.order) == (partition, order)):
                name = names.fresh(wish.get(call.stand_in.name, call.function))
                over = None if call.over is None else inputs[said(call.over)]
                made.append(WindowOutput(name, call.function, over, call.frame, call.offset, call.stand_in.at))
                self.columns[call.stand_in.name] = replace(call.stand_in, name=name)
            keys = {inputs[said(key.expression)]: key for key in reversed(order)}  # the first of two equal ones counts
            sort = tuple(SortKey(name, key.descending, key.nulls_first) for name, key in reversed(keys.items()))
            by = tuple(inputs[said(expression)] for expression in partition)
            rows = Window(rows, by, sort, tuple(made), made[0].at)
        return rows

    def _definition(self, part: exp.Expr, at: Position | None) -> exp.Expr:
        refuse_others(part, frozenset({"this", "partition_by", "order", "spec", "over", "alias"}), self.text)
        name = part.alias
        if not name:
            return part
        if name.lower() not in self.named:
            known = f"; there are {', '.join(sorted(self.named))}" if self.named else ""
            raise QueryProblem(f"no window {name} here{known}", at)
        if any(part.args.get(given) for given in ("partition_by", "order", "spec")):
            raise refused("a window that changes a named one", at, "write the whole window")
        return self._definition(self.named[name.lower()], at)

    def _order(self, order: exp.Order | None, bind: Bind) -> tuple[_Key, ...]:
        if order is None:
            return ()
        refuse_others(order, frozenset({"expressions"}), self.text)
        keys = []
        for item in order.expressions:
            refuse_others(item, frozenset({"this", "desc", "nulls_first"}), self.text)
            expression = bind(item.this)
            if not isinstance(expression, Literal):  # which puts no row before another
                keys.append(_Key(expression, bool(item.args.get("desc")), bool(item.args.get("nulls_first"))))
        return tuple(keys)

    def _frame(self, spec: exp.WindowSpec | None, is_ordered: bool, at: Position | None) -> Frame:
        if spec is None:
            return "range" if is_ordered else "partition"
        refuse_others(spec, frozenset({"kind", "start", "start_side", "end", "end_side"}), self.text)
        start = f"{spec.args.get('start')} {spec.args.get('start_side') or ''}".strip()
        end = f"{spec.args.get('end') or 'CURRENT ROW'} {spec.args.get('end_side') or ''}".strip()
        match start, end, spec.args.get("kind"):
            case "UNBOUNDED PRECEDING", "UNBOUNDED FOLLOWING", _:
                return "partition"
            case "UNBOUNDED PRECEDING", "CURRENT ROW", "ROWS" if is_ordered:
                return "rows"
            case "UNBOUNDED PRECEDING", "CURRENT ROW", "RANGE" | "GROUPS":
                return "range" if is_ordered else "partition"
        fix = "say ORDER BY ... ROWS UNBOUNDED PRECEDING, or leave it out"
        raise refused("a window frame other than from the partition's first row", at, fix)

    def _moved(self, call: exp.Expr, known: _Call, bind: Bind, at: Position | None) -> Expression:
        function = _MOVES[type(call)]
        if call.args.get("default") is not None:
            raise refused(
                f"{function.upper()} with a default",
                at,
                f"where no value is NULL, use COALESCE({function.upper()}(...), ...)",
            )
        refuse_others(call, frozenset({"this", "offset"}), self.text)
        if not known.order:
            raise refused(f"{function.upper()} without an order", at, "say OVER (... ORDER BY ...)")
        offset = bind(call.args["offset"]) if call.args.get("offset") is not None else Literal(1, Integer(32))
        match offset:
            case Literal(int(rows)) if 0 <= rows <= MOST_ROWS_AWAY and not isinstance(offset.type, Boolean):
                return self._column(replace(known, function=function, over=bind(call.this), offset=rows), at)
        raise refused(
            f"{function.upper()} by other than a constant number of rows", at, f"write {function.upper()}(x, 1)"
        )

    def _over(self, call: exp.Expr, condition: Expression | None, bind: Bind, at: Position | None) -> Expression | None:
        refuse_others(call, frozenset({"this", "big_int"}), self.text)
        if isinstance(call.this, exp.Distinct):
            raise refused("DISTINCT in a window function", at, "group in a subquery, and join with it")
        is_of_rows = isinstance(call.this, exp.Star)
        if condition is None:
            return None if is_of_rows else bind(call.this)
        counted = Literal(1, Integer(32), at) if is_of_rows else bind(call.this)
        return Case(((condition, counted),), Literal(None, counted.type, at), at)  # NULL is not aggregated

    def _column(self, call: _Call, at: Position | None) -> Column:
        for known in self.calls:
            if known == call:
                return replace(known.stand_in, at=at)
        made = self._field_of(call, at)
        stand_in = Column(f"\0w{len(self.calls)}", made.type, made.nullable, at)
        self.calls.append(replace(call, stand_in=stand_in))
        return stand_in

    @staticmethod
    def _field_of(call: _Call, at: Position | None) -> Field:
        fields = () if call.over is None else (Field("over", call.over.type, call.over.nullable),)
        output = WindowOutput("out", call.function, "over" if fields else None, call.frame, call.offset, at)
        return Window(Input("rows", fields), (), (), (output,)).schema[-1]
