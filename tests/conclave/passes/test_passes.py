"""Each pass has cases in tests/fixtures/passes/<pass>.txt: a title, the SQL, and the tree before and after it."""

import functools
import importlib
import pkgutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import duckdb
import pytest

from conclave import passes
from conclave.ir.nodes import Collect, Node
from conclave.ir.show import show
from conclave.local.sqltext import to_sql
from conclave.passes.aggregate_before_join import aggregate_before_join
from conclave.passes.optimise import PASSES, optimise
from conclave.sql.bind import bind
from tests.conclave.golden import assert_golden
from tests.conclave.sql.federation import FIXTURES, RECIPIENTS, TABLES, assert_same_rows, pooled, run

Pass = Callable[[Node], Node]


@dataclass(frozen=True)
class Case:
    title: str
    sql: str


def cases(name: str) -> Iterator[Case]:
    text = (FIXTURES / "passes" / f"{name}.txt").read_text()
    for block in text.strip().removeprefix("== ").split("\n\n== "):
        title, rest = block.split("\n", 1)
        yield Case(title, rest.split("\n-- before", 1)[0].strip())


def before(rewrite: Pass, root: Collect) -> Node:
    """Return the tree as it reaches the pass: rewritten by all those in front of it."""
    if rewrite is aggregate_before_join:  # what policies judge is the query before it
        return optimise(root)
    node: Node = root
    for earlier in PASSES[: PASSES.index(rewrite)] if rewrite in PASSES else ():
        node = earlier(node)
    return node


@functools.cache
def before_and_after(rewrite: Pass, sql: str) -> tuple[Node, Node]:
    """Return the tree as it reaches the pass, and as it leaves it."""
    tree = before(rewrite, bind(sql, TABLES, RECIPIENTS))
    return tree, rewrite(tree)


REWRITES: tuple[Pass, ...] = (*dict.fromkeys(PASSES), optimise, aggregate_before_join)


@pytest.mark.parametrize("rewrite", REWRITES, ids=lambda rewrite: rewrite.__name__)
def test_a_pass_rewrites_as_its_cases_show(rewrite: Pass):
    blocks = []
    for case in cases(rewrite.__name__):
        tree, after = before_and_after(rewrite, case.sql)
        trees = f"-- before\n{show(tree)}\n-- after\n{show(after)}"
        blocks.append(f"== {case.title}\n{case.sql}\n{trees}")
    assert_golden(FIXTURES / "passes" / f"{rewrite.__name__}.txt", "\n\n".join(blocks) + "\n")


@pytest.fixture(scope="module", params=[(7, 9), (8, 0)], ids=["some rows", "no rows"])
def database(request):
    with pooled(*request.param) as connection:
        yield connection


@pytest.mark.parametrize("rewrite", REWRITES, ids=lambda rewrite: rewrite.__name__)
def test_a_pass_is_idempotent_and_keeps_the_answer(rewrite: Pass, database: duckdb.DuckDBPyConnection):
    for case in cases(rewrite.__name__):
        tree, after = before_and_after(rewrite, case.sql)
        assert rewrite(after) == after, case.title
        assert [(f.name, f.type) for f in after.schema] == [(f.name, f.type) for f in tree.schema]
        assert_same_rows(run(database, to_sql(after)), run(database, to_sql(tree)), ordered=False)


@pytest.mark.parametrize("name", sorted(each.name for each in pkgutil.iter_modules(passes.__path__)))
def test_each_pass_says_what_it_reveals_and_why_it_is_safe(name: str):
    said = importlib.import_module(f"conclave.passes.{name}").__doc__ or ""
    if name != "optimise":  # which is all of them
        assert [word for word in ("After:", "Reveals:", "Safe:") if f"\n{word}" not in said] == []


def test_the_fixtures_are_those_of_the_passes():
    names = {path.stem for path in (FIXTURES / "passes").glob("*.txt")}
    assert names == {rewrite.__name__ for rewrite in REWRITES}
