"""Sums of products, under a minimum of subjects: how much of a single row they tell.

Theory. A sum of `pay * w`, where the recipient knows each row's `w`, is one linear equation in what the rows of a group are
paid. Two things make such equations tell of one row. A column that is multiplied by itself makes weights that are zero for
all but some rows (of a `grade` from 1 to 3, `(grade - 1) * (grade - 2)` is), and one of two values does so by itself: bounds
have to say that there are more, and no condition may leave few of them (`policy.narrowed`). And as many equations as a group has rows can be solved for all of them, as power sums
(`pay`, `pay * pay`, ...) can. So under a minimum of k a column is in a product once at most, and in fewer than k sums of
different products, a variance's included. An extreme or quantile is one row's value whatever the minimum: of cost * 1000 + days it
would be two of them, and of (days - 7) * (days - 7) that of a row that the author chooses; so it is of one column, once, and as many of them as a group has rows list all, so they count as sums do.

One equation will do where no other values make the same sum: each root, and each part of one, has digits of its own, so that of a
few persons' ages a sum of roots is a list. So what is summed is a root of nothing, and no constant by a column; cost by days is of two.
"""

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from conclave.ir.expressions import Arithmetic, Call, Case, Column, Expression, columns_of, names_in, operands
from conclave.ir.nodes import SPREADS, Aggregate, AggregateOutput, Collect, Node, Project, Scan
from conclave.ir.show import show_expression
from conclave.ir.types import Decimal, Integer, Type
from conclave.ir.walk import children, scans_in
from conclave.ir.window import Window
from policy.composed import Columns, Composition
from policy.document import Policy
from policy.made import Making
from policy.mean import without_casts
from policy.minimum import groupings, least_of, refusal
from policy.narrowed import Narrowing, bounds_of
from policy.packed import sums_in
from policy.picked_values import numbering, subjects_of
from policy.selections import picked
from policy.verdict import Reason

# How often each table's column is a factor, at most, and whether it ever is one beside others.
Powers = Mapping[tuple[str, str], tuple[int, bool]]
_SUMS = ("sum", "avg", "sum_squares", *SPREADS)
_SQUARED = ("sum_squares", *SPREADS)
_EXTREMES = ("min", "max", "quantile_cont", "quantile_disc")
_NUMBER = ("", "*")  # of rows, as a factor


def check_weightings(root: Collect, policies: Mapping[str, Policy]) -> Iterator[Reason]:
    """Yield a refusal for each dataset with a minimum, sums over whose rows can tell of single ones."""
    narrowing = Narrowing(bounds_of(root, policies), Composition())
    factors, making = _Factors(_of_two_values(root, policies), narrowing), Making()
    keys = numbering(root, policies)
    numbers = frozenset(c for key in keys if len(key) == 1 for c in key) - subjects_of(root, policies)
    for dataset, nodes in sorted(groupings(root, policies).items()):
        policy = policies[dataset]
        sums = [(node, output) for node in nodes for output in node.outputs if output.over and output.function in _SUMS]
        extremes = [(node, output) for node in nodes for output in node.outputs if output.function in _EXTREMES]
        found = next(_of_single_rows(sums, extremes, factors, making, numbers), None)
        if found is not None:
            node, what, fix = found
            yield refusal(policy, "minimum-not-countable", what, node.at, fix)
            continue
        for name, (node, count) in _numbers([*sums, *extremes], factors, making).items():
            if count >= max(least_of(policy), 2):
                what = (
                    f"of a group of {count}, {count} sums, extremes or quantiles of {name} tell what it is in each row"
                )
                fix = f"ask for at most {least_of(policy) - 1} sums, extremes and quantiles of it in one workflow"
                yield refusal(policy, "differencing", what, node.at, fix)
                break


def _of_single_rows(
    sums: list[tuple[Aggregate, AggregateOutput]],
    extremes: list[tuple[Aggregate, AggregateOutput]],
    factors: "_Factors",
    making: Making,
    numbers: Columns,
) -> Iterator[tuple[Aggregate, str, str]]:
    """Yield which aggregates tell of single rows, each by itself, and what to ask instead."""
    for node, output in (*sums, *extremes):
        for _, name in sorted(factors.of(node.source, output.over or "").keys() & numbers):
            what = f"{output.function}({output.over}) is of {name}, which numbers the rows of people, and tells which are there"
            yield node, what, "ask for COUNT of it"
    for node, output in extremes:
        if problem := factors.mixture(node, output):
            what = f"{problem} is one row's number, and the query says which row's"
            yield node, what, "ask for extremes and quantiles of one column at a time, as it is"
    for node, output in sums:
        for made in making.made(node.source, output.over or ""):
            if problem := _listed_by(made):
                what = f"the digits of a sum of {problem} tell how many rows of a small group have which value"
                yield node, what, "take roots of the sum, and divide by columns what is another column"
    for node, output in sums:
        if problem := factors.problem(node, output):
            fix = (
                "multiply different columns, of many values each by their policies' bounds; for a square ask for VAR_SAMP,"
                " for some rows use CASE"
            )
            yield node, f"{problem}: such a product can leave out all but some rows of a group", fix


def _numbers(
    asked: list[tuple[Aggregate, AggregateOutput]], factors: "_Factors", making: Making
) -> dict[str, tuple[Aggregate, int]]:
    """Return for each column how many different sums of products, extremes and quantiles are asked for, and the last place."""
    found: dict[tuple[str, str], dict[str, Aggregate]] = {}
    for node, output in asked:
        assert output.over is not None
        # Of other rows by a condition is another matter: see `policy.selections`.
        parts = [without_casts(picked(each)[0]) for each in making.made(node.source, output.over)]
        for column in factors.of(node.source, output.over):
            for text in _texts(parts, output, column[1]):
                found.setdefault(column, {}).setdefault(text, node)
    return {name: (list(texts.values())[-1], len(texts)) for (_, name), texts in sorted(found.items())}


def _texts(parts: list[Expression], output: AggregateOutput, name: str) -> set[str]:
    """Return what an aggregate tells of a column, as texts that are equal for equal things."""
    if output.function in _EXTREMES:
        return {f"{output.function} {output.fraction} of {' | '.join(map(show_expression, parts))}"}
    sums = [sums_in(part) for part in parts]
    if all(len(each) == 1 for each in sums):
        texts = {" | ".join(" * ".join(*each) for each in sums)}
    else:
        # Of a part that has not the column, nothing of it is told.
        texts = {" * ".join(each) for part in sums for each in part if any(name in factor for factor in each)}
    return {text + (" squared" if output.function in _SQUARED else "") for text in texts}


def _listed_by(expression: Expression) -> str:
    """Return a root, or a constant by a column, among what is added up; "" if there is none."""
    match without_casts(expression):
        case Call("sqrt", (operand,)) as root if names_in(operand):
            return show_expression(root)
        case Arithmetic("*" | "/") as product:
            factors = list(_factors_in(product))
            if names_in(product) and not any(names_in(each) for each, is_above in factors if is_above):
                return show_expression(product)
            parts = [each for each, _ in factors]
        case Case(branches, default):
            parts = [*(value for _, value in branches), default]
        case other:
            parts = list(operands(other))
    return next(filter(None, map(_listed_by, parts)), "")


def _factors_in(expression: Expression, is_above: bool = True) -> Iterator[tuple[Expression, bool]]:
    """Yield the factors of a product, and whether they are multiplied by or divided by."""
    match without_casts(expression):
        case Arithmetic("*" | "/" as operator, left, right):
            yield from _factors_in(left, is_above)
            yield from _factors_in(right, is_above is (operator == "*"))
        case other:
            yield other, is_above


@dataclass
class _Factors:
    """Which columns a column is a product of, through all that a query computes."""

    of_two_values: Mapping[tuple[str, str], str]
    narrowing: Narrowing
    _done: dict[tuple[int, str], Powers] = field(default_factory=dict)  # by the id of a node of one query

    def problem(self, node: Aggregate, output: AggregateOutput) -> str:
        """Return what is wrong with the products that are summed; "" if nothing is."""
        assert output.over is not None
        powers = self.of(node.source, output.over)
        times = 2 if output.function in _SQUARED and len(powers) > 1 else 1
        for column, (power, is_beside_others) in sorted(powers.items()):
            if column == _NUMBER and is_beside_others:
                return "a number of rows or values, which may be one for all but some, is multiplied"
            if power * times > 1:
                return f"{column[1]} is multiplied by itself"
            if is_beside_others and column in self.of_two_values:
                return f"{column[1]} {self.of_two_values[column]} and is multiplied"
            is_bounded = is_beside_others and column in self.narrowing.bounds
            if is_bounded and (why := self.narrowing.problem(node, output.over, column)):
                return f"{why} leaves few values of {column[1]}, which is multiplied"
        return ""

    def mixture(self, node: Aggregate, output: AggregateOutput) -> str:
        """Return what an extreme is of, if it is of several columns of a row, or of one times itself; else "".

        The least `(days - 7) * (days - 7)` is of whoever is nearest to 7, and 0 where anybody is there.
        """
        assert output.over is not None
        powers = self.of(node.source, output.over)
        if len(powers) > 1:
            return f"{output.function}({output.over}), made of several columns,"
        return next(
            (f"{output.function} of {n} times itself" for (_, n), (power, _) in powers.items() if power > 1), ""
        )

    def of(self, node: Node, name: str) -> Powers:
        """Return how often each table's column is a factor of a relation's column."""
        if (id(node), name) not in self._done:
            self._done[id(node), name] = self._of(node, name)
        return self._done[id(node), name]

    def _of(self, node: Node, name: str) -> Powers:
        match node:
            case Scan(table):
                return {(table, name): (1, False)}
            case Project(source, outputs):
                return self._product(source, next(o.expression for o in outputs if o.name == name))
            case Aggregate(source, keys, outputs) if name not in keys:
                output = next(output for output in outputs if output.name == name)
                if output.over is None or output.function == "count":
                    return {_NUMBER: (1, False)}
                below = self.of(source, output.over)
                return _added(below, below) if output.function in _SQUARED else below
            case Window(source) if name not in {f.name for f in source.schema}:
                return _most(self.of(source, f.name) for f in source.schema)
        sides = [side for side in children(node) if name in {f.name for f in side.schema}]
        return _most(self.of(side, name) for side in sides)

    def _product(self, source: Node, expression: Expression) -> Powers:
        match expression:
            case Column(name):
                return self.of(source, name)
            case Arithmetic("/", left, right) if self._is_mean(source, left, right):
                return self._product(source, left)
            case Arithmetic("*" | "/", left, right):
                return _added(self._product(source, left), self._product(source, right))
            case Case(branches, default):  # its conditions are another matter: see `policy.weights`
                return _most(self._product(source, each) for each in (*(value for _, value in branches), default))
        return _most(self._product(source, part) for part in operands(expression))

    def _is_mean(self, source: Node, total: Expression, number: Expression) -> bool:
        """Whether something of a person is divided by a number as it is, which is never 0 and weighs nobody out."""
        bare = without_casts(number)
        return isinstance(bare, Column) and set(self.of(source, bare.name)) == {_NUMBER} and bool(columns_of(total))


def _of_two_values(root: Collect, policies: Mapping[str, Policy]) -> Mapping[tuple[str, str], str]:
    """Return the tables' columns that may be one of two numbers for all that policies say, and what these say."""
    found = {}
    for scan in scans_in(root):
        policy = policies.get(scan.dataset)
        for each in scan.schema if policy is not None else ():
            bounds = policy.spec.columns[each.name].bounds if policy and each.name in policy.spec.columns else None
            if bounds is None:
                found[scan.table, each.name] = "may have two values, for want of bounds in its policy,"
            elif _steps(each.type, bounds[1] - bounds[0]) <= 1:
                found[scan.table, each.name] = "has two values, by its policy's bounds,"
    return found


def _steps(kind: Type, width: float) -> float:
    """Return how far apart two numbers of a type are, by its steps."""
    return width * (10**kind.scale if isinstance(kind, Decimal) else 1 if isinstance(kind, Integer) else math.inf)


def _most(powers: Iterable[Powers]) -> Powers:
    found: dict[tuple[str, str], tuple[int, bool]] = {}
    for each in powers:
        for column, (power, is_beside_others) in each.items():
            before, was = found.get(column, (0, False))
            found[column] = max(power, before), is_beside_others or was
    return found


def _added(one: Powers, other: Powers) -> Powers:
    none = 0, False
    return {
        column: (
            one.get(column, none)[0] + other.get(column, none)[0],
            bool(one and other) or one.get(column, none)[1] or other.get(column, none)[1],
        )
        for column in {**one, **other}
    }
