"""Whether what is opened tells the recipients no more than the answer does, and whether they make the answer of it.

Recipients may compute columns of the answer by themselves (`conclave.plan.derived`), so that what is opened need not be the
answer. The compiler is not trusted with that: each column that is opened has to be one of the answer's, or one that the
answer tells to the last digit; the rows have to be the query's; and what each recipient makes of it has to be the answer.
What cannot be computed for every value that a column's type holds is refused: how a run ends, all its members see.
"""

from collections.abc import Mapping

from conclave.ir.expressions import Call, Column, Expression, decimals_of
from conclave.ir.nodes import Input, Limit, Node, Output, Project, Sort
from conclave.ir.recovery import is_certain, told_by, with_whole_variances
from conclave.ir.types import Double, Schema
from conclave.ir.walk import substitute
from conclave.plan.derived import as_one
from conclave.plan.steps import LocalStep, Plan, RevealStep


def rows_compared(table: Node, query: Node) -> tuple[Node, Node] | None:
    """Return what has to be the same for a table to have the query's rows; None if it has columns that the answer hides.

    Both without orders that no LIMIT cuts by.
    """
    match table, query:
        case Limit(below, count), Limit(source, asked) if count == asked:
            return rows_compared(below, source)
        case Sort(below, keys), Sort(source, wanted) if keys == wanted:
            said, meant = _columns(below), _columns(source)
            is_alike = all(key.column in said and said[key.column] == meant[key.column] for key in keys)
            return rows_compared(below, source) if is_alike else None
        case _, Project():
            made, answer = _projection(table), as_one(query)
            told = {each for output in answer.outputs for each in told_by(output.expression)}
            is_told = all(output.expression in told for output in made.outputs)
            return (made.source, answer.source) if is_told else None
    return None


def is_answer_made(plan: Plan, opened: RevealStep, table: Node) -> bool:
    """Whether each recipient makes the answer's columns of what is opened, its order aside, and cannot fail to."""
    columns, asked = _columns(table), _columns(plan.query.source)
    if list(columns) != [f.name for f in opened.schema]:
        return False
    after = [step for step in plan.steps[plan.steps.index(opened) :] if isinstance(step, LocalStep)]
    own = {step.party: _last_projection(step) for step in after}
    if len(own) < len(after):
        return False
    told = Project(Input(opened.name, opened.schema), _as_they_are(opened.schema))
    for last in (own.get(recipient, told) for recipient in opened.recipients):
        made = {o.name: substitute(o.expression, columns) for o in last.outputs}
        if last.source != told.source or not all(is_certain(o.expression) for o in last.outputs):
            return False
        if list(made) != list(asked) or not all(_says(made[name], asked[name]) for name in asked):
            return False
    return True


def _last_projection(step: LocalStep) -> Project:
    return _projection(step.query.source if isinstance(step.query, Sort) else step.query)


def _says(made: Expression, asked: Expression) -> bool:
    """Whether a column is what was asked for; rounded doubles may be rounded once more, to be written as such."""
    match made, asked:
        case Call("round", (again, *_), Double()), Call("round") if again == asked:
            return decimals_of(made) == decimals_of(asked)
    return with_whole_variances(made) == asked


def _columns(node: Node) -> Mapping[str, Expression]:
    """Return what each column of a table is computed by, below its order, its LIMIT and the projection that makes it."""
    while isinstance(node, Sort | Limit):
        node = node.source
    return {output.name: output.expression for output in as_one(_projection(node)).outputs}


def _projection(node: Node) -> Project:
    return node if isinstance(node, Project) else Project(node, _as_they_are(node.schema))


def _as_they_are(schema: Schema) -> tuple[Output, ...]:
    return tuple(Output(f.name, Column(f.name, f.type, f.nullable)) for f in schema)
