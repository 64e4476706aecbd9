"""The finished run as it lies in the writer's store: manifest and result, read back and verified."""

import hashlib
import io
import json
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import swiftclient
from pydantic import ValidationError
from swiftclient.exceptions import ClientException

from conclave.ir.types import Decimal, Schema
from conclave.local.encode import arrow_type
from policy.manifest import Manifest, verify_manifest
from renderer.answer import rows_of
from renderer.errors import CommandError
from renderer.local.secret_store import MissingSecretsError, SecretStore
from worker.runspec import Place, Run, run_digest

STORE_UNAVAILABLE = 50
KEYS = ("ST_AUTH", "ST_USER", "ST_KEY")


@dataclass(frozen=True)
class Filed:
    """What the writer has filed of a run."""

    place: str  # "account container", for people
    manifest_name: str | None  # None: nothing was filed
    result_name: str | None
    manifest: dict[str, Any] | None  # as it is filed
    rows: list[dict[str, Any]]
    problems: tuple[str, ...]  # what is wrong with manifest or result; nothing: verified
    result: bytes | None = None  # as it is filed, if it is the one that was signed for
    manifest_text: bytes | None = None  # as it is filed


class WriterStore:
    """The writer's Swift container, opened with its Secret on this machine."""

    def __init__(self, secrets: SecretStore, namespace: str, secret: str, container: str) -> None:
        contents = secrets.read(namespace, secret)
        if contents is None or any(key not in contents for key in KEYS):
            raise MissingSecretsError(((namespace, secret, KEYS),), secrets.directory)
        auth_url, user, key = (contents[name].decode().strip() for name in KEYS)
        self.container, self.user = container, user
        self._connection = swiftclient.Connection(authurl=auth_url, user=user, key=key, auth_version="1", retries=1)

    def get(self, name: str) -> bytes | None:
        """Return an object, or None if there is none."""
        try:
            _, content = self._connection.get_object(self.container, name)
        except ClientException as error:
            if error.http_status == 404:
                return None
            raise self._problem(error) from None
        assert isinstance(content, bytes)
        return content

    def names(self, prefix: str) -> list[str]:
        """Return the names of the objects that begin with `prefix`, in order."""
        try:
            _, listed = self._connection.get_container(self.container, prefix=prefix, full_listing=True)
        except ClientException as error:
            raise self._problem(error) from None
        return sorted(each["name"] for each in listed)

    def close(self) -> None:
        """Hang up."""
        self._connection.close()

    def _problem(self, error: ClientException) -> CommandError:
        status = f"HTTP status {error.http_status}" if error.http_status else "no answer"
        what = f"the container {self.container} cannot be read as {self.user}: {status}"
        return CommandError(what, "check that the store is up (`ccd dev status`) and the Secret", STORE_UNAVAILABLE)


def fetch_filed(
    secrets: SecretStore, run: Run, namespace: str, place: Place, answer: Schema, with_result: bool = True
) -> Filed:
    """Open the writer's store, or that of a party's records, with its Secret; return what lies there of `run`."""
    store = WriterStore(secrets, namespace, place.credentials, place.container)
    try:
        return read_filed(store, run, answer, with_result)
    finally:
        store.close()


def read_filed(store: WriterStore, run: Run, answer: Schema, with_result: bool = True) -> Filed:
    """Return what lies in the store of `run`: its final manifest, or the last attempt's, and the writer's result."""
    place = f"{store.user.partition(':')[0]} {store.container}"
    name = f"{run.run_id}/manifest.json"
    content = store.get(name)
    if content is None:
        attempts = store.names(f"{run.run_id}/attempts/")
        if not attempts:
            return Filed(place, None, None, None, [], ("no manifest was filed",))
        name = attempts[-1]
        content = store.get(name)
        assert content is not None
    try:
        manifest = Manifest.model_validate_json(content)
    except ValidationError:
        return Filed(place, name, None, None, [], ("the manifest is not a manifest",))
    certificates = {member.name: member.certificate for member in run.members}
    problems = verify_manifest(manifest, certificates, run_digest(run))
    result_name: str | None = None
    rows: list[dict[str, Any]] = []
    result: bytes | None = None
    if manifest.status == "succeeded" and with_result:
        result_name = f"{run.run_id}/result.{run.outputs.format}"
        result, problem = _result(store, result_name, manifest)
        problems += problem
        rows = rows_of(parse_result(result, run.outputs.format, answer)) if result is not None else []
    return Filed(place, name, result_name, json.loads(content), rows, tuple(problems), result, content)


def _result(store: WriterStore, name: str, manifest: Manifest) -> tuple[bytes | None, list[str]]:
    content = store.get(name)
    if content is None:
        return None, [f"there is no result {name}"]
    problems = result_problems(content, manifest)
    return (None if problems else content), problems


def result_problems(content: bytes, manifest: Manifest) -> list[str]:
    """Return what is wrong with a result: it must be the very bytes that all parties signed for."""
    digest = hashlib.sha256(content).hexdigest()
    if [output.sha256 for output in manifest.outputs] != [digest]:
        return ["the result is not the one that the parties signed for: its SHA-256 differs from the manifest's"]
    return []


def parse_result(content: bytes, file_format: str, answer: Schema) -> pa.Table:
    """Return a result's rows with the plan's types."""
    schema = pa.schema([pa.field(field.name, arrow_type(field.type)) for field in answer])
    match file_format:
        case "parquet":
            return pa.parquet.read_table(io.BytesIO(content)).cast(schema)
        case "json":
            records = json.loads(content)
            columns = [[record[field.name] for record in records] for field in answer]
            arrays = []
            for column, field in zip(columns, answer, strict=True):
                # Decimals and dates are text in JSON.
                text = isinstance(field.type, Decimal) or any(isinstance(value, str) for value in column)
                kind = arrow_type(field.type)
                arrays.append(pa.array(column, pa.string()).cast(kind) if text else pa.array(column, kind))
            return pa.table(arrays, schema=schema)
    return pa.csv.read_csv(
        io.BytesIO(content),
        convert_options=pa.csv.ConvertOptions(
            column_types=schema,
            null_values=[""],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,  # "" is an empty string, nothing is NULL
        ),
        # A varchar may hold line ends.
        parse_options=pa.csv.ParseOptions(newlines_in_values=True),
    )
