"""The way to a party's Spark: a session, opened with what the owner's own Secret says, and a dataset's file there.

Spark's client is no part of every worker, so it is loaded where it is asked for.
"""

import importlib
import re
import ssl
import urllib.parse
from pathlib import Path
from typing import Any

from conclave.local.sparkserver import Endpoint, Session
from conclave.local.sparksource import SparkFile
from worker.endpoints.web import is_loopback
from worker.errors import BadDocument
from worker.mounts import read_secret
from worker.runspec import SPARK_PORT, DatasetSpec, SparkSource, schema_of
from worker.unwanted import show_pandas

REMOTE_KEY = "SPARK_REMOTE"  # where the token may be sent: the owner says it, and no pull request
TOKEN_KEY = "SPARK_TOKEN"  # noqa: S105 -- the key's name; optional
AUTHORITIES_KEY = "SPARK_CACERT"  # optional
_TOKEN = re.compile(r"[!-~]{1,4096}")


def open_session(source: SparkSource, secrets: Path) -> Session:
    """Return a session of the server that `source` names.

    Raises:  BadDocument if its Secret is not mounted, lacks a key or is for another server, or if this worker has no
             client; EngineUnavailable.
    """
    endpoint = endpoint_of(source, secrets)
    show_pandas()  # which the client asks for when it is imported
    try:
        client: Any = importlib.import_module("conclave.local.sparksession")
    except ModuleNotFoundError:
        fix = "use an image that holds what image/spark.lock lists, or `engine: duckdb`"
        raise BadDocument("this worker has no client of Spark", source.endpoint, fix=fix) from None
    session: Session = client.ConnectSession(endpoint)
    return session


def endpoint_of(source: SparkSource, secrets: Path) -> Endpoint:
    """Return where the server is and what it asks for. Raises: BadDocument."""
    where, name = source.endpoint, source.credentials
    home = read_secret(secrets, name, REMOTE_KEY)
    if home != where:
        what, rule = "the run leads its token to another Spark than the Secret's", "the owner says where a token goes"
        fix = f"if {where} is right, put it under the key {REMOTE_KEY}"
        raise BadDocument(what, f"{name}/{REMOTE_KEY}", rule, fix)
    token = read_secret(secrets, name, TOKEN_KEY) if (secrets / name / TOKEN_KEY).exists() else None
    if token is not None and not _TOKEN.fullmatch(token):
        fix = "put the token into it, and nothing else"
        raise BadDocument("the Secret's key holds no token", f"{name}/{TOKEN_KEY}", fix=fix)
    parts = urllib.parse.urlsplit(where)
    host = parts.hostname or ""
    return Endpoint(host, parts.port or SPARK_PORT, not is_loopback(host), token, _authorities(secrets, name))


def spark_file(dataset: DatasetSpec, source: SparkSource) -> SparkFile:
    """Return where the dataset lies and how it is written."""
    return SparkFile(source.path, source.file_format, schema_of(dataset))


def _authorities(secrets: Path, name: str) -> bytes | None:
    if not (secrets / name / AUTHORITIES_KEY).exists():
        return None
    text = read_secret(secrets, name, AUTHORITIES_KEY)
    try:
        ssl.create_default_context(cadata=text)
    except (ValueError, ssl.SSLError):
        fix = "put the authority's certificates there, as PEM"
        raise BadDocument("the Secret's key holds no certificates", f"{name}/{AUTHORITIES_KEY}", fix=fix) from None
    return text.encode()
