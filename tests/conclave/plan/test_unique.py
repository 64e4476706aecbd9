from dataclasses import replace

import pytest

from conclave.compile import compile_query
from conclave.ir.nodes import Concat, Join, Scan
from conclave.ir.types import Field, Integer
from conclave.passes.optimise import optimise
from conclave.plan.steps import MpcStep
from conclave.plan.unique import Uniqueness, unique_side, uniqueness
from conclave.sql.bind import bind
from tests.conclave.plan.samples import TABLES


@pytest.mark.parametrize(
    ("sql", "names", "expected"),
    [
        ("SELECT id, value FROM labs", {"id"}, True),
        ("SELECT id, value FROM labs", {"value"}, False),
        ("SELECT id AS renamed, value FROM labs WHERE value > 3", {"renamed", "value"}, True),
        ("SELECT id + 1 AS id FROM labs", {"id"}, False),
        ("SELECT ward, day, COUNT(*) AS n FROM visits GROUP BY ward, day", {"ward", "day"}, True),
        ("SELECT ward, day, COUNT(*) AS n FROM visits GROUP BY ward, day", {"ward"}, False),
        ("SELECT DISTINCT ward FROM visits", {"ward"}, True),
        ("SELECT id FROM visits", {"id"}, False),
        ("SELECT COUNT(*) AS n FROM visits", set(), True),
        ("SELECT l.id, n FROM labs l CROSS JOIN (SELECT COUNT(*) AS n FROM visits) t", {"id"}, True),
    ],
)
def test_uniqueness_follows_from_declarations_and_groups(sql, names, expected):
    assert (uniqueness(bind(sql, TABLES, ("alpha",)), frozenset(names)) == Uniqueness.KNOWN) is expected


KEYED = Scan(
    "lines",
    "alpha/lines",
    "alpha",
    (Field("part", Integer()), Field("supplier", Integer()), Field("n", Integer())),
    keys=frozenset({("part", "supplier")}),
    keys_in_table=frozenset({("part", "supplier")}),
)


@pytest.mark.parametrize(
    ("sql", "names", "expected"),
    [
        ("SELECT part, supplier AS s FROM lines WHERE n > 3", {"part", "s"}, True),
        ("SELECT part, supplier, n FROM lines", {"part", "supplier", "n"}, True),
        ("SELECT part, supplier FROM lines", {"part"}, False),
        ("SELECT part, supplier + 1 AS supplier FROM lines", {"part", "supplier"}, False),
    ],
)
def test_columns_that_are_a_key_together_tell_rows_apart_only_together(sql, names, expected):
    for parts, certain in (((KEYED,), Uniqueness.KNOWN), ((KEYED, OTHER_LINES), Uniqueness.DECLARED)):
        root = bind(sql, {"lines": Concat(parts)}, ("alpha",))
        assert uniqueness(root, frozenset(names)) == (certain if expected else Uniqueness.NONE)


OTHER_LINES = replace(KEYED, dataset="bravo/lines", owner="bravo")


def test_parts_that_are_unique_each_need_not_be_so_together():
    labs = TABLES["labs"]
    assert isinstance(labs, Scan)
    assert not uniqueness(Concat((labs, labs)), frozenset({"id"}))


PARTS = {
    name: Scan("visits", f"{name}/visits", name, TABLES["labs"].schema, frozenset({"id"}), frozenset(declared))
    for name, declared in {"alpha": {"id"}, "bravo": {"id"}, "carol": set()}.items()
}


@pytest.mark.parametrize(
    ("sql", "owners", "expected"),
    [
        ("SELECT id, value FROM visits", ("alpha", "bravo"), Uniqueness.DECLARED),
        ("SELECT id FROM visits WHERE value > 3", ("alpha", "bravo"), Uniqueness.DECLARED),
        ("SELECT id FROM visits", ("alpha", "bravo", "carol"), Uniqueness.NONE),
        ("SELECT id + 1 AS id FROM visits", ("alpha", "bravo"), Uniqueness.NONE),
        ("SELECT id FROM visits UNION ALL SELECT id FROM visits", ("alpha", "bravo"), Uniqueness.NONE),
        ("SELECT DISTINCT id FROM visits", ("alpha", "carol"), Uniqueness.KNOWN),
        ("SELECT id FROM visits", ("alpha",), Uniqueness.KNOWN),
    ],
)
def test_parts_of_one_table_are_unique_together_by_all_their_owners_word(sql, owners, expected):
    table = Concat(tuple(PARTS[owner] for owner in owners))
    for root in (bind(sql, {"visits": table}, ("alpha",)), optimise(bind(sql, {"visits": table}, ("alpha",)))):
        assert uniqueness(root, frozenset({"id"})) == expected


def test_the_certain_side_of_a_join_is_taken_and_the_declared_one_checked():
    whole = Concat((PARTS["alpha"], PARTS["bravo"]))
    other = Scan("people", "carol/people", "carol", (Field("pid", Integer()),), frozenset({"pid"}))
    assert unique_side(Join(other, whole, (("pid", "id"),))) == ("left", Uniqueness.KNOWN)
    assert unique_side(Join(other, whole, (("pid", "id"),), "left")) == ("right", Uniqueness.DECLARED)
    plan = compile_query(
        "SELECT value FROM p LEFT JOIN v ON p.pid = v.id", {"p": other, "v": whole}, ("x",), ("alpha", "bravo", "carol")
    )
    assert [
        step.checks_keys for step in plan.steps if isinstance(step, MpcStep) and isinstance(step.operator, Join)
    ] == [True]
    assert [(d.to, d.columns) for d in plan.disclosures if d.kind == "key_check"] == [
        (("alpha", "bravo", "carol"), ("id",))
    ]
