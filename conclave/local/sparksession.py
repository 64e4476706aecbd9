"""A session of a Spark Connect server: SQL goes there, tables come back. The one file that knows Spark's client.

The client is an extra (`pip install ccd[spark]`), so whoever may do without it imports this file late.

Spark's words quote the data, and its client would print them: of an error only the class is kept.
"""

import contextlib
import logging
import os
import warnings
from collections.abc import Iterator

os.environ.setdefault("GRPC_VERBOSITY", "NONE")  # read once, by the import: it would write on stderr by itself

import grpc
import pyarrow as pa

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # it has an opinion on the version of pandas, which is not used for tables here
    from pyspark.errors import PySparkException
    from pyspark.sql.connect.client.core import ChannelBuilder
    from pyspark.sql.connect.client.retries import DefaultPolicy
    from pyspark.sql.connect.dataframe import DataFrame
    from pyspark.sql.connect.session import SparkSession

from conclave.local.errors import EngineUnavailable, LocalError, TooFewSubjectsLocally
from conclave.local.sparkserver import Endpoint, StoredFile, quoted_name
from conclave.local.sparksql import SETTINGS
from conclave.local.sqlguard import TOO_FEW

_CHATTY = ("SQLQueryContextLogger", "DataFrameQueryContextLogger", "pyspark", "pyspark.sql.connect")
_PASSING = frozenset({grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED})
_REFUSED = frozenset({grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED})
_RETRIES = 4


class _Channel(ChannelBuilder):  # type: ignore[misc]  # the client has no types
    """The client's own would read the token from an address, proxies from the environment, and speak in the clear."""

    def __init__(self, endpoint: Endpoint) -> None:
        super().__init__([("grpc.enable_http_proxy", 0)], {"token": endpoint.token} if endpoint.token else {})
        self._endpoint = endpoint

    @property
    def host(self) -> str:
        return self._endpoint.host

    @property
    def token(self) -> str | None:
        return self._endpoint.token

    def toChannel(self) -> grpc.Channel:  # noqa: N802 -- the client's name
        end = self._endpoint
        credentials = grpc.ssl_channel_credentials(end.authorities) if end.tls else grpc.local_channel_credentials()
        if end.token is not None:
            credentials = grpc.composite_channel_credentials(credentials, grpc.access_token_call_credentials(end.token))
        return self._secure_channel(f"{end.host}:{end.port}", credentials)


class ConnectSession:
    """A `sparkserver.Session`. Not for use by two threads at once."""

    def __init__(self, endpoint: Endpoint) -> None:
        for name in _CHATTY:
            logging.getLogger(name).disabled = True
        with _said("the session"):
            self._spark = SparkSession(connection=_Channel(endpoint))
            self._spark.client.set_retry_policies([DefaultPolicy(max_retries=_RETRIES, max_backoff=5000)])
            for name, value in SETTINGS.items():
                self._spark.conf.set(name, value)

    def run(self, sql: str, step: str = "query") -> pa.Table:
        """Return the answer to one query."""
        with _said(step):
            return self._spark.sql(sql).toArrow()

    def define(self, view: str, sql: str) -> None:
        """Make a query a view."""
        with _said(view):
            self._spark.sql(sql).createOrReplaceTempView(view)

    def upload(self, view: str, table: pa.Table) -> None:
        """Make a table of the worker's a view."""
        with _said(view):
            self._spark.createDataFrame(table).createOrReplaceTempView(view)

    def read_parquet(self, view: str, path: str) -> tuple[tuple[str, str], ...]:
        """Make files a view, and return its columns with their types, as Spark names them."""
        with _said(view):
            frame = self._spark.read.option("mergeSchema", "true").parquet(path)
            frame.createOrReplaceTempView(view)
            return tuple(frame.dtypes)

    def read_csv(self, view: str, path: str, columns: tuple[str, ...], options: dict[str, str]) -> None:
        """Make texts a view with the `columns`, all of them strings."""
        schema = ", ".join(f"{quoted_name(name)} STRING" for name in columns)
        with _said(view):
            self._spark.read.options(**options).schema(schema).csv(path).createOrReplaceTempView(view)

    def read_lines(self, view: str, path: str) -> None:
        """Make the lines of texts a view: `value`, `file`, `start` of the piece of the file it is in, and `place` within."""
        with _said(view):
            frame = self._spark.read.text(path).selectExpr(
                "value",
                "_metadata.file_path AS file",
                "_metadata.file_block_start AS start",
                "monotonically_increasing_id() AS place",
            )
            frame.createOrReplaceTempView(view)

    def files(self, path: str) -> tuple[StoredFile, ...]:
        """Return the files at `path`: itself, or all below it."""
        with _said("files"):
            found = self._binary(path).selectExpr("path", "length", "CAST(modificationTime AS STRING) AS changed")
            rows = found.toArrow().to_pylist()
        return tuple(sorted((StoredFile(r["path"], r["length"], r["changed"]) for r in rows), key=lambda f: f.path))

    def content(self, path: str, limit_bytes: int) -> bytes | None:
        """Return what one file holds, or None if that is more than `limit_bytes`."""
        with _said("file"):
            found = self._binary(path).where(f"length <= {limit_bytes}").select("content").toArrow()
        return bytes(found.column("content")[0].as_py()) if found.num_rows == 1 else None

    def _binary(self, path: str) -> DataFrame:
        return self._spark.read.format("binaryFile").option("recursiveFileLookup", "true").load(path)

    def close(self) -> None:
        """End the session; what it held at the server is gone."""
        with contextlib.suppress(Exception):
            self._spark.stop()


@contextlib.contextmanager
def _said(step: str) -> Iterator[None]:
    """Say what goes wrong in our own words."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except PySparkException as error:
        if TOO_FEW in str(error):
            raise TooFewSubjectsLocally from None
        cause = error.__cause__ or error.__context__
        if isinstance(cause, grpc.RpcError) and cause.code() in _PASSING | _REFUSED:
            raise EngineUnavailable(cause.code() in _REFUSED) from None
        raise LocalError(step, error.getCondition() or type(error).__name__) from None
    except grpc.RpcError as error:
        raise EngineUnavailable(error.code() in _REFUSED) from None
    except (pa.ArrowException, ValueError, TypeError, AttributeError) as error:
        raise LocalError(step, type(error).__name__) from None
