"""Both local engines for one suite: DuckDB in this process, Spark by a real Spark Connect server."""

from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from conclave.ir.nodes import Node
from conclave.ir.types import Schema
from conclave.local.check import FileFacts, check_file
from conclave.local.duckdb import LocalEngine
from conclave.local.engine import Engine
from conclave.local.errors import DataMismatch
from conclave.local.format import PARQUET, FileFormat
from conclave.local.spark import SparkEngine
from conclave.local.sparkcheck import examine_in_spark
from conclave.local.sparkserver import Session
from conclave.local.sparksource import SparkFile
from tests.spark.server import SparkServer

BOTH = ("duckdb", pytest.param("spark", marks=pytest.mark.spark))


@pytest.fixture(scope="session")
def connect_spark(spark_server: SparkServer) -> Callable[[], Session]:
    """Return what opens a session."""
    from conclave.local.sparkserver import Endpoint
    from conclave.local.sparksession import ConnectSession  # there only where the client is

    return lambda: ConnectSession(Endpoint("127.0.0.1", spark_server.port, tls=False, token=spark_server.token))


@pytest.fixture(scope="session")
def spark_session(connect_spark: Callable[[], Session]) -> Iterator[Session]:
    """A session for everything that leaves no trace but views."""
    session = connect_spark()
    yield session
    session.close()


class Tables:
    """An engine that holds datasets and tables of earlier steps."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def run(self, node: Node) -> pa.Table:
        return self.engine.answer(node)

    def rows(self, node: Node) -> list[tuple[Any, ...]]:
        return [tuple(row.values()) for row in self.run(node).to_pylist()]


@pytest.fixture(scope="module", params=BOTH)
def tables(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[dict[str, tuple[Schema, pa.Table]], dict[str, pa.Table]], Tables]]:
    """Return what makes an engine of datasets with their schemas, and of tables."""
    opened: list[LocalEngine | SparkEngine] = []

    def make(datasets: dict[str, tuple[Schema, pa.Table]], given: dict[str, pa.Table]) -> Tables:
        small = LocalEngine(threads=1)
        engine: LocalEngine | SparkEngine = small
        if request.param == "spark":
            engine = SparkEngine(request.getfixturevalue("connect_spark")(), small)
        opened.append(engine)
        folder = tmp_path_factory.mktemp("datasets")
        for number, (name, (schema, table)) in enumerate(datasets.items()):
            if isinstance(engine, LocalEngine):
                engine.register_table(name, table)
                continue
            # In pieces, as Spark writes a table itself.
            path = folder / str(number)
            path.mkdir()
            for part in range(2):
                half = table.slice(part * (table.num_rows // 2), table.num_rows // 2 + part * table.num_rows)
                pq.write_table(half, path / f"part-{part}.parquet")
            engine.register_dataset(name, SparkFile(f"file://{path}", PARQUET, schema))
        for name, table in given.items():
            engine.register_table(name, table)
        return Tables(engine)

    yield make
    for engine in opened:
        engine.close()


class Checker:
    """Something that holds files against their declarations, and says which row it was if it can."""

    def __init__(self, session: Session | None) -> None:
        self.session = session

    def check(
        self, path: Path, how: FileFormat, schema: Schema, unique: Collection[str | tuple[str, ...]] = ()
    ) -> FileFacts:
        if self.session is None:
            return check_file(path, how, schema, unique)
        examined = examine_in_spark(self.session, SparkFile(f"file://{path}", how, schema), unique)
        if examined.facts is None:
            raise DataMismatch(examined.mismatches[0])
        return examined.facts

    def row(self, number: int | None) -> int | None:
        """Return the row that is to be named: many that read at once know none."""
        return number if self.session is None else None


@pytest.fixture(params=BOTH)
def checker(request: pytest.FixtureRequest) -> Checker:
    return Checker(request.getfixturevalue("spark_session") if request.param == "spark" else None)
