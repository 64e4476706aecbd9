import datetime
import decimal

import pytest

from conclave.ir.expressions import Arithmetic, Case, Cast, Column, Compare, IsNull, Literal, Logic, Negate, Not
from conclave.ir.nodes import Collect, Concat, Input, Join, Limit, Output, Project, Scan, Sort
from conclave.ir.show import show, show_expression
from conclave.ir.types import Boolean, Date, Decimal, Double, Field, Integer, Varchar
from conclave.ir.window import SortKey

A, B = Column("a", Integer()), Column("b", Integer())
P, Q = Column("p", Boolean()), Column("q", Boolean())


@pytest.mark.parametrize(
    ("expression", "text"),
    [
        (Arithmetic("-", A, Arithmetic("-", B, A)), "a - (b - a)"),
        (Arithmetic("-", Arithmetic("-", A, B), A), "a - b - a"),
        (Arithmetic("/", A, Arithmetic("*", B, A)), "a / (b * a)"),
        (Negate(Arithmetic("+", A, B)), "-(a + b)"),
        (Logic("or", Logic("and", P, Q), Not(Logic("or", P, Q))), "p and q or not (p or q)"),
        (Logic("and", Logic("or", P, Q), P), "(p or q) and p"),
        (Not(Compare("<>", A, B)), "not a <> b"),
        (Not(IsNull(Arithmetic("+", A, B))), "a + b is not null"),
        (Compare("=", IsNull(A), P), "(a is null) = p"),
        (Case(((Compare("<", A, B), A),), Literal(None, Integer())), "case when a < b then a else null end"),
        (Cast(A, Decimal(12, 2)), "cast(a as decimal(12,2))"),
        (Literal("it's", Varchar(4)), "'it''s'"),
        (Literal(datetime.date(2013, 1, 31), Date()), "date '2013-01-31'"),
        (Literal(decimal.Decimal("1.50"), Decimal(3, 2)), "1.50"),
        (Literal(2.0, Double()), "2.0e0"),
        (Literal(True, Boolean()), "true"),
        (Column('odd "name"', Integer()), '"odd ""name"""'),
    ],
)
def test_an_expression_prints_as_sql_with_the_parentheses_it_needs(expression, text):
    assert show_expression(expression) == text


def test_a_tree_prints_a_line_for_each_node_with_its_sources_below():
    schema = (Field("a", Integer()),)
    left = Concat((Scan("visits", "alpha/visits", "alpha", schema), Scan("visits", "bravo/may", "bravo", schema)))
    right = Project(Input("step_1", schema), (Output("b", A), Output("is_one", Compare("=", A, Literal(1, Integer())))))
    joined = Join(left, right, (("a", "b"),))
    tree = Collect(Limit(Sort(joined, (SortKey("a", descending=True), SortKey("b", nulls_first=True))), 3), ("carol",))
    assert show(tree).splitlines() == [
        "collect for carol",
        "  limit 3",
        "    sort by a desc, b nulls first",
        "      join on a = b",
        "        concat",
        "          scan visits @alpha",
        "          scan visits @bravo/may",
        "        project b = a, is_one = (a = 1)",
        "          input step_1",
    ]
