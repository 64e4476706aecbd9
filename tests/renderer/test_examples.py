"""The worked examples: sound documents, accepted by the policies beside them, and answered as one database would."""

import json
from pathlib import Path

import duckdb
import pytest
from typer.testing import CliRunner

from conclave.plan.show import show_plan
from renderer.check import load_workspace
from renderer.cli import app
from renderer.documents import Workspace
from renderer.plan import compile_run
from renderer.published import opinions, policies_of, read_published
from tests.bench.pooled import pool
from tests.bench.questions import QUESTIONS, SMALL
from tests.conclave.golden import assert_golden
from tests.renderer.conftest import plan
from worker.runspec import Run

ROOT = Path(__file__).parents[2] / "examples"
DATA = ROOT / "data"
GOLDEN = Path(__file__).parents[1] / "golden" / "plans"
# As Conclave has it, in which a diagnosis meets every later medication of its patient.
ASPIRIN = """
    SELECT COUNT(DISTINCT d.patient) FROM diagnoses d JOIN medications m ON d.patient = m.patient
    WHERE d.diagnosis = 'I25' AND m.medication = 'aspirin' AND d.day <= m.day"""


@pytest.fixture(scope="module")
def examples() -> Workspace:
    return load_workspace(ROOT)


def answered(workflow: str, folder: Path = DATA) -> list[tuple[object, ...]]:
    command = ["-C", str(ROOT), "try", "--workflow", f"workflows/{workflow}.yaml", "--data", str(folder), "--json"]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 0, result.output
    return [tuple(row.values()) for row in json.loads(result.stdout)["output"]]


def pooled(run: Run, sql: str, folder: Path = DATA) -> list[tuple[object, ...]]:
    with duckdb.connect() as connection:
        pool(connection, run, folder, "csv")
        return connection.sql(sql).fetchall()


def test_every_example_has_data_and_every_question_a_workflow(examples: Workspace) -> None:
    assert sorted(examples.workflows) == sorted(QUESTIONS)


@pytest.mark.parametrize("workflow", QUESTIONS)
def test_its_plan_is_the_one_that_was_reviewed(examples: Workspace, workflow: str) -> None:
    run = plan(examples, workflow).run
    assert_golden(GOLDEN / f"{workflow}.txt", show_plan(compile_run(run), {}))


@pytest.mark.parametrize("workflow", QUESTIONS)
def test_its_picture_is_the_one_that_was_looked_at(workflow: str, tmp_path: Path) -> None:
    file = tmp_path / "plan.svg"
    result = CliRunner().invoke(app, ["-C", str(ROOT), "plan", f"workflows/{workflow}.yaml", "--graph", str(file)])
    assert result.exit_code == 0, result.output
    assert_golden(GOLDEN / f"{workflow}.svg", file.read_text())


@pytest.mark.parametrize("workflow", QUESTIONS)
def test_the_policies_beside_it_accept_it(examples: Workspace, workflow: str) -> None:
    run, published = plan(examples, workflow).run, read_published(examples)
    said = opinions(compile_run(run, policies_of(published)), run, published)
    assert {opinion.says for opinion in said} == {"accept"}
    assert [opinion.dataset for opinion in said] == [dataset.name for dataset in run.datasets]


@pytest.mark.parametrize("workflow", QUESTIONS)
def test_the_parties_answer_it_as_one_database_does(examples: Workspace, workflow: str) -> None:
    run = plan(examples, workflow).run
    expected = pooled(run, run.query)
    assert expected
    assert answered(workflow) == [
        tuple(pytest.approx(value, abs=1e-8) if isinstance(value, float) else value for value in row)
        for row in expected
    ]


def test_the_first_diagnosis_and_the_last_medication_decide_as_all_pairs_do(examples: Workspace) -> None:
    run = plan(examples, "aspirin-count").run
    assert pooled(run, ASPIRIN) == pooled(run, run.query)
    assert pooled(run, ASPIRIN) != pooled(run, ASPIRIN.replace("AND d.day <= m.day", ""))  # the days do decide


@pytest.mark.parametrize("workflow", QUESTIONS)
def test_the_data_is_what_its_maker_makes(workflow: str, tmp_path: Path) -> None:
    with duckdb.connect() as connection:
        QUESTIONS[workflow].write(tmp_path, SMALL, "csv", connection)
    for name in QUESTIONS[workflow].datasets:
        assert (tmp_path / f"{name}.csv").read_text() == (DATA / f"{name}.csv").read_text()
