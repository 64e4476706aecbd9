"""Two groupings of the same rows in one query: what one of them suppresses may be the difference of the others.

`SELECT ward, COUNT(*) … GROUP BY ward` beside a total of all rows gives the size of a ward that was suppressed. A total
of the groups does not. This looks at one query; across queries it is for reviewers of the history.
"""

from collections.abc import Iterator, Mapping
from typing import assert_never

from conclave.ir.expressions import Column, Expression, names_in
from conclave.ir.nodes import (
    Aggregate,
    Collect,
    Concat,
    CrossOne,
    Filter,
    Input,
    Join,
    Limit,
    Node,
    Project,
    Scan,
    Sort,
)
from conclave.ir.show import show_expression, show_node
from conclave.ir.walk import conjuncts, nodes_in, scans_in, substitute
from policy.document import Policy
from policy.minimum import least_of
from policy.verdict import Reason

# What a relation's rows are, columns aside: for each part of a UNION ALL, where they are from and what they passed.
Rows = tuple[tuple[str, frozenset[str]], ...]


def check_differencing(root: Collect, policies: Mapping[str, Policy]) -> Iterator[Reason]:
    """Yield the datasets that are to have a minimum of subjects, and whose rows are grouped in more than one way."""
    guarded = [node for node in nodes_in(root) if isinstance(node, Aggregate) and node.guards]
    for dataset, policy in sorted(policies.items()):
        over = {_grouping(node): node for node in guarded if dataset in {scan.dataset for scan in scans_in(node)}}
        owner = dataset.split("/")[0]
        if len(over) < 2 or least_of(policy) < 2 or set(root.recipients) == {owner}:
            continue
        steps = sorted({show_node(node) for node in over.values()})
        yield Reason(
            code="differencing",
            dataset=dataset,
            version=policy.metadata.version,
            clause="spec.minimum.subjects",
            says=f"asks for at least {least_of(policy)} subjects behind all that is released",
            flow=tuple(steps),
            what=f"the rows of {dataset} would be grouped in {len(over)} ways; their difference may be of fewer subjects",
            where=min(
                (node.at for node in over.values() if node.at), key=lambda at: (at.line, at.column), default=None
            ),
            fix="group the rows once (WITH), and compute the rest from the groups; or ask two questions",
        )


def _grouping(node: Aggregate) -> tuple[Rows, frozenset[tuple[str, ...]]]:
    return _rows(node.source), frozenset(_column(node.source, key) for key in node.keys)


def _rows(node: Node) -> Rows:
    match node:
        case Scan(dataset=dataset):
            return ((dataset, frozenset()),)
        case Input(name):
            return ((name, frozenset()),)
        case Concat(parts):
            return tuple(row for part in parts for row in _rows(part))
        case Project(source) | Sort(source) | Collect(source):
            return _rows(source)
        case Filter(source, predicate):
            passed = [_values(source, condition) for condition in conjuncts(predicate)]
            return tuple(
                (name, before | {values[k] for values in passed}) for k, (name, before) in enumerate(_rows(source))
            )
        case Limit(source, count):
            return ((f"the first {count} of {_text(source)}", frozenset()),)
        case Aggregate(source, keys):
            by = sorted(_column(source, key) for key in keys)
            return ((f"groups of {_text(source)} by {by}", frozenset()),)
        case Join(left, right, on, how):
            pairs = sorted((_column(left, a), _column(right, b)) for a, b in on)
            return ((f"{how} join of {_text(left)} and {_text(right)} on {pairs}", frozenset()),)
        case CrossOne(left, right):
            return ((f"{_text(left)} beside {_text(right)}", frozenset()),)
        case _ as never:
            assert_never(never)


def _text(node: Node) -> str:
    return str([(name, sorted(passed)) for name, passed in _rows(node)])


def _column(node: Node, name: str) -> tuple[str, ...]:
    """Return how a column is made of the scans' columns, for each of the relation's parts."""
    match node:
        case Scan() | Input():
            return (name,)
        case Concat(parts):
            return tuple(text for part in parts for text in _column(part, name))
        case Project(source, outputs):
            return _values(source, next(o.expression for o in outputs if o.name == name))
        case Filter(source) | Sort(source) | Collect(source):
            return _column(source, name)
        case Limit(source):
            return (str(_column(source, name)),)
        case Aggregate(source, keys, outputs):
            if name in keys:
                return (str(_column(source, name)),)
            made = next(output for output in outputs if output.name == name)
            over = str(_column(source, made.over)) if made.over is not None else "*"
            return (f"{made.function}({'distinct ' if made.is_distinct else ''}{over})",)
        case Join(left, right) | CrossOne(left, right):
            side = left if name in {f.name for f in left.schema} else right
            return (f"{'left' if side is left else 'right'} {_column(side, name)}",)
        case _ as never:
            assert_never(never)


def _values(source: Node, expression: Expression) -> tuple[str, ...]:
    columns = {name: _column(source, name) for name in sorted(names_in(expression))}
    kinds = {f.name: f for f in source.schema}
    n_parts = len(_rows(source))
    texts = []
    for k in range(n_parts):
        named: dict[str, Expression] = {
            name: Column(made[k], kinds[name].type, kinds[name].nullable) for name, made in columns.items()
        }
        texts.append(show_expression(substitute(expression, named)))
    return tuple(texts)
