"""What runs a party's local steps: DuckDB in the worker's own process, or Spark, where the data outgrow one machine."""

from typing import Protocol

import pyarrow as pa

from conclave.ir.nodes import Node


class Engine(Protocol):
    """One party's tables, and queries over them."""

    def answer(self, query: Node, step: str = "query") -> pa.Table:
        """Return the answer to `query`, whose SQL is what `conclave.local.sqltext.to_sql` shows of it.

        Raises:  LocalError if it fails; TooFewSubjectsLocally if the query's guards say so.
        """

    def register_table(self, name: str, table: pa.Table) -> None:
        """Make the result of an earlier step a table called `name`."""
