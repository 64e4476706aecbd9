"""The finished run as it lies in the writer's store: manifest and result, read back and verified."""

import hashlib
import io
import json
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
from pydantic import ValidationError

from conclave.ir.types import Decimal, Schema
from conclave.local.encode import arrow_type
from policy.manifest import Manifest, verify_manifest
from renderer.answer import rows_of
from renderer.ask import ask_worker, uses_environment
from renderer.errors import CommandError
from renderer.local.secret_store import STORE, MissingSecretsError, SecretStore
from worker.dataspec import FiledReport, FiledRequest
from worker.runspec import Place, Run, run_digest


@dataclass(frozen=True)
class Filed:
    """What the writer has filed of a run."""

    manifest_name: str | None  # None: nothing was filed
    result_name: str | None
    manifest: dict[str, Any] | None  # as it is filed
    rows: list[dict[str, Any]]
    problems: tuple[str, ...]  # what is wrong with manifest or result; nothing: verified
    result: bytes | None = None  # as it is filed, if it is the one that was signed for
    manifest_text: bytes | None = None  # as it is filed


def fetch_filed(
    secrets: SecretStore,
    run: Run,
    namespace: str,
    place: Place,
    answer: Schema,
    with_result: bool = True,
    account: str | None = None,
) -> Filed:
    """Have a worker open the writer's store, or that of a party's records; return what lies there of `run`.

    With its Secret on this machine; where there is none, with what the environment says. With another `account` than
    that which they open, the environment comes first: it is its reader's own.
    Raises:  MissingSecretsError without either; CommandError if the store cannot be read.
    """
    options = ["--secrets", str(secrets.directory / namespace)]
    has_secret, has_environment = bool(secrets.read(namespace, place.credentials)), uses_environment(os.environ)
    if not has_secret and not has_environment:
        raise MissingSecretsError(((namespace, place.credentials, STORE),), secrets.directory)
    if has_environment and (account is not None or not has_secret):
        options.append("--environment")
    with tempfile.TemporaryDirectory(prefix="ccd-output-") as directory:
        request = FiledRequest(
            run_id=run.run_id,
            container=place.container,
            credentials=place.credentials,
            directory=directory,
            suffix=run.outputs.format if with_result else None,
            account=account,
        )
        report = ask_worker("filed", options, request, FiledReport)
        if report.problems:
            reason = report.problems[0]
            where = f"{reason.where}: " if reason.where else ""
            raise CommandError(f"{where}{reason.what}", reason.fix, report.code)
        return read_filed(report, Path(directory), run, answer, with_result)


def read_filed(report: FiledReport, directory: Path, run: Run, answer: Schema, with_result: bool = True) -> Filed:
    """Return what a worker has brought of `run`: its final manifest, or the last attempt's, and the writer's result."""
    name = report.manifest
    if name is None:
        return Filed(None, None, None, [], ("no manifest was filed",))
    content = (directory / "manifest").read_bytes()
    try:
        manifest = Manifest.model_validate_json(content)
    except ValidationError:
        return Filed(name, None, None, [], ("the manifest is not a manifest",))
    certificates = {member.name: member.certificate for member in run.members}
    problems = verify_manifest(manifest, certificates, run_digest(run))
    result_name: str | None = None
    rows: list[dict[str, Any]] = []
    result: bytes | None = None
    if manifest.status == "succeeded" and with_result:
        result_name = f"{run.run_id}/result.{run.outputs.format}"
        result, problem = _result(report, directory, result_name, manifest)
        problems += problem
        rows = rows_of(parse_result(result, run.outputs.format, answer)) if result is not None else []
    return Filed(name, result_name, json.loads(content), rows, tuple(problems), result, content)


def _result(report: FiledReport, directory: Path, name: str, manifest: Manifest) -> tuple[bytes | None, list[str]]:
    if report.result is None:
        return None, [f"there is no result {name}"]
    content = (directory / "result").read_bytes()
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
