"""The engine for a party's local steps, with its datasets: DuckDB with what `fetch` has left, or Spark where they lie."""

import importlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from conclave.local.duckdb import LocalEngine
from worker.errors import BadDocument
from worker.runspec import RunSpec, SparkSource, schema_of
from worker.workdir import FetchedAll, WorkDir

if TYPE_CHECKING:
    from conclave.local.spark import SparkEngine


def open_engine(spec: RunSpec, work: WorkDir, secrets: Path) -> "LocalEngine | SparkEngine":
    """Return the engine that the party's document names, empty.

    Raises:  BadDocument, EngineUnavailable.
    """
    on_spark = [source for source in spec.own.sources if isinstance(source, SparkSource)]
    if on_spark and len({(s.endpoint, s.credentials) for s in on_spark} | {None for _ in _others(spec)}) > 1:
        raise BadDocument("the party's datasets do not all lie where one Spark reads them", "own.sources")
    memory = spec.own.capacity.engine_memory
    if not on_spark:
        return LocalEngine(memory, temp_directory=work.spill)
    engine: SparkEngine = _spark().open_spark_engine(on_spark[0], memory, work, secrets)
    return engine


def load(spec: RunSpec, fetched: FetchedAll, work: WorkDir, engine: "LocalEngine | SparkEngine") -> None:
    """Make the datasets that `fetch` has found fit the engine's tables."""
    sources = {source.dataset: source for source in spec.own.sources}
    datasets = {dataset.name: dataset for dataset in spec.run.datasets}
    kept = []
    for each in fetched.datasets:
        source, dataset = sources[each.dataset], datasets[each.dataset]
        if isinstance(source, SparkSource):
            _spark().register(engine, dataset, source, each.version)
            continue
        assert isinstance(engine, LocalEngine)
        path = work.root / each.file
        engine.register_file(each.dataset, path, source.file_format, schema_of(dataset))
        kept += [] if source.file_format.is_text else [path]
    # Texts are in the engine now and have done their duty; Parquet is read where it lies.
    work.remove_data(keep=kept)


def _spark() -> Any:
    """Load what only parties with a Spark need: its engine, and the dialects of SQL that this takes."""
    return importlib.import_module("worker.spark_engine")


def _others(spec: RunSpec) -> list[str]:
    return [source.dataset for source in spec.own.sources if not isinstance(source, SparkSource)]
