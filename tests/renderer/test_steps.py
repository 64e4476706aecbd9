"""`spec.steps`: the same plan as the SQL that says the same, the same answer, and errors at the step's own field."""

import json
import re
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from conclave.compile import compile_query
from conclave.ir.show import show
from conclave.plan.wire import digest
from policy.problem import DocumentError
from renderer.check import load_workspace
from renderer.cli import app
from tests.renderer.conftest import NOW, plan
from worker.runspec import Run, tables_of

EXAMPLES = Path(__file__).parents[2] / "examples"
HEAD = """---
apiVersion: ccd.dev/v1alpha1
kind: Workflow
metadata: {name: asked}
spec:
  purpose: planning
  tables:
    visits: [alpha/visits, bravo/visits]
    beds: [alpha/beds]
  outputs: {recipients: [alpha], writer: alpha, container: answers}
  steps:
"""
VISITS, BEDS = "{op: create, name: visits}", "{op: create, name: beds}"
COLLECT = "{op: collect, from: x}"
# What is said in steps, beside SQL that says the same.
TWINS = {
    "create": (["{op: create, name: x, table: visits}"], "SELECT * FROM visits"),
    "project": (
        [VISITS, "{op: project, name: x, from: visits, columns: [cost, ward]}"],
        "SELECT cost, ward FROM visits",
    ),
    "project, renamed": (
        [VISITS, "{op: project, name: x, from: visits, columns: {where: ward, paid: cost}}"],
        'SELECT ward AS "where", cost AS paid FROM visits',
    ),
    "filter by a value": (
        [VISITS, "{op: filter, name: x, from: visits, column: cost, operator: '>=', value: 0.10}"],
        "SELECT * FROM visits WHERE cost >= 0.1",
    ),
    "filter by text": (
        [VISITS, "{op: filter, name: x, from: visits, column: kind, operator: '<>', value: it's}"],
        "SELECT * FROM visits WHERE kind <> 'it''s'",
    ),
    "filter by a column": (
        [VISITS, "{op: filter, name: x, from: visits, column: kind, operator: '=', other: ward}"],
        "SELECT * FROM visits WHERE kind = ward",
    ),
    "filter_by": (
        [VISITS, BEDS, "{op: filter_by, name: x, from: visits, column: ward, by: beds}"],
        "SELECT * FROM visits v WHERE EXISTS (SELECT * FROM beds b WHERE b.ward = v.ward)",
    ),
    "filter_by, not in": (
        [VISITS, BEDS, "{op: filter_by, name: x, from: visits, column: kind, by: beds, byColumn: ward, keep: not in}"],
        "SELECT * FROM visits v WHERE NOT EXISTS (SELECT * FROM beds b WHERE b.ward = v.kind)",
    ),
    "multiply": (
        [VISITS, "{op: multiply, name: x, from: visits, operands: [cost, cost, 3], as: area}"],
        "SELECT *, cost * cost * 3 AS area FROM visits",
    ),
    "divide": (
        [VISITS, "{op: divide, name: x, from: visits, operands: [cost, 0.5], as: halves}"],
        "SELECT *, cost / 0.5 AS halves FROM visits",
    ),
    "aggregate": (
        [
            VISITS,
            "{op: aggregate, name: x, from: visits, by: [ward], compute: [{function: mean, over: cost, as: mean},"
            " {function: count, as: n}, {function: median, over: cost, as: middle}]}",
        ],
        "SELECT ward, AVG(cost) AS mean, COUNT(*) AS n, MEDIAN(cost) AS middle FROM visits GROUP BY ward",
    ),
    "aggregate, of all rows": (
        [VISITS, "{op: aggregate, name: x, from: visits, compute: [{function: variance, over: cost, as: spread}]}"],
        "SELECT VAR_SAMP(cost) AS spread FROM visits",
    ),
    "join": (
        [VISITS, BEDS, "{op: join, name: x, left: visits, right: beds, on: [ward], how: left}"],
        "SELECT * FROM visits LEFT JOIN beds USING (ward)",
    ),
    "join on two names": (
        [
            VISITS,
            BEDS,
            "{op: project, name: rooms, from: beds, columns: {room: ward, beds: beds}}",
            "{op: join, name: x, left: visits, right: rooms, on: {kind: room}}",
        ],
        "SELECT * FROM visits JOIN (SELECT ward AS room, beds FROM beds) r ON kind = r.room",
    ),
    "semi join": (
        [VISITS, BEDS, "{op: join, name: x, left: visits, right: beds, on: [ward], how: semi}"],
        "SELECT * FROM visits SEMI JOIN beds USING (ward)",
    ),
    "concat": (
        [VISITS, "{op: concat, name: x, from: [visits, visits]}"],
        "SELECT * FROM visits UNION ALL SELECT * FROM visits",
    ),
    "union": (
        [VISITS, "{op: union, name: x, from: [visits, visits]}"],
        "SELECT * FROM visits UNION SELECT * FROM visits",
    ),
    "concat_cols, num_rows": (
        [VISITS, "{op: num_rows, name: n, from: visits, as: n}", "{op: concat_cols, name: x, left: visits, right: n}"],
        "SELECT * FROM visits CROSS JOIN (SELECT COUNT(*) AS n FROM visits) t",
    ),
    "distinct": (
        [VISITS, "{op: distinct, name: x, from: visits, columns: [ward, kind]}"],
        "SELECT DISTINCT ward, kind FROM visits",
    ),
    "distinct rows": ([VISITS, "{op: distinct, name: x, from: visits}"], "SELECT DISTINCT * FROM visits"),
    "distinct_count": (
        [VISITS, "{op: distinct_count, name: x, from: visits, column: kind, by: [ward], as: kinds}"],
        "SELECT ward, COUNT(DISTINCT kind) AS kinds FROM visits GROUP BY ward",
    ),
    "sort_by, limit": (
        [
            VISITS,
            "{op: sort_by, name: sorted, from: visits, columns: [cost, ward], descending: [cost]}",
            "{op: limit, name: x, from: sorted, rows: 3}",
        ],
        "SELECT * FROM visits ORDER BY cost DESC, ward LIMIT 3",
    ),
    "index": (
        [VISITS, "{op: index, name: x, from: visits, by: [cost, ward], as: place}"],
        "SELECT *, ROW_NUMBER() OVER (ORDER BY cost, ward) AS place FROM visits",
    ),
    "shuffle": ([VISITS, "{op: shuffle, name: x, from: visits}"], "SELECT * FROM visits"),
}
ASPIRIN = """
    - {op: create, name: diagnoses}
    - {op: create, name: medications}
    - {op: filter, name: heart, from: diagnoses, column: diagnosis, operator: "=", value: I25}
    - {op: aggregate, name: ill, from: heart, by: [patient], compute: [{function: min, over: day, as: since}]}
    - {op: filter, name: aspirin, from: medications, column: medication, operator: "=", value: aspirin}
    - {op: aggregate, name: treated, from: aspirin, by: [patient], compute: [{function: max, over: day, as: until}]}
    - {op: join, name: both, left: ill, right: treated, on: [patient]}
    - {op: filter, name: after, from: both, column: since, operator: "<=", other: until}
    - {op: num_rows, name: patients, from: after, as: patients}
    - {op: collect, from: patients}
"""
CONCENTRATION = """
    - {op: create, name: trips}
    - {op: aggregate, name: revenues, from: trips, by: [company], compute: [{function: sum, over: fare, as: revenue}]}
    - {op: aggregate, name: market, from: revenues, compute: [{function: sum, over: revenue, as: total}]}
    - {op: concat_cols, name: beside, left: revenues, right: market}
    - {op: divide, name: shares, from: beside, operands: [revenue, total], as: share}
    - {op: multiply, name: squares, from: shares, operands: [share, share], as: square}
    - {op: aggregate, name: index, from: squares, compute: [{function: sum, over: square, as: hhi}]}
    - {op: collect, from: index}
"""


def asked(federation: Path, steps: list[str]) -> Run:
    said = "".join(f"    - {step}\n" for step in steps)
    # A table that nobody reads is refused.
    text = (HEAD if "beds" in said else HEAD.replace("    beds: [alpha/beds]\n", "")) + said
    (federation / "workflows" / "asked.yaml").write_text(text)
    return plan(load_workspace(federation, NOW), "asked").run


def test_every_operator_has_a_twin():
    used = {word.partition("op: ")[2].partition(",")[0] for steps, _ in TWINS.values() for word in steps}
    named = "create project filter filter_by multiply divide aggregate join concat concat_cols union distinct "
    named += "distinct_count sort_by limit index num_rows shuffle"
    assert used == set(named.split())


@pytest.mark.parametrize("name", TWINS)
def test_steps_and_sql_that_say_the_same_are_one_plan(federation, name):
    steps, sql = TWINS[name]
    run = asked(federation, [*steps, COLLECT])
    asks = (tables_of(run), run.outputs.recipients, run.mpc.compute)
    mine, theirs = compile_query(run.query, *asks), compile_query(sql, *asks)
    assert show(mine.query) == show(theirs.query)
    assert digest(mine) == digest(theirs)


@pytest.mark.parametrize(("workflow", "steps"), [("aspirin-count", ASPIRIN), ("market-concentration", CONCENTRATION)])
def test_an_example_in_steps_is_answered_as_in_sql(tmp_path, workflow, steps):
    shutil.copytree(EXAMPLES, tmp_path, dirs_exist_ok=True)
    file = tmp_path / "workflows" / f"{workflow}.yaml"

    def answer():
        command = ["-C", str(tmp_path), "try", "--workflow", str(file), "--data", str(tmp_path / "data"), "--json"]
        result = CliRunner().invoke(app, command)
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)["output"]

    expected = answer()
    before, _, rest = file.read_text().partition("  query: |\n")
    _, _, after = rest.partition("  outputs:")
    file.write_text(f"{before}  steps:{steps}  outputs:{after}")
    (mine,), (theirs,) = answer(), expected
    assert mine == {name: pytest.approx(value, abs=1e-8) for name, value in theirs.items()}


REFUSED = {
    "a relation that is not there": (
        [VISITS, "{op: distinct, name: x, from: wisits}", COLLECT],
        "steps[1].from: there is no step wisits before this one (fix: the steps before it are: visits)",
    ),
    "a relation that comes later": (
        ["{op: concat, name: x, from: [visits, visits]}", VISITS, COLLECT],
        "steps[0].from[1]: there is no step visits before this one (fix: the steps before it are: none)",
    ),
    "a table that is not there": (
        ["{op: create, name: x, table: wards}", COLLECT],
        "steps[0].table: there is no table wards (fix: the tables are: visits)",
    ),
    "a column that is not there": (
        [VISITS, "{op: project, name: x, from: visits, columns: [ward, costs]}", COLLECT],
        "steps[1].columns[1]: no column costs here; there are ward, kind, cost (fix: write cost)",
    ),
    "an operand that is not there": (
        [VISITS, "{op: multiply, name: x, from: visits, operands: [2, price], as: y}", COLLECT],
        "steps[1].operands[1]: no column price here; there are ward, kind, cost",
    ),
    "an aggregate of text": (
        [VISITS, "{op: aggregate, name: x, from: visits, compute: [{function: sum, over: kind, as: y}]}", COLLECT],
        "steps[1].compute[0].function: SUM needs numbers, got varchar(20)",
    ),
    "an operator that is not there": (
        [VISITS, "{op: filter-by, name: x, from: visits}", COLLECT],
        "steps[1].op: must be one of",
    ),
    "a field that is not there": (
        [VISITS, "{op: limit, name: x, from: visits, count: 3}", COLLECT],
        "steps[1].count: there is no such field here",
    ),
    "order that would be lost": (
        [
            VISITS,
            "{op: sort_by, name: s, from: visits, columns: [cost]}",
            "{op: project, name: x, from: s, columns: [ward]}",
            COLLECT,
        ],
        "steps[2].from: rows have no order but at the end, and s is sorted",
    ),
    "a limit in the middle": (
        [VISITS, "{op: limit, name: s, from: visits, rows: 3}", "{op: num_rows, name: x, from: s, as: n}", COLLECT],
        "steps[2].from: rows have no order but at the end, and s is cut",
    ),
    "columns of many rows": (
        [VISITS, BEDS, "{op: concat_cols, name: x, left: visits, right: beds}", COLLECT],
        "steps[2].right: a cross join of two tables of many rows is not supported",
    ),
    "a name of two steps": (
        [VISITS, "{op: distinct, name: visits, from: visits}", COLLECT.replace("x", "visits")],
        "steps[1].name: is also the name of a step before it (fix: give the step a name of its own)",
    ),
    "a name of a table": (
        [VISITS, "{op: distinct, name: beds, from: visits}", COLLECT.replace("x", "beds")],
        "steps[1].name: is also the name of a table",
    ),
    "nothing collected": ([VISITS], "steps[0].op: is the last step, and collects nothing"),
    "collected twice": (
        [VISITS, "{op: collect, from: visits}", "{op: collect, from: visits}"],
        "steps[1].op: is not the last step (fix: end with one step `op: collect`)",
    ),
    "a filter by nothing": (
        [VISITS, "{op: filter, name: x, from: visits, column: cost, operator: '='}", COLLECT],
        "steps[1].value: is missing, or stands beside `other`",
    ),
    "descending by something else": (
        [VISITS, "{op: sort_by, name: x, from: visits, columns: [cost], descending: [ward]}", COLLECT],
        "steps[1].descending: names ward, which is not among `columns`",
    ),
    "no step at all": ([], "spec.query: is missing, and so is spec.steps"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_wrong_is_said_at_the_step_and_its_field(federation, name):
    steps, said = REFUSED[name]
    with pytest.raises(DocumentError) as caught:
        asked(federation, steps)
    lines = [re.sub(r"\s+fix: (.*)", r" (fix: \1)", str(problem)) for problem in caught.value.problems]
    assert any(said in line for line in lines), lines
    if "steps[" in said:
        number = int(said.partition("[")[2].partition("]")[0])
        at = len(HEAD.splitlines()) + ("beds" in str(steps)) + number
        assert any(f"asked.yaml:{at}:" in line for line in lines), lines


def test_neither_query_nor_steps_is_no_computation(federation):
    (federation / "workflows" / "asked.yaml").write_text(HEAD.replace("  steps:\n", ""))
    with pytest.raises(DocumentError, match=r"spec\.query: is missing, and so is spec\.steps"):
        load_workspace(federation, NOW)


def test_the_steps_in_the_handbook_are_those_that_are_tried():
    handbook = (EXAMPLES.parent / "docs" / "steps.md").read_text()
    shown = handbook.partition("```yaml\nsteps:\n")[2].partition("```")[0]
    assert shown.split() == CONCENTRATION.split()
