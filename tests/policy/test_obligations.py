"""What policies ask to be built into a plan: the verifier finds it there, or refuses, whoever compiled the plan."""

import time
from dataclasses import replace

import pytest

from conclave.compile import compile_query
from conclave.ir.guard import Guard, Protection
from conclave.ir.nodes import Aggregate, Concat, Node, Scan
from conclave.ir.walk import bottom_up, scans_in
from conclave.local.sqltext import to_sql
from conclave.plan.lower import lower
from conclave.plan.steps import LocalStep, ShareStep
from policy.explain import explain, explain_reason
from policy.protections import protections_of, told_rows
from policy.verify import Request, verify
from tests.policy.conftest import PEOPLE, VISITS, policy, scan

COMPUTE = ("alpha", "bravo", "carol")
OF_PERSON = {"alpha/visits": "id", "bravo/visits": "id", "bravo/people": "pid"}
TABLES = {
    "visits": Concat((scan("alpha/visits"), scan("bravo/visits", columns=VISITS))),
    "people": scan("bravo/people"),
    "own": scan("alpha/visits"),
}


def asks(dataset, least=5, **spec):
    """A policy that opens everything to everybody, of enough subjects."""
    kinds = PEOPLE if dataset == "bravo/people" else VISITS
    columns = {n: {"type": t.removesuffix(" not null"), "subject": n == OF_PERSON[dataset]} for n, t in kinds.items()}
    for name, bounds in spec.pop("bounds", {}).items():
        columns[name]["bounds"] = bounds
    grant = {"to": ["*"], "purposes": ["*"], "columns": {name: ["open"] for name in kinds}}
    clauses = {"columns": columns, "grants": [grant], **spec}
    if least:
        clauses["minimum"] = {"subjects": least}
    like = policy("bravo/people" if dataset == "bravo/people" else "alpha/visits", **clauses)
    return like.model_copy(update={"metadata": like.metadata.model_copy(update={"dataset": dataset})})


def everybody(least=5, **spec):
    return {dataset: asks(dataset, least, **spec) for dataset in OF_PERSON}


def compiled(sql, policies, recipients=("analyst",), change=lambda node: node):
    """The plan that workers make; `change` is what a compiler does that cannot be trusted."""
    made = compile_query(sql, TABLES, tuple(recipients), COMPUTE, protections_of(policies))
    root = bottom_up(made.query, change)
    return made if root == made.query else lower(root, made.mpc, to_sql, protections_of(policies))


def codes(sql, policies, **how):
    return [reason.code for reason in verify(compiled(sql, policies, **how), policies, Request("research")).reasons]


GROUPED = "SELECT dept, SUM(pay) AS s FROM visits GROUP BY dept"
ACCEPTED = {
    "groups": GROUPED,
    "a total": "SELECT COUNT(*) AS n, AVG(pay) AS a FROM visits",
    "ranks of groups": f"SELECT dept, RANK() OVER (ORDER BY s) AS place FROM ({GROUPED}) AS g",
    "one owner's": "SELECT dept, MAX(pay) AS m FROM own GROUP BY dept",
    "distinct": "SELECT DISTINCT dept FROM visits",
    "having": "SELECT dept FROM visits GROUP BY dept HAVING COUNT(*) < 9 AND dept <> 'x'",
    "order and limit": f"{GROUPED} ORDER BY s DESC LIMIT 3",
    "a total of groups": f"SELECT SUM(s) AS t FROM ({GROUPED}) AS v",
    "shares of the total of groups": f"""WITH g AS ({GROUPED}), t AS (SELECT SUM(s) AS all_of_it FROM g)
        SELECT dept, 1.0 * s / all_of_it AS share FROM g CROSS JOIN t""",
    "how many persons": "SELECT dept, COUNT(DISTINCT id) AS n FROM visits GROUP BY dept",
    "persons first": """SELECT dept, AVG(p) AS m
        FROM (SELECT dept, id, SUM(pay) AS p FROM visits GROUP BY dept, id) AS v GROUP BY dept""",
    "a join of persons": "SELECT region, AVG(pay) AS m FROM visits JOIN people ON id = pid GROUP BY region",
    "a join by something else": "SELECT region, AVG(pay) AS m FROM visits JOIN people ON pay = income GROUP BY region",
    "a left join": "SELECT region, COUNT(*) AS n FROM visits LEFT JOIN people ON id = pid GROUP BY region",
    "persons that are there": "SELECT dept, COUNT(*) AS n FROM visits WHERE id IN (SELECT pid FROM people) GROUP BY dept",
    "what is often missing": "SELECT COUNT(CASE WHEN age > 60 THEN 1 END) AS n FROM visits",
    "a filter of an aggregate": "SELECT SUM(pay) FILTER (WHERE age > 60) AS s, COUNT(*) AS n FROM visits",
    "what is computed of one row": "SELECT SUM(pay * 2 + age) AS s FROM visits",
    "rows of which none lacks a value": "SELECT COUNT(*) AS n, COUNT(age) AS m FROM visits WHERE age IS NOT NULL",
    "rows that a comparison leaves": "SELECT COUNT(*) AS n, COUNT(age) AS m, SUM(age) AS s FROM visits WHERE age > 3",
    "such rows below a join": """SELECT region, COUNT(*) AS n, COUNT(age) AS m FROM visits JOIN people ON id = pid
        WHERE age IS NOT NULL GROUP BY region""",
    "a number beside the sum of another": "SELECT COUNT(*) AS n, SUM(age) AS s, COUNT(pay) AS p FROM visits",
}


@pytest.mark.parametrize("sql", ACCEPTED.values(), ids=ACCEPTED)
def test_a_compiled_plan_meets_the_minimum(sql):
    assert codes(sql, everybody()) == []


@pytest.mark.parametrize("sql", ACCEPTED.values(), ids=ACCEPTED)
def test_no_plan_meets_it_without_its_guards(sql):
    def forget(node: Node) -> Node:
        return replace(node, guards=()) if isinstance(node, Aggregate) else node

    assert "minimum-not-met" in codes(sql, everybody(), change=forget)


@pytest.mark.parametrize("sql", ACCEPTED.values(), ids=ACCEPTED)
def test_no_plan_meets_it_with_guards_that_ask_for_less(sql):
    def weaken(node: Node) -> Node:
        if not isinstance(node, Aggregate):
            return node
        return replace(node, guards=tuple(replace(guard, least=4) for guard in node.guards))

    assert "minimum-not-met" in codes(sql, everybody(), change=weaken)


@pytest.mark.parametrize("counted", ["pay", "age"])
def test_a_guard_over_another_column_counts_nobody(counted):
    def instead(node: Node) -> Node:
        return replace(node, guards=(Guard(counted, 5),)) if isinstance(node, Aggregate) else node

    sql = "SELECT dept, SUM(pay) AS s, SUM(age) AS a FROM visits GROUP BY dept"
    assert set(codes(sql, everybody(), change=instead)) == {"minimum-not-met"}


def test_a_sum_of_parties_counts_is_no_count_of_subjects():
    """Somebody may be with both: where owners group their rows first, nobody can tell any more."""

    def split(node: Node) -> Node:
        if not (isinstance(node, Aggregate) and isinstance(node.source, Concat)):
            return node
        parts = tuple(replace(node, source=part, guards=()) for part in node.source.parts)
        over = tuple(replace(output, function="sum", over=output.name) for output in node.outputs)
        return replace(node, source=Concat(parts), outputs=over, guards=(Guard(over[0].name, 5),))

    assert set(codes(GROUPED, everybody(), change=split)) == {"minimum-not-met"}


REFUSED = {
    "who has no value": ("SELECT dept, COUNT(*) AS n, COUNT(age) AS m FROM visits GROUP BY dept", "differencing"),
    "who has none, by two columns": ("SELECT COUNT(pay) AS n, COUNT(age) AS m FROM visits", "differencing"),
    "who has none, by a mean": ("SELECT COUNT(*) AS n, SUM(age) AS s, AVG(age) AS a FROM visits", "differencing"),
    "pay of who has none": ("SELECT SUM(pay) AS s, SUM(pay + 0 * age) AS t FROM visits", "differencing"),
    "most pay of who has none": ("SELECT MAX(pay) AS s, MAX(pay + 0 * age) AS t FROM visits", "differencing"),
    "a sum that counts them": ("SELECT COUNT(*) AS n, SUM(1 + 0 * age) AS m FROM visits", "differencing"),
    "who has no match": (
        "SELECT dept, COUNT(*) AS n, COUNT(income) AS m FROM visits LEFT JOIN people ON id = pid GROUP BY dept",
        "differencing",
    ),
    "who has no match, by a constant": (
        """SELECT COUNT(*) AS n, COUNT(one) AS m
        FROM visits LEFT JOIN (SELECT pid, 1 AS one FROM people) AS p ON id = pid""",
        "differencing",
    ),
    "rows": ("SELECT pay FROM visits", "minimum-not-met"),
    "rows in order": ("SELECT pay FROM visits ORDER BY pay LIMIT 3", "minimum-not-met"),
    "how many rows there are": ("SELECT 1 AS one FROM visits", "minimum-not-met"),
    "groups of one": ("SELECT id, SUM(pay) AS s FROM visits GROUP BY id", "minimum-not-met"),
    "persons by number": ("SELECT id + 0 AS i, SUM(pay) AS s FROM visits GROUP BY id + 0", None),
    "one branch without groups": (
        "SELECT pay AS x FROM own UNION ALL SELECT COUNT(*) FROM people GROUP BY region",
        "minimum-not-met",
    ),
    "a match of single rows": (
        "SELECT dept, COUNT(*) AS n FROM own WHERE dept IN (SELECT region FROM people WHERE pid = 7) GROUP BY dept",
        "minimum-not-met",
    ),
    "no match of single rows": (
        "SELECT dept, COUNT(*) AS n FROM own WHERE id NOT IN (SELECT pid FROM people) GROUP BY dept",
        "minimum-not-met",
    ),
    "an exists": (
        "SELECT COUNT(*) AS n FROM own WHERE EXISTS (SELECT 1 FROM people WHERE pid = 7 AND region = dept)",
        "minimum-not-met",
    ),
    "all of it one person's": ("SELECT SUM(CASE WHEN id = 7 THEN pay ELSE 0 END) AS s FROM visits", "minimum-not-countable"),
    "weighed by a condition": ("SELECT SUM(CASE WHEN age > 60 THEN pay ELSE 0 END) AS s FROM visits", "minimum-not-countable"),
    "one of several conditions": (
        "SELECT SUM(CASE WHEN id = 7 THEN pay WHEN id > 0 THEN 1 END) AS s FROM visits",
        "minimum-not-countable",
    ),
    "weighed by the person": ("SELECT SUM(pay * (id - 7)) AS s FROM visits", "minimum-not-countable"),
    "a division trick": ("SELECT SUM(pay / (id - 7)) AS s FROM visits", "minimum-not-countable"),
    "weighed by a step": ("SELECT SUM(pay * (age // 90)) AS s FROM visits", "minimum-not-countable"),
    "weighed by rounding": ("SELECT SUM(pay * FLOOR(age / 90)) AS s FROM visits", "minimum-not-countable"),
    "weighed by a rest": ("SELECT SUM(pay * (age % 2)) AS s FROM visits", "minimum-not-countable"),
    "weighed in two steps": (
        "SELECT SUM(x) AS s FROM (SELECT pay * k AS x FROM (SELECT pay, id - 7 AS k FROM visits) AS v) AS w",
        "minimum-not-countable",
    ),
    "weighed person by person": (
        """SELECT dept, SUM(x) AS s FROM (SELECT dept, id, MAX(CASE WHEN id = 7 THEN pay ELSE 0 END) AS x
        FROM visits GROUP BY dept, id) AS v GROUP BY dept""",
        "minimum-not-countable",
    ),
    "a value of the row before": (
        "SELECT SUM(x) AS s FROM (SELECT LAG(pay) OVER (ORDER BY id) AS x FROM visits) AS v",
        "minimum-not-met",
    ),
    "groups by a window's value": (
        "SELECT x, COUNT(*) AS n FROM (SELECT MAX(pay) OVER () AS x FROM visits) AS v GROUP BY x",
        "minimum-not-met",
    ),
    "rows by their number": (
        "SELECT COUNT(*) AS n FROM (SELECT ROW_NUMBER() OVER (ORDER BY pay) AS x FROM visits) AS v WHERE x = 1",
        "minimum-not-met",
    ),
    "a total beside its groups": (
        f"SELECT dept, s, t FROM ({GROUPED}) AS g CROSS JOIN (SELECT SUM(pay) AS t FROM visits) AS a",
        "differencing",
    ),
    "a total in a UNION": (f"{GROUPED} UNION ALL SELECT 'all', SUM(pay) FROM visits", "differencing"),
    "the same total but for one": (
        """SELECT a - b AS one FROM (SELECT SUM(pay) AS a FROM visits) AS x
        CROSS JOIN (SELECT SUM(pay) AS b FROM visits WHERE id <> 7) AS y""",
        "differencing",
    ),
    "two groupings": (
        "SELECT dept AS d, COUNT(*) AS n FROM visits GROUP BY dept UNION ALL SELECT 'x', COUNT(*) FROM visits GROUP BY age",
        "differencing",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("sql", "code"), REFUSED.values(), ids=REFUSED)
def test_what_would_be_of_too_few_is_refused_or_suppressed(sql, code):
    found = codes(sql, everybody())
    assert (code in found) if code else not found  # None: every group is suppressed


def test_asking_the_same_groups_for_several_things_is_no_differencing():
    sql = f"WITH g AS ({GROUPED}) SELECT a.dept AS d, a.s, b.s AS t FROM g AS a JOIN g AS b ON a.dept = b.dept"
    assert codes(sql, everybody()) == []
    assert codes(sql.replace("visits", "own"), everybody()) == []


def test_a_refusal_says_clause_column_way_and_what_to_do():
    policies = everybody()
    made = compiled("SELECT dept,\n  SUM(CASE WHEN id = 7 THEN pay ELSE 0 END) AS s\nFROM own GROUP BY dept", policies)
    (reason,) = verify(made, policies, Request("research")).reasons
    assert (reason.column, reason.recipient) == ("id", "analyst")
    assert (
        explain_reason(reason, lambda at: f"query, {at}")
        == """\
PolicyViolation: analyst would learn of fewer than 5 subjects of alpha/visits: s_input lets some count for more than \
others in sum(s_input)
  where: query, line 1, column 8
  rule:  alpha/visits policy v3, spec.minimum.subjects: asks for at least 5 different id behind all that is released
  flow:  alpha/visits.id -> aggregate by dept: s = sum(s_input) -> answer to analyst
  fix:   aggregate plain columns: use WHERE, or a CASE with one WHEN and no ELSE"""
    )


@pytest.mark.parametrize(
    ("recipients", "code"),
    [(("alpha",), []), (("bravo",), ["minimum-not-met"]), (("alpha", "analyst"), ["minimum-not-met"])],
)
def test_an_owner_needs_no_minimum_of_its_own(recipients, code):
    policies = {"alpha/visits": asks("alpha/visits")}
    assert codes("SELECT pay FROM own", policies, recipients=recipients) == code


def test_a_recipients_own_subjects_count_for_nobody_it_might_not_know():
    """A guard that counts all would let bravo see a group with one person of alpha's among four of its own."""
    policies = everybody()
    assert codes(GROUPED, policies, recipients=("bravo",)) == []
    for_analyst = compiled(GROUPED, policies).query
    to_bravo = replace(for_analyst, recipients=("bravo",))
    made = lower(to_bravo, compiled(GROUPED, policies).mpc, to_sql, protections_of(policies))
    assert {r.code for r in verify(made, policies, Request("research")).reasons} == {"minimum-not-met"}


def test_the_strictest_minimum_holds():
    policies = {**everybody(), "bravo/visits": asks("bravo/visits", 9)}
    made = compiled(GROUPED, policies)
    assert verify(made, policies, Request("research")).decision == "accept"
    stricter = {**policies, "alpha/visits": asks("alpha/visits", 10)}
    reasons = verify(made, stricter, Request("research")).reasons
    rounded = ("alpha/visits", "not-enforced")  # to tens of its own minimum, which is another
    assert {(r.dataset, r.code) for r in reasons} == {
        rounded,
        *((dataset, "minimum-not-met") for dataset in ("alpha/visits", "bravo/visits")),
    }


def test_who_is_not_said_to_be_a_subject_is_not_counted():
    """Bravo's policy says nothing of whom its rows are about: none of them counts for alpha's minimum."""
    bravo = asks("bravo/visits", 0)
    columns = {name: column.model_copy(update={"subject": False}) for name, column in bravo.spec.columns.items()}
    silent = bravo.model_copy(update={"spec": bravo.spec.model_copy(update={"columns": columns})})
    policies = {"alpha/visits": asks("alpha/visits"), "bravo/visits": silent}
    assert codes(GROUPED, policies) == []
    counting_all = compiled(GROUPED, everybody())
    assert "minimum-not-met" in {r.code for r in verify(counting_all, policies, Request("research")).reasons}


def test_a_minimum_without_subjects_is_refused():
    strange = policy("alpha/visits", {"pay": ["open"]}, minimum={"subjects": 5})
    assert codes("SELECT SUM(pay) AS s FROM own", {"alpha/visits": strange}) == ["minimum-not-met"]


def test_a_minimum_of_one_asks_for_nothing():
    assert codes("SELECT pay FROM own", everybody(1)) == []


BOUNDED = {"bounds": {"pay": [0, 1000.5]}}


def test_bounds_are_part_of_the_plan_or_it_is_refused():
    policies = {"alpha/visits": asks("alpha/visits", 0, **BOUNDED)}
    sql = "SELECT SUM(pay) AS s FROM own"
    assert codes(sql, policies) == []
    without = compile_query(sql, TABLES, ("analyst",), COMPUTE)
    (reason,) = verify(without, policies, Request("research")).reasons
    assert (reason.code, reason.dataset) == ("not-enforced", "alpha/visits")
    clamps = protections_of(policies)["alpha/visits"].clamps
    assert [(c.column, c.low.value, c.high.value) for c in clamps] == [("pay", 0, 1000)]


ALL_BOUNDED = {
    dataset: asks(dataset, 0, bounds={"income": [-9, 9]} if dataset == "bravo/people" else {"pay": [0, 1000.5]})
    for dataset in OF_PERSON
}
NO_BOUNDS = {
    "none": lambda clamps: (),
    "wider": lambda clamps: tuple(replace(c, high=replace(c.high, value=c.high.value + 1)) for c in clamps),
    "from lower on": lambda clamps: tuple(replace(c, low=replace(c.low, value=c.low.value - 1)) for c in clamps),
    "of another column": lambda clamps: tuple(replace(c, column="age") for c in clamps),
}


@pytest.mark.parametrize("other", NO_BOUNDS.values(), ids=NO_BOUNDS)
@pytest.mark.parametrize("sql", ACCEPTED.values(), ids=ACCEPTED)
def test_no_plan_reads_any_dataset_otherwise_than_within_its_bounds(sql, other):
    """Whatever is computed: each dataset's scan in turn, and only that, has lost them."""
    good = compiled(sql, ALL_BOUNDED)
    scans = {scan.dataset for scan in scans_in(good.query)}
    assert verify(good, ALL_BOUNDED, Request("research")).decision == "accept"
    for dataset in scans:

        def change(node: Node, dataset: str = dataset) -> Node:
            is_it = isinstance(node, Scan) and node.dataset == dataset
            return replace(node, clamps=other(node.clamps)) if is_it else node

        refused = verify(compiled(sql, ALL_BOUNDED, change=change), ALL_BOUNDED, Request("research")).reasons
        assert ("not-enforced", dataset) in {(reason.code, reason.dataset) for reason in refused}


def test_bounds_in_the_query_but_not_in_what_an_owner_runs_are_refused():
    policies = {"alpha/visits": asks("alpha/visits", 0, **BOUNDED), "bravo/visits": asks("bravo/visits", 0, **BOUNDED)}
    good, bare = compiled(GROUPED, policies), compile_query(GROUPED, TABLES, ("analyst",), COMPUTE)
    unbounded = {step.name: step for step in bare.steps if isinstance(step, LocalStep)}
    for changed in ("sql", "query and sql"):
        steps = [
            (replace(unbounded[step.name], query=step.query) if changed == "sql" else unbounded[step.name])
            if isinstance(step, LocalStep)
            else step
            for step in good.steps
        ]
        assert {step.name for step in steps if isinstance(step, LocalStep)}
        refused = verify(replace(good, steps=tuple(steps)), policies, Request("research")).reasons
        assert "unfaithful" in {reason.code for reason in refused}


def test_nobody_may_be_clamped_unasked():
    policies = {"alpha/visits": asks("alpha/visits", 0)}
    asked = protections_of({"alpha/visits": asks("alpha/visits", 0, **BOUNDED)})
    made = compile_query("SELECT SUM(pay) AS s FROM own", TABLES, ("analyst",), COMPUTE, asked)
    assert [r.code for r in verify(made, policies, Request("research")).reasons] == ["not-enforced"]


def test_under_a_minimum_numbers_of_rows_are_rounded_unless_padding_says_how():
    of_ten, padded = asks("alpha/visits", 10), asks("alpha/visits", 10, padding={"rows": 1000})
    assert [told_rows(of_ten, n) for n in (0, 7, 100, 101)] == [100, 100, 100, 200]
    assert [told_rows(padded, n) for n in (7, 101)] == [1000, 1000]
    assert [told_rows(asks("alpha/visits", least), 7) for least in (0, 1)] == [7, 7]
    made = compile_query(GROUPED, TABLES, ("analyst",), COMPUTE, protections_of({"alpha/visits": of_ten}))
    assert {step.padding for step in made.steps if isinstance(step, ShareStep) and step.party == "alpha"} == {100}


def test_padding_is_part_of_the_plan_or_it_is_refused():
    policies = everybody(0, padding={"rows": 20})
    assert codes(GROUPED, policies) == []
    for padding in ({}, {"alpha/visits": Protection(padding=20)}, dict.fromkeys(OF_PERSON, Protection(padding=30))):
        made = compile_query(GROUPED, TABLES, ("analyst",), COMPUTE, padding)
        assert "not-enforced" in {r.code for r in verify(made, policies, Request("research")).reasons}
    more = compile_query(GROUPED, TABLES, ("analyst",), COMPUTE, dict.fromkeys(OF_PERSON, Protection(padding=60)))
    assert verify(more, everybody(0, padding={"rows": 20}), Request("research")).decision == "accept"


def test_how_many_rows_meet_a_condition_is_hidden_or_the_plan_is_refused():
    policies = everybody()
    made = compiled("SELECT dept, COUNT(*) AS n FROM visits WHERE id = 7 GROUP BY dept", policies)
    assert verify(made, policies, Request("research")).decision == "accept"
    bare = replace(
        made, steps=tuple(replace(s, hides_filters=False) if isinstance(s, ShareStep) else s for s in made.steps)
    )
    found = {(r.code, r.clause) for r in verify(bare, policies, Request("research")).reasons}
    assert found == {("not-enforced", "spec.minimum.subjects")}


def test_an_accepted_verdict_names_what_it_rests_on():
    policies = {"alpha/visits": asks("alpha/visits", 5, bounds={"pay": [0, 90]}, padding={"rows": 20})}
    verdict = verify(
        compiled("SELECT dept, SUM(pay) AS s FROM own GROUP BY dept", policies), policies, Request("research")
    )
    assert explain(verdict) == (
        "accept: alpha/visits policy v3 for research, with\n"
        "  alpha/visits policy v3, spec.columns.pay.bounds: pay counts as 0 at least and 90 at most\n"
        "  alpha/visits policy v3, spec.minimum.subjects: groups under 5 subjects are suppressed\n"
        "  alpha/visits policy v3, spec.padding.rows: the number of rows put into MPC is rounded up to a multiple of 20"
    )
    refused = verify(compiled("SELECT pay FROM own", policies), policies, Request("research"))
    assert (refused.decision, refused.obligations) == ("reject", ())


def test_a_query_that_doubles_what_it_reads_is_judged_in_time():
    inner = "SELECT dept, pay + 0 AS x0 FROM visits"
    for k in range(25):
        inner = f"SELECT dept, x{k} + x{k} AS x{k + 1} FROM ({inner}) AS v{k}"
    sql = f"SELECT x25, COUNT(*) AS n FROM ({inner}) AS v GROUP BY x25 UNION ALL SELECT 1, COUNT(*) FROM visits"
    policies = everybody()
    made = compiled(sql, policies)
    started = time.process_time()
    found = {reason.code for reason in verify(made, policies, Request("research")).reasons}
    assert "differencing" in found
    assert time.process_time() - started < 5


def test_a_product_of_what_is_computed_again_and_again_is_judged_in_time():
    inner = "SELECT id, CASE WHEN ssn > 1 THEN pay END AS x0, age AS y0 FROM own"
    for k in range(20):
        inner = f"SELECT id, x{k} + y{k} AS x{k + 1}, x{k} - y{k} AS y{k + 1} FROM ({inner}) AS v{k}"
    sql = f"SELECT SUM(x20 * y20) AS s FROM ({inner}) AS v"
    policies = {"alpha/visits": asks("alpha/visits", bounds={"pay": (0, 100), "age": (0, 100)})}
    made = compiled(sql, policies)
    started = time.process_time()
    verify(made, policies, Request("research"))
    assert time.process_time() - started < 5


def test_owners_make_no_pairs_that_would_be_counted():
    """A row of which there are many pairs is told by their number, however that is rounded up."""
    sql = "SELECT MAX(income) AS m FROM own AS a JOIN own AS b ON a.dept = b.dept JOIN people ON a.id = pid"
    policies = everybody()
    made = compiled(sql, policies)
    rounding = {name: Protection(padding=each.padding) for name, each in protections_of(policies).items()}
    pairs_made_locally = lower(made.query, made.mpc, to_sql, rounding)
    said = {plan: verify(plan, policies, Request("research")).reasons for plan in (made, pairs_made_locally)}
    assert not said[made]
    assert any("how many rows of alpha/visits are alike" in reason.what for reason in said[pairs_made_locally])
