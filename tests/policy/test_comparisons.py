"""Rules on conditions: what is let through tells apart no more than they allow, with DuckDB as the judge."""

import decimal

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conclave.compile import compile_query
from conclave.ir.expressions import Column, Compare, Literal
from conclave.ir.nodes import Scan
from conclave.ir.types import Double, Field, parse_type
from policy.comparisons import is_allowed
from policy.document import FilterRule, Policy
from policy.parse import parse_policy
from policy.problem import DocumentError
from policy.verify import Request, verify

TYPES = {"ward": "varchar(3)", "day": "date", "days": "integer", "cost": "integer", "share": "double"}
STAYS = Scan("stays", "hospital/stays", "hospital", tuple(Field(n, parse_type(t)) for n, t in TYPES.items()))
RULES = {
    "ward": {"values": ["B", "D"]},
    "day": {"granularity": "month"},
    "days": {"granularity": 10},
    "share": {"granularity": 0.5},
}
COMPUTE = ("hospital", "clinic", "insurer")


def policy(*grants) -> Policy:
    columns = {name: {"type": kind} for name, kind in TYPES.items()}
    made = [{"to": ["institute"], "purposes": ["research"], **grant} for grant in grants]
    metadata = {"dataset": "hospital/stays", "version": 1}
    spec = {"columns": columns, "grants": made}
    document = {"apiVersion": "ccd.dev/v1alpha1", "kind": "Policy", "metadata": metadata, "spec": spec}
    return Policy.model_validate(document)


FILTERS = {"columns": {name: ["filter"] for name in RULES} | {"cost": ["sum"]}, "filters": RULES}


def judge(where, *grants, select="SUM(cost) AS s"):
    sql = f"SELECT {select} FROM stays WHERE {where}"
    plan = compile_query(sql, {"stays": STAYS}, ("institute",), COMPUTE)
    return verify(plan, {"hospital/stays": policy(*(grants or (FILTERS,)))}, Request("research"))


def granule(ward, day, days):
    """What an observer who keeps to the rules can tell of a row."""
    place = None if ward is None else (sum(ward > v for v in "BD"), ward if ward in "BD" else "")
    return place, None if day is None else day[:7], None if days is None else days // 10


WARDS, DAYS = (*"ABCDE", None), (-11, -10, -1, 0, 4, 9, 10, 19, 20, None)
DATES = ("2023-12-31", "2024-01-01", "2024-01-31", "2024-02-01", "2024-02-15", "2024-04-01", None)
GRID = [(w, d, n) for w in WARDS for d in DATES[::2] for n in DAYS[::3]]
GRID += [(w, None, None) for w in WARDS] + [("B", d, 0) for d in DATES] + [("B", None, n) for n in DAYS]
OPERATORS = st.sampled_from(("=", "<>", "<", "<=", ">", ">="))
wards = st.sampled_from("ABCDE").map(lambda ward: f"'{ward}'")
numbers = st.sampled_from((-10, -1, 0, 4, 9, 10, 11, 19, 20)).map(str)
dates = st.sampled_from([date for date in DATES if date]).map(lambda date: f"DATE '{date}'")
atoms = st.one_of(
    st.builds("ward {} {}".format, OPERATORS, wards),
    st.builds("{} {} ward".format, wards, OPERATORS),
    st.builds("ward IN ({}, {})".format, wards, wards),
    st.builds("days {} {}".format, OPERATORS, numbers),
    st.builds("{} {} days".format, numbers, OPERATORS),
    st.builds("days BETWEEN {} AND {}".format, numbers, numbers),
    st.builds("days + 1 {} {}".format, OPERATORS, numbers),
    st.builds("days // 10 {} {}".format, OPERATORS, numbers),
    st.builds("day {} {}".format, OPERATORS, dates),
    st.builds("day BETWEEN {} AND {}".format, dates, dates),
    st.builds("month(day) {} {}".format, OPERATORS, st.integers(1, 4)),
    st.builds("dayofweek(day) {} {}".format, OPERATORS, st.integers(1, 4)),
    st.builds(
        "date_trunc('{}', day) {} {}".format, st.sampled_from(("year", "quarter", "month", "week")), OPERATORS, dates
    ),
    st.sampled_from(
        ("ward LIKE 'A%'", "ward IS NULL", "days IS NOT NULL", "lower(ward) = 'b'", "COALESCE(ward, 'B') = 'B'")
    ),
)
wheres = st.recursive(
    atoms,
    lambda inner: st.one_of(
        inner.map("NOT ({})".format),
        st.builds("({}) {} ({})".format, inner, st.sampled_from(("AND", "OR")), inner),
        st.builds("CASE WHEN {} THEN 1 WHEN {} THEN 2 ELSE 3 END < 3".format, inner, inner),
        st.builds("CASE WHEN {} THEN days ELSE 10 END >= 10".format, inner),
    ),
    max_leaves=3,
)


def passes(where):
    """For each row of the grid, whether it meets the condition."""
    rows = ", ".join(
        f"({k}, {'NULL' if w is None else repr(w)}, {'NULL' if d is None else repr(d)}::DATE, {'NULL' if n is None else n})"
        for k, (w, d, n) in enumerate(GRID)
    )
    sql = f"SELECT k, coalesce({where}, false) FROM (VALUES {rows}) AS t(k, ward, day, days) ORDER BY k"
    return [met for _, met in duckdb.sql(sql).fetchall()]


@settings(max_examples=200, deadline=None)
@given(where=wheres)
def test_what_is_let_through_is_constant_within_what_may_not_be_told_apart(where):
    if judge(where).decision == "accept":
        told: dict[object, bool] = {}
        for row, met in zip(GRID, passes(where), strict=True):
            # Of a NULL no comparison is true; whether it is one is told apart only from all the others.
            assert told.setdefault(granule(*row), met) == met, (where, row)


@pytest.mark.parametrize(
    "where",
    [
        "ward = 'B'",
        "'D' > ward",
        "ward NOT IN ('B', 'D') AND (ward < 'B' OR NOT ward >= 'D')",
        "days >= 10 AND days < 30",
        "days BETWEEN -10 AND 9",
        "day >= DATE '2024-01-01' AND day < DATE '2024-03-01'",
        "year(day) = 2024 AND month(day) IN (1, 2)",
        "date_trunc('month', day) >= DATE '2024-01-15'",
        "share >= 0.5 AND share < 1.5e0",
    ],
)
def test_what_keeps_to_the_rules_is_let_through(where):
    assert judge(where).decision == "accept"


@pytest.mark.parametrize("where", ["share > 0.5", "share <= 1.0", "share = 0.5", "share >= 0.25", "share * 2 >= 1"])
def test_the_ends_of_steps_of_a_double_belong_to_the_step_above(where):
    assert judge(where).decision == "reject"


SUMS = {
    "columns": {"days": ["filter", "sum"], "share": ["filter", "sum"], "day": ["filter"], "cost": ["sum"]},
    "filters": {"days": {"granularity": 10}, "share": {"granularity": 0.5}, "day": {"granularity": "month"}},
    "expressions": True,
}


@pytest.mark.parametrize(
    "over",
    ["days * days", "cost * (days - 1) * (days - 2)", "POW(days - 7, 2)", "cost * (days - share) * (days + cost)",
     "cost * ((days + 1e17) - 1e17)", "cost * (days * 1e-12)", "cost * (days / 1e12)", "cost * (days // 10)",
     "cost / (days - 7)", "ABS(days - 7)", "cost * SQRT((days - 7) * (days - 7))", "cost * FLOOR((days + 3) / 10)",
     "CASE WHEN days + 3 >= 10 THEN cost END", "cost * (day - DATE_TRUNC('month', day)) // 15"],
)  # fmt: skip
def test_no_arithmetic_stands_for_a_condition(over):
    reasons = judge("share >= 0.5", SUMS, select=f"SUM({over}) AS s").reasons
    assert "comparison-not-granted" in {reason.code for reason in reasons}


@pytest.mark.parametrize("over", ["cost * days", "days * 1.5", "days + share", "cost * days * share", "days / 30"])
def test_products_of_different_columns_are_none(over):
    assert judge("share >= 0.5", SUMS, select=f"SUM({over}) AS s").decision == "accept"


@pytest.mark.parametrize(
    "where",
    ["day - date_trunc('month', day) < 15", "date_trunc('month', day + 3) = DATE '2024-02-01'",
     "date_trunc('month', date_trunc('month', day) + 40) = DATE '2024-02-01'", "date_trunc('month', day) = day",
     "days + 0.5 >= 10", "FLOOR((days + 3) / 10) = 1", "ROUND(ROUND(days / 4) / 3) >= 1", "-days <= -13",
     "month(day) < days", "(days >= 10) = (days >= 13)", "GREATEST(days, 10) > 13", "COALESCE(days, 3) >= 10",
     "day + INTERVAL 1 MONTH >= DATE '2024-03-15'", "days IN (10, 20)", "days IS DISTINCT FROM 10",
     "year(date_trunc('week', day)) = 2024", "dayofyear(day) < 32", "days >= (SELECT MAX(days) FROM stays)"],
)  # fmt: skip
def test_steps_are_not_shifted_by_rounding_twice_or_by_arithmetic(where):
    reasons = judge(where).reasons
    assert "comparison-not-granted" in {reason.code for reason in reasons}


def test_the_refusal_says_what_may_be_compared():
    (reason,) = judge("days >= 13").reasons
    assert reason.code == "comparison-not-granted"
    assert reason.clause == "spec.grants[0].filters.days"
    assert reason.says == "lets institute filter by days by steps of 10, and in no other way"
    assert "compare days itself, by steps of 10; or ask hospital to grant institute more" in reason.fix


def test_grants_add_up_condition_by_condition():
    more = {"columns": {"ward": ["filter"]}, "filters": {"ward": {"values": ["A", None]}}}
    assert judge("ward = 'A' OR ward = 'B' OR ward IS NULL", FILTERS, more).decision == "accept"
    assert judge("ward = 'C'", FILTERS, more).decision == "reject"
    assert judge("ward = 'C'", FILTERS, {"columns": {"ward": ["filter"]}}).decision == "accept"


def test_a_rule_is_for_its_recipients_alone():
    """What one recipient may ask, another may not, and both get the answer."""
    other = {"to": ["clinic"], "columns": {"ward": ["filter"], "cost": ["sum"]}}
    sql = "SELECT SUM(cost) AS s FROM stays WHERE ward = 'C'"
    plan = compile_query(sql, {"stays": STAYS}, ("clinic", "institute"), COMPUTE)
    reasons = verify(plan, {"hospital/stays": policy(FILTERS, other)}, Request("research")).reasons
    assert [(reason.code, reason.recipient) for reason in reasons] == [("comparison-not-granted", "institute")]


@pytest.mark.parametrize(
    ("rule", "what"),
    [
        ("ward: {granularity: month}", "a varchar(3) has no month"),
        ("ward: {values: [3]}", "compares varchar(3) with a value of another type"),
        ("ward: {}", "says neither values nor granularity"),
        ("days: {granularity: 0}", "greater than 0"),
        ("days: {granularity: 2.5}", "whole numbers need a step that is one"),
        ("day: {granularity: 7}", "a date has no steps of a number"),
        ("day: {values: [2024-02-31]}", "compares date with a value of another type"),
        ("cost: {values: [3]}", "says how a column may decide that may not"),
        ("share: {values: [0.5]}", "says how a column may decide that the same grant opens"),
    ],
)
def test_a_rule_that_is_none_is_a_problem_at_its_line(rule, what):
    columns = "\n".join(f"    {name}: {{type: {kind}}}" for name, kind in TYPES.items())
    text = f"""\
apiVersion: ccd.dev/v1alpha1
kind: Policy
metadata: {{dataset: hospital/stays, version: 1}}
spec:
  columns:
{columns}
  grants:
    - to: [institute]
      purposes: [research]
      columns: {{ward: [filter], day: [filter], days: [filter], cost: [sum], share: [open]}}
      filters:
        {rule}
"""
    with pytest.raises(DocumentError) as caught:
        parse_policy(text, "p.yaml")
    assert any(what in problem.what and problem.line >= 15 for problem in caught.value.problems), caught.value


@pytest.mark.parametrize("precision", [1, 28, 4000])
def test_steps_do_not_hang_on_the_callers_decimal_context(precision):
    rule, kind = FilterRule(granularity=10), Double()
    asked = [Compare(">=", Column("w", kind), Literal(value, kind)) for value in (1e40, 1e300, 1e40 + 1e25, 25.0)]
    with decimal.localcontext(decimal.Context(prec=precision)):
        assert [is_allowed(rule, each) for each in asked] == [True, True, True, False]
