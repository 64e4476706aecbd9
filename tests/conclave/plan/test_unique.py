import pytest

from conclave.ir.nodes import Concat, Scan
from conclave.plan.unique import is_unique
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
    assert is_unique(bind(sql, TABLES, ("alpha",)), frozenset(names)) is expected


def test_parts_that_are_unique_each_need_not_be_so_together():
    labs = TABLES["labs"]
    assert isinstance(labs, Scan)
    assert not is_unique(Concat((labs, labs)), frozenset({"id"}))
