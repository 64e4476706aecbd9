"""What steps say beside their operators, found out again from the query: of keys and how often they come, of rows and of sizes.

Theory. A join by keys that are called unique and are not loses rows; one whose keys nobody checks, too; a sum that nobody
looks at may be of another size than its word. All of that follows from the query and from what owners have declared, so it
is derived here once more, and whoever says otherwise is not believed.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace

from conclave.ir.nodes import Input, Join, Node
from conclave.ir.types import Schema
from conclave.ir.walk import is_one_row, nodes_in
from conclave.plan.bounded import bounded_side
from conclave.plan.steps import LocalStep, MpcStep, Plan, SendStep, ShareStep, Step
from conclave.plan.unique import Uniqueness, unique_side
from conclave.ranges import with_checks
from policy.faithful import tables_made
from policy.verdict import Reason

_FIX = "this is a fault of the compiler: report it, with the query"


def check_claims(plan: Plan) -> Iterator[Reason]:
    """Yield the steps that say of themselves what does not follow from the plan's query.

    Steps that read tables which are not there are left out: `check_steps` refuses them.
    """
    tables, schemas, fit = tables_made(plan), dict[str, Schema](), True
    for step in plan.steps:
        reads = list(_read(step))
        if not all(name in schemas for name, _ in reads):
            fit = False
        elif any(schema is not None and schema != schemas[name] for name, schema in reads):
            fit = False
            yield Reason("unfaithful", "", f"step {step.name} would read its tables as others than they are", _FIX)
        if step != _meant(step, tables):
            what = f"step {step.name} says of its rows or keys what does not follow from the query"
            yield Reason("unfaithful", "", what, _FIX)
        schemas[step.name] = step.schema
    if fit and with_checks(plan).steps != plan.steps:
        yield Reason("unfaithful", "", "the steps would not look at numbers that may outgrow their words", _FIX)


def _read(step: Step) -> Iterator[tuple[str, Schema | None]]:
    """Yield the tables that a step reads, and as what."""
    match step:
        case LocalStep(query=node) | MpcStep(operator=node):
            yield from ((each.name, each.schema) for each in nodes_in(node) if isinstance(each, Input))
        case ShareStep(source=source, schema=schema) | SendStep(source=source, schema=schema):
            yield source, schema
        case _:
            yield step.source, step.schema


def _meant(step: Step, tables: Mapping[str, Node]) -> Step:
    """Return the step as it has to be."""
    table = tables.get(step.name)
    match step:
        case ShareStep() if table is not None:
            return replace(step, is_one_row=is_one_row(table))
        case MpcStep(operator=Join()) if isinstance(table, Join):
            side, certain = unique_side(table)
            bounded = None if step.seen_by else bounded_side(table)
            return replace(step, unique_side=side, checks_keys=certain == Uniqueness.DECLARED, bounded=bounded)
        case MpcStep(operator=operator) if not isinstance(operator, Join):
            return replace(step, unique_side=None, checks_keys=False, bounded=None)
    return step
