"""The local engine: an in-memory DuckDB that holds one party's tables and can reach nothing else.

Files are registered first. The first query, or `seal`, takes the engine's hands off the file system and the network
for good, but for the Parquet files that are its tables: those are read where they lie, as far as a query needs them, and
have to stay there until the last one. Tables of earlier steps can still be handed to it.
"""

from collections.abc import Collection, Mapping
from pathlib import Path
from types import TracebackType

import duckdb
import pyarrow as pa

from conclave.ir.nodes import Node
from conclave.ir.types import Field, Schema, Varchar
from conclave.local.errors import LocalError, TooFewSubjectsLocally
from conclave.local.format import FileFormat
from conclave.local.parquet import dictionary_columns
from conclave.local.source import NEVER, breaks_type, relation, stored_types, typed
from conclave.local.sqlexpr import quoted, view_name
from conclave.local.sqlguard import TOO_FEW
from conclave.local.sqltext import to_sql


def connect(memory_limit: str, threads: int, temp_directory: Path | None) -> duckdb.DuckDBPyConnection:
    """Return an empty database that installs and loads no extensions. Files can still be read: see `seal`."""
    config: dict[str, str | bool | int | float | list[str]] = {
        "memory_limit": memory_limit,
        "threads": threads,
        "temp_directory": "" if temp_directory is None else str(temp_directory),  # "": never spill
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
        "allow_community_extensions": False,
        "allow_unsigned_extensions": False,
    }
    connection = duckdb.connect(config=config)
    # It would go to stdout, after two seconds, where a program may read what the command prints.
    connection.execute("SET enable_progress_bar = false")
    return connection


def seal(connection: duckdb.DuckDBPyConnection, readable: Collection[Path] = ()) -> None:
    """Take away file system, all but what is `readable`, network, extensions, and the means to give them back."""
    if readable:
        connection.execute("SET allowed_paths = ?", [[str(path) for path in readable]])
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")


class LocalEngine:
    """One party's tables and the SQL run over them. Not for use by two threads at once."""

    def __init__(self, memory_limit: str = "1GB", threads: int = 2, temp_directory: Path | None = None) -> None:
        self._connection = connect(memory_limit, threads, temp_directory)
        self._is_sealed = False
        self._readable: list[Path] = []

    def __enter__(self) -> "LocalEngine":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def register_file(self, dataset: str, path: Path, file_format: FileFormat, schema: Schema) -> None:
        """Make a file the table that queries read as `dataset`; `check_file` says first whether it is fit.

        A text is loaded. Parquet stays where it is and is read by the queries, of each the columns that it needs: a
        table of all of it would have to be written out again, and larger.

        Raises:  LocalError if the file cannot be read or a value is none of its column's declared type; of Parquet,
                 `run` raises it.
        """
        source, kind = relation(path, file_format, schema), "TABLE" if file_format.is_text else "VIEW"
        try:
            stored = None if file_format.is_text else stored_types(self._connection, source)
            fit = frozenset[str]() if file_format.is_text else self._fit_strings(path, source, schema)
            columns = ", ".join(_column(f, file_format, stored, f.name in fit) for f in schema)
            self._connection.execute(f"CREATE {kind} {view_name(dataset)} AS SELECT {columns} FROM {source}")  # noqa: S608
        except duckdb.Error as error:
            raise LocalError(dataset, type(error).__name__) from None
        if not file_format.is_text:
            self._readable.append(path)

    def _fit_strings(self, path: Path, source: str, schema: Schema) -> frozenset[str]:
        """Return the columns of few different strings, all of which are as declared: no query need ask that of each row.

        Asked as a condition on rows, it is DuckDB's to ask of a dictionary's entries alone; in a query of a few sums it
        took as long as the sums.
        """
        few = dictionary_columns(self._connection, path)
        found = []
        for column in schema:
            if column.name in few and isinstance(column.type, Varchar):
                breaks = breaks_type(column, FileFormat("parquet"))
                question = f"SELECT 1 FROM {source} WHERE {breaks} LIMIT 1"  # noqa: S608
                found += [] if self._connection.execute(question).fetchall() else [column.name]
        return frozenset(found)

    def register_table(self, name: str, table: pa.Table) -> None:
        """Make the result of an earlier step a table called `name`."""
        try:
            self._connection.register("incoming", table)
            self._connection.execute(f"CREATE TABLE {view_name(name)} AS SELECT * FROM incoming")  # noqa: S608
            self._connection.unregister("incoming")
        except duckdb.Error as error:
            raise LocalError(name, type(error).__name__) from None

    def seal(self) -> None:
        """Take the engine's hands off everything but its tables. `run` does it, too."""
        if not self._is_sealed:
            seal(self._connection, self._readable)
            self._is_sealed = True

    def run(self, sql: str, step: str = "query") -> pa.Table:
        """Return the answer to one SELECT.

        Raises:  LocalError if it is anything else, or fails; TooFewSubjectsLocally if the query's guards say so.
        """
        self.seal()
        try:
            statements = self._connection.extract_statements(sql)
            if [statement.type for statement in statements] != [duckdb.StatementType.SELECT]:
                raise LocalError(step, "NotOneSelect")
            return self._connection.sql(sql).to_arrow_table()
        except duckdb.Error as error:
            if TOO_FEW in str(error):  # the text itself may quote the data
                raise TooFewSubjectsLocally from None
            raise LocalError(step, type(error).__name__) from None

    def answer(self, query: Node, step: str = "query") -> pa.Table:
        """Return the answer to `query`: `run` of its SQL."""
        return self.run(to_sql(query), step)

    def close(self) -> None:
        """Forget everything."""
        self._connection.close()


def _column(column: Field, file_format: FileFormat, stored: Mapping[str, str] | None, is_fit: bool) -> str:
    value, breaks = typed(column, file_format), breaks_type(column, file_format, stored)
    if breaks != NEVER and not is_fit:
        value = f"CASE WHEN {breaks} THEN error({quoted(column.name)}) ELSE {value} END"
    return f"{value} AS {view_name(column.name)}"
