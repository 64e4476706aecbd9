"""Noise on totals, before anybody sees them. Each of the three compute parties adds noise of its own, at full scale.

Whoever knows its own noise can take it away again, so what protects an answer from a party that computes is the noise of
the two others; and the noise of any one that nobody else knows is enough by itself, even if the others added none. That
costs accuracy: three times the variance of a single noise, by which the deviation grows by the square root of three.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import product

import numpy as np

from conclave.ir.noise import Noise
from conclave.ir.types import Type, Varchar, is_packed
from conclave.ir.words import n_text_words, text_column, text_words, word_of
from conclave.mpc.arrays import Array
from conclave.mpc.compare import is_zero
from conclave.mpc.convert import bit_to_arithmetic
from conclave.mpc.deal import deal
from conclave.mpc.multiply import multiply
from conclave.mpc.party import Party
from conclave.mpc.shares import AShare, public_share
from conclave.operators.aggregate import AggregateSpec
from conclave.operators.groupby import group_by
from conclave.operators.table import SecretColumn, SecretTable, both, concat

Draw = Callable[[str, Fraction, int], Array]  # a use's name, a scale, how many: this party's own noise, as words

_IS_NAMED = "named\0"  # 1 in groups that the query names; no column of a query has a NUL in its name


def no_noise(label: str, scale: Fraction, n: int) -> Array:
    """Return zeros: for finding out what a plan costs, on rows that are all zeros, too."""
    return np.zeros(n, np.uint64)


def noised(table: SecretTable, node: Noise, step: str, me: Party, draw: Draw) -> SecretTable:
    """Return the groups that `node` names, with noise on their totals.

    Shapes:  one row without keys; else as many rows as the table and the named groups have, of which as many exist as
             there are named ones. One round for each party and column to share its noise.
    Reveals: nothing. Each party knows the noise that it has added itself.
    """
    totals = _filled(table, node, me) if node.keys else _ungrouped(table, node, me)
    columns = {
        each.column: SecretColumn(_with_noise(totals.columns[each.column].values, f"{step} {n}", each.scale, me, draw))
        for n, each in enumerate(node.columns)
    }
    return totals.with_columns(columns)


def _with_noise(values: AShare, label: str, scale: Fraction, me: Party, draw: Draw) -> AShare:
    own = draw(label, scale, values.n)
    for dealer in range(3):
        # What the others pass is not looked at.
        values = values + AShare(*deal(own, me, dealer=dealer))
    return values


def _ungrouped(table: SecretTable, node: Noise, me: Party) -> SecretTable:
    """Return the only row, with 0 for NULL: whether there is a value at all would tell of the rows."""
    columns = {}
    for each in node.columns:
        column = table.columns[each.column]
        values = column.values
        if column.present is not None:
            values = multiply(values, bit_to_arithmetic(column.present, me), me)
        columns[each.column] = SecretColumn(values)
    return SecretTable(table.n_rows, columns)


def _filled(table: SecretTable, node: Noise, me: Party) -> SecretTable:
    """Return the groups with those that are missing, and without those that are not named: added as zeros, and grouped."""
    kinds = {f.name: f.type for f in node.schema}
    texts = {name: word for key in node.keys for name, word in _texts(node, key, kinds[key]).items()}
    totals = [each.column for each in node.columns]
    zeros = public_share(0, table.n_rows, me)
    present = table.select([*node.keys, *totals]).with_columns(
        {name: SecretColumn(zeros) for name in (_IS_NAMED, *texts)}
    )
    named = _named(node, present, kinds, texts, me)
    everything = concat([present, named], me)
    specs = [AggregateSpec(name, "sum", name) for name in (*totals, _IS_NAMED, *texts)]
    groups = group_by(everything, node.keys, specs, me)
    is_named = is_zero(groups.columns[_IS_NAMED].values, me).invert(me)
    kept = {name: SecretColumn(groups.columns[name].values) for name in (*totals, *texts)}
    keys = {key: replace(groups.columns[key], present=None) for key in node.keys}
    return SecretTable(groups.n_rows, {**keys, **kept}, both(groups.valid, is_named, me))


def _named(
    node: Noise, beside: SecretTable, kinds: Mapping[str, Type], texts: Mapping[str, list[int]], me: Party
) -> SecretTable:
    """Return a row of zeros for each group that the query names, with the columns of `beside`."""
    combinations = list(product(*node.domains))
    words = {name: [0] * len(combinations) for name in beside.columns}
    words |= {key: [word_of(each[k].value, kinds[key]) for each in combinations] for k, key in enumerate(node.keys)}
    words |= {_IS_NAMED: [1] * len(combinations), **texts}
    columns = {name: replace(beside.columns[name], values=_public(words[name], me), present=None) for name in words}
    return SecretTable(len(combinations), columns)


def _texts(node: Noise, key: str, kind: Type) -> dict[str, list[int]]:
    """Return the bytes of a key that is a long string, whose word is only a code, for each group that is named."""
    if not isinstance(kind, Varchar) or is_packed(kind):
        return {}
    place = node.keys.index(key)
    rows = [text_words(str(each[place].value).encode(), kind.max_bytes) for each in product(*node.domains)]
    return {text_column(key, k): [row[k] for row in rows] for k in range(n_text_words(kind.max_bytes))}


def _public(words: Sequence[int], me: Party) -> AShare:
    return public_share(np.array([word % (1 << 64) for word in words], dtype=np.uint64), len(words), me)
