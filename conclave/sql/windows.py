"""The window functions of one SELECT: each stands in expressions as a column until the rows that it is over are known."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from sqlglot import exp

from conclave.ir.errors import Position, QueryProblem
from conclave.ir.expressions import Arithmetic, Case, Column, Expression, Literal, names_in
from conclave.ir.nodes import Input, Node, Output, Project
from conclave.ir.types import Boolean, Field, Integer
from conclave.ir.walk import substitute
from conclave.ir.window import Frame, SortKey, Window, WindowFunction, WindowOutput
from conclave.sql.conditions import CONDITIONS, of_conditions
from conclave.sql.frames import asked_frame
from conclave.sql.functions import cast
from conclave.sql.keys import columns_of
from conclave.sql.literals import as_boolean
from conclave.sql.parse import Text
from conclave.sql.refuse import refuse_others, refused
from conclave.sql.scope import Names
from conclave.sql.window_forms import SHARES, VALUES, moved, moving, share, value_at

Bind = Callable[[exp.Expr], Expression]
MOST_ROWS_AWAY = 1 << 20
_STAND_IN = "\0w"  # of a column that no table has

_NUMBERS: dict[type[exp.Expr], WindowFunction] = {
    exp.RowNumber: "row_number", exp.Rank: "rank", exp.DenseRank: "dense_rank",
}  # fmt: skip
_MOVES: dict[type[exp.Expr], WindowFunction] = {exp.Lag: "lag", exp.Lead: "lead"}
_ORDERED: tuple[type[exp.Expr], ...] = (*_NUMBERS, *_MOVES, *SHARES, *VALUES)
_TOTALS: dict[type[exp.Expr], WindowFunction] = {exp.Sum: "sum", exp.Count: "count", exp.Min: "min", exp.Max: "max"}
_KNOWN = (
    "ROW_NUMBER, RANK, DENSE_RANK, PERCENT_RANK, CUME_DIST, NTILE, LAG, LEAD, FIRST_VALUE, LAST_VALUE, NTH_VALUE, SUM, "
    "COUNT, AVG, MIN, MAX"
)


@dataclass(frozen=True)
class _Key:
    expression: Expression
    descending: bool
    nulls_first: bool

    def reversed(self) -> "_Key":
        """Return the key of the opposite order."""
        return _Key(self.expression, not self.descending, not self.nulls_first)


@dataclass(frozen=True)
class _Call:
    """One window function; its stand-in is a column that no table can have: its name is not an identifier."""

    partition: tuple[Expression, ...]
    order: tuple[_Key, ...]
    function: WindowFunction
    over: Expression | None = None
    frame: Frame = "partition"
    offset: int = 1
    stand_in: Column = field(default=Column("", Boolean()), compare=False)  # until it is collected


def _name(call: exp.Expr) -> str:
    return call.sql_name() if isinstance(call, exp.Func) else call.key.upper()


def _stand_ins_in(call: _Call) -> frozenset[str]:
    """Return the other window functions that one reads."""
    read = (*(key.expression for key in call.order), *(() if call.over is None else (call.over,)))
    return frozenset(name for expression in read for name in names_in(expression) if name.startswith(_STAND_IN))


@dataclass(frozen=True)
class _Asking:
    """Gives the columns of window functions over one partition and order, see `window_forms.Ask`."""

    windows: "Windows"
    known: _Call
    at: Position | None

    def __call__(
        self,
        function: WindowFunction,
        over: Expression | None = None,
        frame: Frame = "partition",
        offset: int = 1,
        is_ordered: bool = True,
    ) -> Expression:
        order = self.known.order if is_ordered else ()
        call = replace(self.known, function=function, over=over, frame=frame, offset=offset, order=order)
        return self.windows.column_for(call, self.at)


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
        ask = _Asking(self, _Call(partition, order, "count"), at)
        if isinstance(call, _ORDERED) and not order:
            raise refused(f"{_name(call)} without an order", at, "say OVER (... ORDER BY ...)")
        if type(call) in _NUMBERS:
            return ask(_NUMBERS[type(call)])
        if type(call) in _MOVES:
            return self._moved(call, ask, bind, at)
        if isinstance(call, SHARES):
            return share(call, ask, bind, at)
        asked = asked_frame(definition.args.get("spec"), bool(order), self.text, at)
        if isinstance(call, VALUES):
            return value_at(call, asked, ask, bind, at)
        if type(call) not in (*_TOTALS, exp.Avg):
            raise refused(f"{_name(call)} as a window function", at, f"there are {_KNOWN}")
        over = self._over(call, condition, bind, at)
        if asked.moving is not None:
            return moving(call, over, asked.moving, ask, at)
        if asked.is_backwards:
            backwards = tuple(key.reversed() for key in order)
            ask = replace(ask, known=replace(ask.known, order=backwards))
        if isinstance(call, exp.Avg):
            return Arithmetic("/", ask("sum", over, asked.frame), ask("count", over, asked.frame), at)
        return ask(_TOTALS[type(call)], over, asked.frame)

    def beside(self, rows: Node, said: Callable[[Expression], Expression], names: Names, wish: dict[str, str]) -> Node:
        """Return `rows` with all window functions; `said` says over `rows` what was bound before they were grouped.

        `wish` is the name that each stand-in would best have.
        """
        waiting = list(self.calls)
        while waiting:
            ready = [call for call in waiting if _stand_ins_in(call) <= self.columns.keys()]
            waiting = [call for call in waiting if call not in ready]
            rows = self._windows(rows, ready, said, names, wish)
        return rows

    def count_of(self, value: Expression, at: Position | None) -> Column:
        """Return in how many rows that are like this one in `value` it is not NULL."""
        return self.column_for(_Call((value,), (), "count", value), at)

    def number_by(self, key: Expression, is_descending: bool, at: Position | None) -> Column:
        """Return the row's number in the order of `key`, NULL last."""
        order = (_Key(key, is_descending, False),)
        return self.column_for(_Call((), order, "row_number"), at)

    def number_in(self, order: exp.Order, first: Expression | None, bind: Bind, at: Position | None) -> Column:
        """Return the row's number in an order, after those that meet the condition `first`."""
        keys = () if first is None else (_Key(first, True, False),)
        order_keys = (*keys, *self._order(order, bind))
        return self.column_for(_Call((), order_keys, "row_number"), at)

    def within(self, groups: tuple[Expression, ...]) -> "Windows":
        """Return the same functions, each in every group by itself."""
        calls = [replace(c, partition=tuple(dict.fromkeys((*groups, *c.partition)))) for c in self.calls]
        return Windows(self.text, self.named, calls)

    def _windows(
        self,
        rows: Node,
        calls: list[_Call],
        said: Callable[[Expression], Expression],
        names: Names,
        wish: dict[str, str],
    ) -> Node:
        inputs: dict[Expression, str] = {}
        known = dict(self.columns)

        def read(expression: Expression) -> Expression:
            return substitute(said(expression), known)

        for call in calls:
            parts = (*call.partition, *(key.expression for key in call.order), call.over)
            for expression in (read(e) for e in parts if e is not None):
                if isinstance(expression, Column):
                    inputs[expression] = expression.name
                elif expression not in inputs:
                    inputs[expression] = names.fresh("window_input")
        computed = [Output(name, e) for e, name in inputs.items() if not isinstance(e, Column)]
        if computed:
            rows = Project(rows, (*(Output(c.name, c) for c in columns_of(rows)), *computed))
        for partition, order in dict.fromkeys((call.partition, call.order) for call in calls):
            made = []
            for call in (c for c in calls if (c.partition, c.order) == (partition, order)):
                name = names.fresh(wish.get(call.stand_in.name, call.function))
                over = None if call.over is None else inputs[read(call.over)]
                made.append(WindowOutput(name, call.function, over, call.frame, call.offset, call.stand_in.at))
                self.columns[call.stand_in.name] = replace(call.stand_in, name=name)
            keys = {inputs[read(key.expression)]: key for key in reversed(order)}  # the first of two equal ones counts
            sort = tuple(SortKey(name, key.descending, key.nulls_first) for name, key in reversed(keys.items()))
            by = tuple(inputs[read(expression)] for expression in partition)
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

    def _moved(self, call: exp.Expr, ask: "_Asking", bind: Bind, at: Position | None) -> Expression:
        function, default = _MOVES[type(call)], call.args.get("default")
        refuse_others(call, frozenset({"this", "offset", "default"}), self.text)
        offset = bind(call.args["offset"]) if call.args.get("offset") is not None else Literal(1, Integer(32))
        match offset:
            case Literal(int(rows)) if 0 <= rows <= MOST_ROWS_AWAY and not isinstance(offset.type, Boolean):
                value = bind(call.this)
                if default is None:
                    return ask(function, value, offset=rows)
                return moved(call, value, rows, bind(default), ask, at)
        raise refused(
            f"{function.upper()} by other than a constant number of rows", at, f"write {function.upper()}(x, 1)"
        )

    def _over(self, call: exp.Expr, condition: Expression | None, bind: Bind, at: Position | None) -> Expression | None:
        refuse_others(call, frozenset({"this", "big_int"}), self.text)
        if isinstance(call.this, exp.Distinct):
            raise refused("DISTINCT in a window function", at, "group in a subquery, and join with it")
        is_of_rows = isinstance(call.this, exp.Star)
        if condition is None and is_of_rows:
            return None
        counted = Literal(1, Integer(32), at) if is_of_rows else bind(call.this)
        if isinstance(call, exp.Sum) and isinstance(counted.type, Boolean):
            counted = cast(counted, Integer(32), at)
        if condition is None:
            return counted
        return Case(((condition, counted),), Literal(None, counted.type, at), at)  # NULL is not aggregated

    def column_for(self, call: _Call, at: Position | None) -> Column:
        """Return the column that stands for a window function; the same one has the same column."""
        for known in self.calls:
            if known == call:
                return replace(known.stand_in, at=at)
        made = self._field_of(call, at)
        stand_in = Column(f"{_STAND_IN}{len(self.calls)}", made.type, made.nullable, at)
        self.calls.append(replace(call, stand_in=stand_in))
        return stand_in

    @staticmethod
    def _field_of(call: _Call, at: Position | None) -> Field:
        fields = () if call.over is None else (Field("over", call.over.type, call.over.nullable),)
        output = WindowOutput("out", call.function, "over" if fields else None, call.frame, call.offset, at)
        return Window(Input("rows", fields), (), (), (output,)).schema[-1]
