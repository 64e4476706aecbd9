"""Whole columns of an owner's datasets, held to fixed limits before anything computed of them is shared.

Reveals: that a column is beyond its limit, if it is; the same to every query that looks at it.
"""

from dataclasses import replace

from conclave.held import is_within
from conclave.ir.expressions import Column
from conclave.ir.nodes import Output, Project, field_of
from conclave.ir.types import Field
from conclave.local.encode import encode
from conclave.local.engine import Engine
from conclave.local.errors import EncodeProblem
from conclave.plan.steps import LocalStep, Plan, ShareStep
from conclave.reach import Reach, Whole, reach_of, reach_of_sums


def check_wholes(plan: Plan, step: ShareStep, n_rows: int, engine: Engine) -> None:
    """Check what `step` is about to share of the owner's datasets; that it is of so many rows, others see anyhow.

    Raises:  EncodeProblem, naming the column and no value.
    """
    reach = reach_of(plan, step)
    for column, largest, most in sorted(reach.totals):
        if largest * n_rows > most:
            what = f"may add up to too much in {n_rows} rows: set narrower `bounds`, or declare narrower types"
            raise EncodeProblem(column, what)
    _check_all(reach, engine)


def check_sums(step: LocalStep, engine: Engine) -> None:
    """Check what `step` is about to add up of the owner's datasets.

    Raises:  EncodeProblem, naming the column and no value.
    """
    _check_all(reach_of_sums(step.query), engine)


def _check_all(reach: Reach, engine: Engine) -> None:
    for whole in sorted(reach.wholes, key=lambda each: (each.scan.dataset, each.column, each.most, each.is_squared)):
        _check(whole, engine)


def _check(whole: Whole, engine: Engine) -> None:
    found = field_of(whole.scan, whole.column)
    every = replace(whole.scan, kept=None)
    column = Project(every, (Output(whole.column, Column(found.name, found.type, found.nullable)),))
    table = engine.answer(column, step=whole.scan.dataset)
    words = encode(table, (Field(found.name, found.type, found.nullable),)).columns[found.name].words
    if not is_within(words, whole.most, whole.is_total, whole.is_squared):
        raise EncodeProblem(whole.column, _say(whole))


def _say(whole: Whole) -> str:
    what = "has numbers whose sizes add up to too much" if whole.is_total else "has a number that is too large"
    return f"{what} for queries under a minimum or noise: set `bounds` in its policy, or declare a narrower type"
