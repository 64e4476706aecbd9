from conclave.ir.expressions import Arithmetic, Column, Literal, Logic
from conclave.ir.nodes import Aggregate, AggregateOutput, Concat, CrossOne, Filter, Limit, Project, Scan
from conclave.ir.types import Boolean, Field, Integer
from conclave.ir.walk import all_of, bottom_up, conjuncts, is_one_row, nodes_in, owner_of, scans_in, substitute


def scan(owner: str, *columns: str) -> Scan:
    return Scan("visits", f"{owner}/visits", owner, tuple(Field(name, Integer()) for name in columns))


def test_a_tree_has_an_owner_only_if_all_its_scans_have_the_same():
    alpha, bravo = scan("alpha", "ward"), scan("bravo", "ward")
    assert owner_of(Limit(Concat((alpha, alpha)), 3)) == "alpha"
    assert owner_of(Concat((alpha, bravo))) is None


def test_a_subtree_that_is_used_twice_is_visited_and_rebuilt_once():
    shared = Limit(scan("alpha", "ward"), 3)
    tree = Concat((shared, shared))
    assert [type(node) for node in nodes_in(tree)] == [Concat, Limit, Scan]
    rebuilt = bottom_up(tree, lambda node: Limit(node.source, 4) if isinstance(node, Limit) else node)
    assert isinstance(rebuilt, Concat)
    assert rebuilt.parts[0] is rebuilt.parts[1]
    assert len(scans_in(rebuilt)) == 1


def test_a_tree_that_nothing_changes_in_is_the_same_object():
    tree = Concat((Limit(scan("alpha", "ward"), 3), scan("bravo", "ward")))
    assert bottom_up(tree, lambda node: node) is tree


def test_users_come_before_what_they_use():
    shared = Limit(scan("alpha", "ward"), 3)
    above = Limit(shared, 2)
    for tree in (Concat((shared, above)), Concat((above, shared))):
        order = list(nodes_in(tree))
        assert order.index(above) < order.index(shared)


def test_only_an_ungrouped_aggregate_and_what_keeps_its_row_has_one_row():
    n = (AggregateOutput("n", "count", None),)
    whole, by_ward = (Aggregate(scan("alpha", "ward"), keys, n) for keys in ((), ("ward",)))
    other = Aggregate(scan("alpha", "ward"), (), (AggregateOutput("m", "count", None),))
    true = Literal(True, Boolean())
    assert is_one_row(CrossOne(whole, Project(other, ())))
    assert not any(map(is_one_row, (by_ward, Filter(whole, true), Limit(whole, 0), CrossOne(by_ward, other))))


def test_substitution_replaces_columns_by_name():
    a, b, one = Column("a", Integer()), Column("b", Integer()), Literal(1, Integer())
    assert substitute(Arithmetic("+", a, b), {"a": one}) == Arithmetic("+", one, b)


def test_conjuncts_are_the_parts_of_and_alone():
    a, b, c = (Column(name, Boolean()) for name in "abc")
    either = Logic("or", a, b)
    assert conjuncts(all_of((either, c, a))) == (either, c, a)
