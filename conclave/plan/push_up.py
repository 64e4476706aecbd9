"""What is left to the recipients: steps that can wait until the answer is open, and need no more than the answer.

- Order: rows have none under MPC but for a LIMIT; each recipient sorts for itself.
- Rounded doubles: under MPC they are the nearest fixed-point numbers to so many tenths or hundredths; each recipient
  writes those.

Reveals:  nothing: it is computed of what the recipients have been shown, by themselves.
"""

from conclave.ir.expressions import Call, Column, Literal, decimals_of
from conclave.ir.nodes import Input, Limit, Node, Output, Project, Sort
from conclave.ir.types import Double, Integer
from conclave.ir.window import SortKey


def push_up(answer: Node, opened: Input) -> tuple[Node, Node]:
    """Return what is computed under MPC of an answer, and what each recipient makes of it once it is `opened`.

    >>> from conclave.ir.nodes import Scan
    >>> from conclave.ir.show import show
    >>> from conclave.ir.types import Field
    >>> visits = Scan("visits", "alpha/visits", "alpha", (Field("cost", Double()),))
    >>> rounded = Call("round", (Column("cost", Double()), Literal(2, Integer(32))), Double())
    >>> answer = Sort(Project(visits, (Output("cost", rounded),)), (SortKey("cost"),))
    >>> under_mpc, after = push_up(answer, Input("r1", answer.schema))
    >>> print(show(under_mpc))
    project cost = round(cost, 2)
      scan visits @alpha
    >>> print(show(after))
    sort by cost
      project cost = round(cost, 2)
        input r1
    """
    order: tuple[SortKey, ...] = ()
    under_mpc = answer
    match answer:
        case Sort(source, keys):
            under_mpc, order = source, keys
        case Limit(Sort(_, keys)):
            order = keys
    after: Node = opened
    decimals = _rounded(under_mpc)
    if decimals:
        columns = [Column(f.name, f.type, f.nullable) for f in opened.schema]
        after = Project(after, tuple(Output(c.name, _written(c, decimals.get(c.name))) for c in columns))
    return under_mpc, Sort(after, order) if order else after


def _rounded(node: Node) -> dict[str, int]:
    """Return the columns that are rounded doubles, with how many decimals each has."""
    while isinstance(node, Sort | Limit):
        node = node.source
    if not isinstance(node, Project):
        return {}
    calls = {o.name: o.expression for o in node.outputs if isinstance(o.expression, Call)}
    found = {name: decimals_of(call) for name, call in calls.items() if call.function == "round" and _is_double(call)}
    return {name: decimals for name, decimals in found.items() if decimals > 0}  # whole ones are what they are


def _is_double(call: Call) -> bool:
    return isinstance(call.type, Double)


def _written(column: Column, decimals: int | None) -> Column | Call:
    return column if decimals is None else Call("round", (column, Literal(decimals, Integer(32))), Double())
