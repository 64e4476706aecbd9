"""Columns of an answer that follow from others: recipients compute them for themselves, and MPC neither does nor opens them.

Of `SELECT SUM(x) AS s, COUNT(*) AS n, AVG(x) AS mean` the mean follows from the others, so that MPC divides nothing; of
`SELECT age + 1 AS a, age * 2 AS b` both follow from `age`, which either of them tells (`conclave.ir.recovery`).
Not if it could fail in clear, by declared types: how a run ends, all its members see. Nor if rows are cut off by it, or if
it says too much.
This is the push-up of Conclave (Volgushev et al., EuroSys 2019): reversible steps leave MPC at its end, as local ones do at
its beginning. There a recipient undoes one step; here what is opened has to follow from the answer to the last digit.

Reveals:  less: of what follows from the answer nothing is opened by itself.
Safe:     `policy.opened` finds out again, at every owner, that what is opened follows from the answer.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping

from conclave.ir.expressions import Cast, Column, Expression, Literal, Spread, names_in, operands
from conclave.ir.nodes import Output, Project
from conclave.ir.recovery import is_certain, told_by, variance_of, variance_parts
from conclave.ir.walk import rebuild, substitute

MOST_PARTS = 100  # of an expression: what is said in terms of what is computed twice and twice again doubles each time


def without_derived(
    outputs: tuple[Output, ...], kept: Collection[str]
) -> tuple[tuple[Output, ...], tuple[Output, ...]] | None:
    """Return what is to be opened of a projection, and what recipients make of that; None if it would be no less.

    `kept` are columns that MPC needs as they are. What is opened is told by the answer (`told_by` of its columns).

    >>> from conclave.ir.expressions import Arithmetic
    >>> from conclave.ir.show import show_expression
    >>> from conclave.ir.types import Integer
    >>> s, n = Column("s", Integer(64)), Column("n", Integer(64))
    >>> answer = Output("s", s), Output("n", n), Output("mean", Arithmetic("/", s, n))
    >>> opened, after = without_derived(answer, ())
    >>> [output.name for output in opened], show_expression(after[2].expression)
    (['s', 'n'], 's / n')
    """
    needed = [o.expression for o in outputs if o.name in kept]
    if len(set(needed)) < len(needed) or any(_n_parts(o.expression) > MOST_PARTS for o in outputs):
        return None
    roots = [o.expression if o.name in kept else _root(o.expression) for o in outputs]
    basis = list(dict.fromkeys(roots))
    # What is made of most goes first, so that it is made of the others and not they of it.
    by_parts = sorted(basis, key=_n_parts)
    for root in by_parts[::-1]:
        others = [each for each in basis if each != root]
        if root not in needed and others and computed_from(root, _columns(others)) is not None:
            basis = others
    if len(basis) == len(outputs):
        return None
    basis = _with_own(basis, dict(zip(outputs, roots, strict=True)))
    named = _named(basis, outputs, kept)
    opened = tuple(Output(name, each) for each, name in named.items())
    columns = {each: Column(name, each.type, each.nullable) for each, name in named.items()}
    after = ((o.name, computed_from(o.expression, columns)) for o in outputs)
    return opened, tuple(Output(name, expression) for name, expression in after if expression is not None)


def in_parts(
    opened: tuple[Output, ...], after: tuple[Output, ...], kept: Collection[str]
) -> tuple[tuple[Output, ...], tuple[Output, ...]]:
    """Return what is to be opened, and what recipients make of it, with variances that may be large in two parts each.

    `kept` are columns that MPC needs as they are.
    """
    split: list[Output] = []
    whole: dict[str, Expression] = {}
    taken = {output.name.lower() for output in opened}
    for output in opened:
        variance = output.expression
        if not (isinstance(variance, Spread) and variance.may_be_large) or output.name in kept:
            split.append(output)
            continue
        small, large = variance_parts(variance)
        tries = (f"{output.name}_large{'' if n == 1 else f'_{n}'}" for n in range(1, len(opened) + 2))
        name = next(tried for tried in tries if tried.lower() not in taken)
        taken.add(name.lower())
        split += [Output(output.name, small), Output(name, large)]
        parts = [Column(name, part.type, part.nullable) for name, part in ((output.name, small), (name, large))]
        whole[output.name] = variance_of(*parts)
    return tuple(split), tuple(Output(o.name, substitute(o.expression, whole)) for o in after)


def _with_own(basis: list[Expression], roots: Mapping[Output, Expression]) -> list[Expression]:
    """Return the answer's own columns in the place of those that nothing else is made of."""
    columns = _columns(basis)
    made = [computed_from(output.expression, columns) for output in roots]
    read = Counter(name for each in made if each is not None for name in names_in(each))
    own = {root: o.expression for o, root in roots.items() if root in columns and read[columns[root].name] == 1}
    return [own.get(each, each) for each in basis]


def _columns(opened: Iterable[Expression]) -> dict[Expression, Column]:
    return {each: Column(str(n), each.type, each.nullable) for n, each in enumerate(opened)}


def as_one(project: Project) -> Project:
    """Return a projection over what is below the projections that it is made of, as far as expressions stay small."""
    while isinstance(project.source, Project):
        below = {output.name: output.expression for output in project.source.outputs}
        sizes = {name: _n_parts(expression) for name, expression in below.items()}
        if any(_n_parts(o.expression, sizes) > MOST_PARTS for o in project.outputs):
            break
        outputs = tuple(Output(o.name, _said_below(o.expression, below)) for o in project.outputs)
        project = Project(project.source.source, outputs, project.at)
    return project


def _said_below(expression: Expression, below: Mapping[str, Expression]) -> Expression:
    said = substitute(expression, below)
    return said if said.type == expression.type else Cast(said, expression.type, expression.at)


def computed_from(expression: Expression, columns: Mapping[Expression, Column]) -> Expression | None:
    """Return the expression over opened columns; None if it takes others, too, or could fail."""
    found = _over(expression, columns)
    return found if found is not None and is_certain(found) else None


def _over(expression: Expression, columns: Mapping[Expression, Column]) -> Expression | None:
    if expression in columns:
        return columns[expression]
    if isinstance(expression, Column):
        return None
    parts = {part: _over(part, columns) for part in operands(expression)}
    if any(part is None for part in parts.values()):
        return None
    return rebuild(expression, lambda part: parts[part] or part)


def _root(expression: Expression) -> Expression:
    """Return what is left of an expression without what is reversible, as far as it can be computed again."""
    root = expression
    for each in told_by(expression):
        if isinstance(each, Literal) or computed_from(expression, _columns([each])) is None:
            break
        root = each
    return root


def _n_parts(expression: Expression, below: Mapping[str, int] | None = None) -> int:
    if isinstance(expression, Column):
        return 1 if below is None else below[expression.name]
    return 1 + sum(_n_parts(part, below) for part in operands(expression))


def _named(opened: Iterable[Expression], outputs: tuple[Output, ...], kept: Collection[str]) -> dict[Expression, str]:
    """Return a name for each opened column: one of the answer's, else that of the column it is, or a new one."""
    own: dict[Expression, str] = {}
    for output in outputs:
        if output.expression not in own or output.name in kept:  # MPC knows what is kept by its name
            own[output.expression] = output.name
    taken = {o.name.lower() for o in outputs}
    names = {}
    for each in opened:
        name = own.get(each)
        if name is None:
            first = each.name if isinstance(each, Column) else "opened"
            tries = (first if n == 1 else f"{first}_{n}" for n in range(1, len(taken) + 2))
            name = next(tried for tried in tries if tried.lower() not in taken)
            taken.add(name.lower())
        names[each] = name
    return names
