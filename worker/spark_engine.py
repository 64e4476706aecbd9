"""The engine of a party whose datasets lie where Spark reads them. Loaded for such parties only: see `worker.engine`."""

from pathlib import Path

from conclave.local.duckdb import LocalEngine
from conclave.local.spark import SparkEngine
from worker.runspec import DatasetSpec, SparkSource
from worker.spark import open_session, spark_file
from worker.workdir import WorkDir


def open_spark_engine(source: SparkSource, memory: str, work: WorkDir, secrets: Path) -> SparkEngine:
    """Return an engine with a session of the server that `source` names, empty.

    Raises:  BadDocument, EngineUnavailable.
    """
    session = open_session(source, secrets)
    return SparkEngine(session, LocalEngine(memory, temp_directory=work.spill))


def register(engine: SparkEngine, dataset: DatasetSpec, source: SparkSource, version: str | None) -> None:
    """Make a dataset fit one of the engine's tables."""
    engine.register_dataset(dataset.name, spark_file(dataset, source), version)
