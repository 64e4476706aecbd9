"""The local engine whose data outgrow one machine: local steps run on Spark, where the data lie, and answers come back.

Nothing of the data is brought to the worker but the answers to the steps. What reads none of the party's datasets, such
as the ordering of an answer, stays in the worker, in DuckDB: other owners' answers have no business at Spark.

A dataset is checked once and read later, so somebody could exchange its files in between: what is listed of them is
compared before and after each step.
"""

from types import TracebackType

import pyarrow as pa

from conclave.ir.nodes import Input, Node, Scan
from conclave.ir.types import Schema
from conclave.ir.walk import children, scans_in
from conclave.local.duckdb import LocalEngine
from conclave.local.encode import arrow_type
from conclave.local.errors import DataMismatch, LocalError, Mismatch
from conclave.local.sparkserver import Session, same_files
from conclave.local.sparksource import SparkFile, guarded, open_file
from conclave.local.sparksql import to_spark_sql
from conclave.local.sqltext import to_sql


class SparkEngine:
    """One party's datasets at Spark, its tables here, and queries over both. Not for use by two threads at once."""

    def __init__(self, session: Session, small: LocalEngine) -> None:
        self._session, self._small = session, small
        self._files: dict[str, tuple[SparkFile, str | None]] = {}
        self._tables: dict[str, pa.Table] = {}
        self._views: dict[str, str] = {}
        self._n_views = 0

    def __enter__(self) -> "SparkEngine":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def register_dataset(self, dataset: str, file: SparkFile, version: str | None = None) -> None:
        """Make a dataset the table that queries read as `dataset`; `sparkcheck` says first whether it is fit.

        `version` is what its files were when they were checked; None: whatever they are.

        Raises:  LocalError if it cannot be read.
        """
        raw, view = self._new_view(), self._new_view()
        stored = open_file(self._session, raw, file)
        columns = ", ".join(guarded(f, file.file_format, stored) for f in file.schema)
        self._session.define(view, f"SELECT {columns} FROM {raw}")  # noqa: S608
        self._files[dataset], self._views[dataset] = (file, version), view

    def register_table(self, name: str, table: pa.Table) -> None:
        """Keep the result of an earlier step, here; it goes to Spark only if a step there reads it."""
        self._small.register_table(name, table)
        self._tables[name] = table

    def answer(self, query: Node, step: str = "query") -> pa.Table:
        """Return the answer to `query`.

        Raises:  LocalError if it fails; TooFewSubjectsLocally if its guards say so; DataMismatch if the files of what
                 it reads are no longer those that were checked; EngineUnavailable.
        """
        datasets = sorted({scan.dataset for scan in scans_in(query)})
        if not datasets:
            return self._small.answer(query, step)
        self._check_files(datasets)
        inputs = _inputs_in(query)
        for name in inputs:
            if name not in self._views:
                self._upload(name)
        schemas: dict[str, Schema] = {**{name: self._file(name).schema for name in datasets}, **inputs}
        found = self._session.run(to_spark_sql(to_sql(query), schemas, self._views), step)
        self._check_files(datasets)
        try:
            return found.select([f.name for f in query.schema]).cast(
                pa.schema([(f.name, arrow_type(f.type)) for f in query.schema])
            )
        except (pa.ArrowException, KeyError) as error:
            raise LocalError(step, type(error).__name__) from None

    def close(self) -> None:
        """Forget everything, here and at Spark."""
        self._session.close()
        self._small.close()

    def _file(self, dataset: str) -> SparkFile:
        if dataset not in self._files:
            raise LocalError(dataset, "UnknownTable")
        return self._files[dataset][0]

    def _check_files(self, datasets: list[str]) -> None:
        for dataset in datasets:
            file, version = self._file(dataset), self._files[dataset][1]
            if version is not None and same_files(self._session.files(file.path)) != version:
                what = f"{dataset}: the files are no longer those that were checked"
                raise DataMismatch(Mismatch(what, "leave the files as they are while a run reads them"))

    def _upload(self, name: str) -> None:
        if name not in self._tables:
            raise LocalError(name, "UnknownTable")
        view = self._new_view()
        self._session.upload(view, self._tables[name])
        self._views[name] = view

    def _new_view(self) -> str:
        self._n_views += 1
        return f"ccd_{self._n_views}"


def _inputs_in(node: Node) -> dict[str, Schema]:
    found = {node.name: node.schema} if isinstance(node, Input) else {}
    for source in children(node):
        if not isinstance(source, Scan):
            found |= _inputs_in(source)
    return found
