"""What a database would say that held everybody's rows: the judge of answers, and what a run's time is held against."""

from pathlib import Path

import duckdb

from conclave.local.sqlexpr import duckdb_type
from worker.runspec import Run, schema_of


def pool(connection: duckdb.DuckDBPyConnection, run: Run, folder: Path, suffix: str) -> None:
    """Make each logical table of a run a view of its files, folder/party/dataset.suffix, all rows together."""
    datasets = {dataset.name: dataset for dataset in run.datasets}
    for table in run.tables:
        files = ", ".join(f"'{folder}/{name}.{suffix}'" for name in table.datasets)
        source = f"read_parquet([{files}])"
        if suffix == "csv":
            columns = {f.name: duckdb_type(f.type) for f in schema_of(datasets[table.datasets[0]])}
            source = f"read_csv([{files}], header = true, columns = {columns})"
        connection.execute(f"CREATE VIEW {table.name} AS SELECT * FROM {source}")
