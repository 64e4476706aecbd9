"""What a Parquet file says of how it is written. It decides how a question is asked, never what is answered."""

from pathlib import Path

import duckdb

from conclave.local.sqlexpr import quoted

# A string that is written out has its length before it, in four bytes. What takes less is a number in a dictionary.
_LENGTH_BYTES = 4


def dictionary_columns(connection: duckdb.DuckDBPyConnection, path: Path) -> frozenset[str]:
    """Return the columns of which nearly all values are numbers of few different ones; none if the file cannot say.

    DuckDB is asked, since Arrow ends the whole process at what an encrypted column does not say.
    """
    is_few = f"2 * SUM(total_uncompressed_size) < {_LENGTH_BYTES} * SUM(num_values)"
    metadata = f"parquet_metadata({quoted(str(path))})"
    try:
        rows = connection.execute(f"SELECT path_in_schema FROM {metadata} GROUP BY ALL HAVING {is_few}").fetchall()  # noqa: S608
    except duckdb.Error:
        return frozenset()
    return frozenset(name for (name,) in rows)
