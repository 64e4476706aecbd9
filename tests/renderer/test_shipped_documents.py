"""The shipped documents are sound, and their declarations hold for the real flights."""

from pathlib import Path

import pytest

from conclave.compile import compile_query
from conclave.local.check import check_file
from renderer.check import load_workspace
from renderer.dataset import source_of
from renderer.dev.flights import ROWS, split_flights
from renderer.documents import Workspace
from tests.renderer.conftest import plan
from worker.runspec import schema_of, tables_of

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def shipped() -> Workspace:
    return load_workspace(ROOT)


def test_declarations_hold_for_every_flight(shipped: Workspace, tmp_path: Path) -> None:
    files = split_flights(tmp_path)
    declared = {dataset.name: schema_of(dataset) for dataset in plan(shipped, "arrival-delays").run.datasets}

    for party, path in files.items():
        spec = shipped.parties[party].model.spec
        declared_as = source_of(f"{party}/flights", spec.datasets["flights"], spec.engine).file_format
        facts = check_file(path, declared_as, declared[f"{party}/flights"])
        assert facts.n_rows == ROWS[party]


@pytest.mark.parametrize(
    ("workflow", "columns"),
    [("market-concentration", ["hhi"]), ("arrival-delays", ["carrier", "mean_arrival_delay", "flights"])],
)
def test_workflows_compile_to_the_columns_they_promise(shipped: Workspace, workflow: str, columns: list[str]) -> None:
    run = plan(shipped, workflow).run

    compiled = compile_query(run.query, tables_of(run), run.outputs.recipients, run.mpc.compute)

    assert [field.name for field in compiled.answer] == columns
    assert run.mpc.compute == ("ewr", "jfk", "lga")
