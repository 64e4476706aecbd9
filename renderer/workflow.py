"""The workflow: what some parties ask to compute together, in one file that all of them review."""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field

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
from renderer.steps import Steps
from renderer.steps_sql import sql_of
from worker.runspec import Model


class WorkflowMetadata(Model):
    """What the workflow is called; every object it becomes carries the name."""

    name: WorkflowName


class Outputs(Model):
    """Who may learn the answer, and where one of them files it."""

    recipients: Annotated[tuple[PartyName, ...], Field(min_length=1)]
    writer: PartyName  # one of the recipients, since it sees what it writes
    container: ContainerName
    format: Literal["csv", "parquet", "json"] = "csv"


MOST_MATCHES = 1 << 16
N_COMPUTE_PARTIES = {"replicated3": 3, "cheetah": 2}


class Mpc(Model):
    """How the parties compute on what none of them may see."""

    protocol: Literal["replicated3", "cheetah"] = "replicated3"  # of three parties, or of two: docs/cheetah.md
    # None: see renderer.spec.choose_compute
    compute: tuple[PartyName, PartyName, PartyName] | tuple[PartyName, PartyName] | None = None
    # "table.column": who of them is to see it as a key, if its owners' policies agree. Makes joins and groups cheap.
    cleartext: dict[ColumnReference, Annotated[tuple[PartyName, ...], Field(min_length=1)]] = Field(default={})
    # Tables of which all members may count the rows that are left on the way, if its owners' policies agree: the steps
    # after it work on that many and no more.
    disclose_sizes: tuple[TableName, ...] = ()
    # "table.column": in how many rows of the table a value comes at most. Lets joins by keys that repeat on both sides
    # run by sorting; checked under MPC, and all members see whether it holds.
    most_matches: dict[ColumnReference, Annotated[int, Field(ge=1, le=MOST_MATCHES)]] = Field(default={})

    @property
    def n_compute(self) -> int:
        """How many parties hold shares."""
        return N_COMPUTE_PARTIES[self.protocol]


class WorkflowDeadlines(Model):
    """How long to wait, in seconds."""

    barrier_seconds: Annotated[float, Field(gt=0, le=86400)] = 300  # for all parties to be there
    receive_seconds: Annotated[float, Field(gt=0, le=86400)] = 120  # for one message
    job_seconds: Annotated[int, Field(gt=0, le=604800)] = 7200  # for the whole Job, its retries included


class WorkflowSpec(Model):
    """What is asked: over which data, for what purpose, to whom."""

    # For editors; `renderer.check_steps` says the same in words.
    model_config = ConfigDict(json_schema_extra={"oneOf": [{"required": ["query"]}, {"required": ["steps"]}]})

    purpose: Annotated[Line, Field(description="why it is asked; owners' policies grant by purpose")]
    tables: Annotated[
        dict[TableName, Annotated[tuple[DatasetReference, ...], Field(min_length=1)]], Field(min_length=1)
    ]
    query: Annotated[Text | None, Field(description="the computation as SQL; or else give steps")] = None
    steps: Annotated[Steps | None, Field(description="the computation as Conclave's operators")] = None
    outputs: Outputs
    mpc: Mpc = Mpc()
    deadlines: WorkflowDeadlines = WorkflowDeadlines()
    run: Annotated[int, Field(ge=1, le=1_000_000)] = 1  # raise it to run again
    bill_to: LabelValue | None = None  # who pays for the run; a label of every object

    @property
    def sql(self) -> str:
        """The computation as SQL, as it is written or as the steps mean it."""
        return sql_of(self.steps) if self.steps is not None else self.query or ""


class Workflow(Model):
    """The document `workflows/<name>.yaml`."""

    api_version: Literal["ccd.dev/v1alpha1"]
    kind: Literal["Workflow"]
    metadata: WorkflowMetadata
    spec: WorkflowSpec
