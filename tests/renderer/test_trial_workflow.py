"""`ccd try --workflow`: a committed workflow over local files, as its documents declare them."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from renderer.cli import app

VISITS = "ward,kind,cost\nA,day,1.50\nB,NA,2.25\n"
WORKFLOW = ("--workflow", "workflows/visits-by-ward.yaml")


@pytest.fixture
def ccd_try(federation: Path, tmp_path: Path):
    data = tmp_path / "data"

    def run(*options: str, **files: str):
        for party, text in files.items():
            (data / party).mkdir(parents=True, exist_ok=True)
            (data / party / "visits.csv").write_text(text)
        return CliRunner().invoke(app, ["-C", str(federation), "try", *options, "--data", str(data)])

    return run


def test_files_are_read_as_the_documents_declare_them(ccd_try):
    result = ccd_try(*WORKFLOW, "--json", alpha=VISITS, bravo=VISITS)
    assert result.exit_code == 0, result.output
    said = json.loads(result.stdout)
    # NA is NULL at alpha, whose row is then neither equal to anything nor not; at bravo it is a kind like others.
    assert sorted(said["output"], key=str) == [{"ward": "A", "n": 2, "cost": 3.0}, {"ward": "B", "n": 1, "cost": 2.25}]
    assert [column["type"] for column in said["columns"]] == ["varchar(8)", "bigint", "decimal(18,2)"]


def test_a_workflow_can_be_called_by_its_name(ccd_try):
    by_name = ccd_try("--workflow", "visits-by-ward", "--plan", alpha=VISITS, bravo=VISITS)
    assert by_name.exit_code == 0, by_name.output
    assert by_name.stdout == ccd_try(*WORKFLOW, "--plan").stdout


def test_the_plan_names_the_workflows_own_recipients(ccd_try):
    result = ccd_try(*WORKFLOW, "--plan", alpha=VISITS, bravo=VISITS)
    assert "to alpha, carol" in result.stdout


def test_a_file_that_is_not_as_declared_is_refused_at_its_row(ccd_try):
    result = ccd_try(*WORKFLOW, alpha=VISITS, bravo=VISITS + "C,night,1.234\n")
    assert result.exit_code == 20
    assert "cost" in result.stderr
    assert "row 3" in result.stderr
    assert "1.234" not in result.output


def test_a_file_that_is_not_there_is_named(ccd_try):
    result = ccd_try(*WORKFLOW, alpha=VISITS)
    assert result.exit_code == 10
    assert "bravo/visits.csv, and there is no such file" in result.stderr


@pytest.mark.parametrize("options", [(), ("--query", __file__), (*WORKFLOW, "--query", __file__)])
def test_half_of_either_way_is_no_way(ccd_try, options):
    result = ccd_try(*options, alpha=VISITS, bravo=VISITS)
    assert result.exit_code == 2
    assert "give either the query" in result.stderr


def test_recipients_are_the_workflows_to_name(ccd_try):
    result = ccd_try(*WORKFLOW, "--reveal-to", "alpha", alpha=VISITS, bravo=VISITS)
    assert result.exit_code == 2
    assert "the workflow names it" in result.stderr
