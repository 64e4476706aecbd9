"""A plan as a graph: a box for each step, in the lane of where it runs, below the steps whose tables it reads.

Labels name operators, tables and columns, and not what conditions compare with: a picture is passed on more easily than a plan.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, assert_never

from conclave.ir.expressions import names_in
from conclave.ir.nodes import Filter, Input, Node, Project, Scan
from conclave.ir.show import show_node
from conclave.ir.walk import nodes_in
from conclave.plan.steps import LocalStep, MpcStep, Plan, RevealStep, SendStep, ShareStep, Step

Place = Literal["owner", "mpc", "result"]
MPC = "MPC"


@dataclass(frozen=True)
class Box:
    """One step. Rows count from 0, from the top."""

    name: str
    place: Place
    lane: str  # a party's name, or MPC
    row: int
    lines: tuple[str, ...]


@dataclass(frozen=True)
class Graph:
    """All steps; an edge goes from the step that makes a table to one that reads it."""

    lanes: tuple[str, ...]  # from left to right: owners, MPC, those who only receive
    boxes: tuple[Box, ...]
    edges: tuple[tuple[str, str], ...]


def graph_of(plan: Plan) -> Graph:
    """Return the plan's graph. No two boxes have the same lane and row, and every edge goes down."""
    boxes: dict[str, Box] = {}
    edges: list[tuple[str, str]] = []
    taken: set[tuple[str, int]] = set()
    for step in plan.steps:
        sources = [boxes[name] for name in read_by(step) if name in boxes]
        lane, row = _lane(step), max((source.row for source in sources), default=-1) + 1
        while (lane, row) in taken:
            row += 1
        taken.add((lane, row))
        boxes[step.name] = Box(step.name, _place(step, sources), lane, row, _label(step))
        edges += [(source.name, step.name) for source in sources]
    return Graph(_lanes(plan, tuple(boxes.values())), tuple(boxes.values()), tuple(edges))


def read_by(step: Step) -> tuple[str, ...]:
    """Return the names of the steps whose tables a step reads, each once."""
    match step:
        case LocalStep(query=node) | MpcStep(operator=node):
            return tuple(dict.fromkeys(leaf.name for leaf in nodes_in(node) if isinstance(leaf, Input)))
        case ShareStep(source=source) | RevealStep(source=source) | SendStep(source=source):
            return (source,)
        case _ as never:
            assert_never(never)


def _lanes(plan: Plan, boxes: tuple[Box, ...]) -> tuple[str, ...]:
    used = dict.fromkeys(box.lane for box in boxes)
    owners = [lane for lane in used if any(box.lane == lane and box.place == "owner" for box in boxes) and lane != MPC]
    others = [lane for lane in (*used, *plan.query.recipients) if lane not in owners and lane != MPC]
    return tuple(dict.fromkeys([*owners, *(lane for lane in used if lane == MPC), *others]))


def _lane(step: Step) -> str:
    match step:
        case LocalStep(party=party) | ShareStep(party=party) | SendStep(party=party):
            return party
        case RevealStep(recipients=(recipient,)):
            return recipient
        case RevealStep() | MpcStep():
            return MPC
        case _ as never:
            assert_never(never)


def _place(step: Step, sources: list[Box]) -> Place:
    match step:
        case LocalStep():
            return "result" if any(source.place == "result" for source in sources) else "owner"
        case ShareStep():
            return "owner"
        case MpcStep():
            return "mpc"
        case RevealStep() | SendStep():
            return "result"
        case _ as never:
            assert_never(never)


def _label(step: Step) -> tuple[str, ...]:
    match step:
        case LocalStep(query=query):
            return tuple(_outline(query)) or ("as it is",)
        case ShareStep(schema=schema):
            return ("secret-share", ", ".join(f.name for f in schema))
        case MpcStep(operator=operator, seen_by=seen_by, is_compacted=is_compacted, bounded=bounded):
            most = [f"up to {bounded.most} rows of a key on the {bounded.side}"] if bounded else []
            seen = [f"keys seen by {', '.join(seen_by)}"] if seen_by else []
            return (*_said(operator), *most, *seen, *(["drop and count rows"] if is_compacted else []))
        case RevealStep(recipients=recipients):
            return (f"open to {', '.join(recipients)}", "rows shuffled")
        case SendStep(recipients=recipients):
            return (f"send to {', '.join(recipients)}",)
        case _ as never:
            assert_never(never)


def _outline(node: Node) -> Iterator[str]:
    """Yield what is done, the first of it first."""
    for each in reversed(tuple(nodes_in(node))):
        yield from _said(each)


def _said(node: Node) -> Iterator[str]:
    match node:
        case Scan(dataset=dataset):
            yield f"read {dataset}"
        case Input():
            return
        case Filter(predicate=predicate):
            yield f"filter on {', '.join(sorted(names_in(predicate)))}"
        case Project(outputs=outputs):
            yield f"project {', '.join(output.name for output in outputs)}"
        case _:
            yield " ".join(show_node(node).split())
