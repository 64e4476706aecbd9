"""The workflow: what some parties ask to compute together, in one file that all of them review."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from policy.problem import RuleBroken
from renderer.fields import (
    ColumnReference,
    ContainerName,
    DatasetReference,
    LabelValue,
    Line,
    PartyName,
    TableName,
    Text,
    WorkflowName,
)
from worker.runspec import Model


def _refuse_steps(value: Any) -> None:
    raise RuleBroken("a list of steps is not supported yet", "write the computation as SQL in spec.query")


class WorkflowMetadata(Model):
    """What the workflow is called; every object it becomes carries the name."""

    name: WorkflowName


class Outputs(Model):
    """Who may learn the answer, and where one of them files it."""

    recipients: Annotated[tuple[PartyName, ...], Field(min_length=1)]
    writer: PartyName  # one of the recipients, since it sees what it writes
    container: ContainerName
    format: Literal["csv", "parquet", "json"] = "csv"


class Mpc(Model):
    """How the parties compute on what none of them may see."""

    protocol: Literal["replicated3"] = "replicated3"
    compute: tuple[PartyName, PartyName, PartyName] | None = None  # None: see renderer.spec.choose_compute
    # "table.column": who of them is to see it as a key, if its owners' policies agree. Makes joins and groups cheap.
    cleartext: dict[ColumnReference, Annotated[tuple[PartyName, ...], Field(min_length=1)]] = Field(default={})


class WorkflowDeadlines(Model):
    """How long to wait, in seconds."""

    barrier_seconds: Annotated[float, Field(gt=0, le=86400)] = 300  # for all parties to be there
    receive_seconds: Annotated[float, Field(gt=0, le=86400)] = 120  # for one message
    job_seconds: Annotated[int, Field(gt=0, le=604800)] = 7200  # for the whole Job, its retries included


class WorkflowSpec(Model):
    """What is asked: over which data, for what purpose, to whom."""

    purpose: Line
    tables: Annotated[
        dict[TableName, Annotated[tuple[DatasetReference, ...], Field(min_length=1)]], Field(min_length=1)
    ]
    query: Text
    steps: Annotated[None, BeforeValidator(_refuse_steps), Field(description="not supported yet")] = None
    outputs: Outputs
    mpc: Mpc = Mpc()
    deadlines: WorkflowDeadlines = WorkflowDeadlines()
    run: Annotated[int, Field(ge=1, le=1_000_000)] = 1  # raise it to run again
    bill_to: LabelValue | None = None  # who pays for the run; a label of every object


class Workflow(Model):
    """The document `workflows/<name>.yaml`."""

    api_version: Literal["ccd.dev/v1alpha1"]
    kind: Literal["Workflow"]
    metadata: WorkflowMetadata
    spec: WorkflowSpec
