"""What is left to the recipients: steps that can wait until the answer is open, and need no more than the answer.

- Order: rows have none under MPC but for a LIMIT; each recipient sorts for itself.
- Columns that follow from others that are opened, or that say the same as one that is, and the two parts of a variance
  that may be larger than a double is under MPC: see `derived`.
- Rounded doubles: under MPC they are the nearest fixed-point numbers to so many tenths or hundredths; each recipient
  writes those.

Reveals:  nothing: it is computed of what the recipients have been shown, by themselves; and what they are shown follows
          from the answer to the last digit, which `policy.opened` finds out again.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from conclave.ir.expressions import Call, Column, Literal, decimals_of
from conclave.ir.nodes import Input, Limit, Node, Output, Project, Sort
from conclave.ir.types import Double, Field, Integer
from conclave.ir.walk import children, with_children
from conclave.ir.window import SortKey
from conclave.plan.derived import as_one, in_parts, without_derived


@dataclass(frozen=True)
class PushedUp:
    """What is computed under MPC of an answer, how it is opened, and what each recipient makes of that."""

    under_mpc: Node
    opened: Input
    after: Node


def push_up(answer: Node, query: Node, name: str, recomputes: bool = True) -> PushedUp:
    """Return how an answer is opened as `name`. `query` is what policies judge: the answer, or another way to say it.

    Not `recomputes`: all columns of the answer are opened.

    >>> from conclave.ir.nodes import Scan
    >>> from conclave.ir.show import show
    >>> visits = Scan("visits", "alpha/visits", "alpha", (Field("cost", Double()),))
    >>> rounded = Call("round", (Column("cost", Double()), Literal(2, Integer(32))), Double())
    >>> answer = Sort(Project(visits, (Output("cost", rounded), Output("one", Literal(1, Integer(32))))), (SortKey("cost"),))
    >>> pushed = push_up(answer, answer, "r1")
    >>> print(show(pushed.under_mpc))
    project cost = round(cost, 2)
      scan visits @alpha
    >>> print(show(pushed.after))
    sort by cost
      project cost = round(cost, 2), one = 1
        input r1
    """
    order: tuple[SortKey, ...] = ()
    under_mpc = answer
    match answer:
        case Sort(source, keys):
            under_mpc, order = source, keys
        case Limit(Sort(_, keys)):
            order = keys
    schema, outputs = query.schema, _as_opened(query.schema)
    project, same = _projection(under_mpc), _projection(query)
    if recomputes and project is not None and same is not None and project.outputs == same.outputs:
        found = without_derived(project.outputs, _ordered_by(under_mpc))
        needed, made = found if found is not None else (project.outputs, outputs)
        opened, made = in_parts(needed, made, _ordered_by(under_mpc))
        if opened != project.outputs:
            least = _projected(project, opened)
            under_mpc, schema, outputs = _over(under_mpc, least), least.schema, made
    after: Node = Input(name, schema)
    written = tuple(_written(output, _rounded(under_mpc)) for output in outputs)
    if written != _as_opened(schema):
        after = Project(after, written)
    return PushedUp(under_mpc, Input(name, schema), Sort(after, order) if order else after)


def _as_opened(schema: Iterable[Field]) -> tuple[Output, ...]:
    return tuple(Output(f.name, Column(f.name, f.type, f.nullable)) for f in schema)


def _project_of(node: Node) -> Project | None:
    """Return the projection that makes the answer's columns, below its order and LIMIT."""
    while isinstance(node, Sort | Limit):
        node = node.source
    return node if isinstance(node, Project) else None


def _projection(node: Node) -> Project | None:
    """As `_project_of`, of all projections there in a row at once; None if that says too much again and again."""
    project = _project_of(node)
    made = None if project is None else as_one(project)
    return None if made is None or isinstance(made.source, Project) else made


def _ordered_by(node: Node) -> frozenset[str]:
    """Return the columns that decide which rows a LIMIT keeps."""
    if isinstance(node, Sort):
        return frozenset(key.column for key in node.keys) | _ordered_by(node.source)
    return _ordered_by(node.source) if isinstance(node, Limit) else frozenset()


def _over(node: Node, project: Node) -> Node:
    """Return the order and LIMIT of an answer over another projection."""
    if isinstance(node, Sort | Limit):
        return with_children(node, tuple(_over(source, project) for source in children(node)))
    return project


def _projected(project: Project, opened: tuple[Output, ...]) -> Node:
    """Return the columns to be opened; the source as it is, if these are all of its columns."""
    made = Project(project.source, opened, project.at)
    own = _as_opened(project.source.schema)
    return project.source if len(own) == len(opened) and set(own) == set(opened) else made


def _rounded(node: Node) -> dict[str, int]:
    """Return the columns that are rounded doubles, with how many decimals each has."""
    project = _project_of(node)
    if project is None:
        return {}
    calls = {o.name: o.expression for o in project.outputs if isinstance(o.expression, Call)}
    found = {name: decimals_of(call) for name, call in calls.items() if call.function == "round" and _is_double(call)}
    return {name: decimals for name, decimals in found.items() if decimals > 0}  # whole ones are what they are


def _is_double(call: Call) -> bool:
    return isinstance(call.type, Double)


def _written(output: Output, decimals: dict[str, int]) -> Output:
    column = output.expression
    if not isinstance(column, Column) or column.name not in decimals:
        return output
    return Output(output.name, Call("round", (column, Literal(decimals[column.name], Integer(32))), Double()))
