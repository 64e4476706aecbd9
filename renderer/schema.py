"""JSON Schemas of all documents, for editors and for whoever writes documents with a program."""

import json
from pathlib import PurePosixPath

from pydantic import BaseModel

from policy.approval import Approval
from policy.document import Policy
from policy.manifest import Manifest
from renderer.federation import Federation
from renderer.party import Party
from renderer.render import RenderedFile
from renderer.workflow import Workflow
from worker.runspec import RunSpec

DIRECTORY = PurePosixPath("schemas")
MODELS: dict[str, type[BaseModel]] = {
    "approval": Approval,
    "federation": Federation,
    "manifest": Manifest,
    "party": Party,
    "policy": Policy,
    "runspec": RunSpec,
    "workflow": Workflow,
}


def schema_files() -> tuple[RenderedFile, ...]:
    """Return `schemas/<name>.json` for each document."""
    return tuple(RenderedFile(DIRECTORY / f"{name}.json", _schema(name)) for name in MODELS)


def _schema(name: str) -> str:
    schema = MODELS[name].model_json_schema(by_alias=True, mode="validation")
    document = {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"
