"""What plans say of the rows that steps make (`conclave.plan.facts`), held against the rows that the twin makes."""

import numpy as np
import pytest

import conclave.twin
from conclave.ir.types import Varchar, is_packed
from conclave.plan.facts import facts_after


@pytest.fixture
def held_facts(monkeypatch):
    """Let the twin hold each step's rows to what is said of them; return the facts by step, of the last run."""
    apply, known = conclave.twin.apply, {}

    def held(step, tables, *args, **options):
        made = apply(step, tables, *args, **options)
        known[step.name] = facts_after(step, known)
        check(known[step.name], made, step)
        return made

    monkeypatch.setattr(conclave.twin, "apply", held)
    return known


def check(facts, table, step):
    exists = np.ones(table.n_rows, bool) if table.valid is None else np.asarray(table.valid.own).astype(bool)
    if facts.are_first:
        assert not np.any(exists[1:] & ~exists[:-1]), step
    columns = {f.name: column_of(table.columns[f.name], exists) for f in step.schema}
    long = {f.name for f in step.schema if isinstance(f.type, Varchar) and not is_packed(f.type)}
    n_rows = int(exists.sum())
    for some, others in facts.tells:
        assert count(some, columns, n_rows) == count(some | others, columns, n_rows), (step, some, others)
    for key in facts.keys:
        assert count(key, columns, n_rows) == n_rows, (step, key)
    changes = np.zeros(max(n_rows - 1, 0), bool)
    for n, key in enumerate(facts.order, start=1):
        values, nulls = columns[key.column]
        rank = nulls != key.nulls_first
        falls = np.where(rank[1:] == rank[:-1], rises(values, key.descending), rank[1:] < rank[:-1])
        if key.column not in long:  # whose order may be that of the bytes
            assert not np.any(falls & ~changes), (step, key)
        changes |= (values[1:] != values[:-1]) | (nulls[1:] != nulls[:-1])
        together = {key.column for key in facts.order[:n]}
        assert changes.sum() + min(n_rows, 1) == count(together, columns, n_rows), (step, together)


def rises(values, is_descending):
    return values[1:] > values[:-1] if is_descending else values[1:] < values[:-1]


def column_of(column, exists):
    """The values of rows that exist, zero where NULL, and which are NULL."""
    nulls = np.zeros(len(exists), bool) if column.present is None else np.asarray(column.present.own) == 0
    values = np.where(nulls, 0, np.asarray(column.values.own).astype(np.int64))
    return values[exists], nulls[exists]


def count(names, columns, n_rows):
    """How many different combinations of values there are."""
    parts = [part.astype(np.int64) for name in sorted(names) for part in columns[name]]
    return len(np.unique(np.stack(parts, axis=1), axis=0)) if parts else min(n_rows, 1)
