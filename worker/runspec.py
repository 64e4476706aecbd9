"""The run spec: what one worker must know, written by the renderer into a ConfigMap as `run.json`.

`run` is the same for every party of the run, byte for byte: its digest is compared in the hello. `own` is
what only this party's worker needs. Both are pure functions of the committed documents.

Whoever has taken over Git writes what they like here, so a name is held to be one: a Secret's that led elsewhere would
have the worker take the ConfigMap's own keys for the owner's credentials.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SerializerFunctionWrapHandler, model_serializer
from pydantic.alias_generators import to_camel

from conclave.ir.nodes import Concat, Node, Scan
from conclave.ir.types import Field as ColumnField
from conclave.ir.types import parse_type
from conclave.ir.walk import scans_in
from conclave.local.format import Compression, FileFormat, Kind
from policy.canonical import digest
from policy.document import DATASET_NAME

RUN_SPEC_PATH = "/etc/ccd/run.json"
APPROVAL_PATH = "/etc/ccd/approval.json"  # of the same ConfigMap, if the party has approved the run
SECRETS_PATH = "/var/run/ccd/secrets"  # one directory per Secret, one file per key
VOLUMES_PATH = "/var/run/ccd/volumes"  # one directory per claim, read-only, in `fetch` alone
WORK_PATH = "/work"  # the emptyDir that the three containers share
TLS_PORT = 8443
SPARK_PORT = 15002  # where a Spark Connect server listens if its address does not say
AGE_KEY = "age.key"  # in the Secret of a sealed dataset
_LABEL = "[a-z]([-a-z0-9]{0,61}[a-z0-9])?"
# A Service's name within its cluster, or this machine's own addresses: nothing that a store's network could answer.
_HOST = rf"^({_LABEL}\.{_LABEL}\.svc|localhost|127(\.[0-9]{{1,3}}){{3}})$"
# An account as Swift's access rules name it. Never `.r:*` or `*:*`, which would open a result to everybody.
STORE_ACCOUNT = r"^[A-Za-z0-9][A-Za-z0-9_-]*(:([A-Za-z0-9][A-Za-z0-9_.@-]*|\*))?$"

# A Spark Connect server: its name and port, and nothing that a token could be hidden in.
SPARK_ENDPOINT = r"^sc://[a-z0-9]([-a-z0-9.]{0,252}[a-z0-9])?(:[1-9][0-9]{0,4})?$"
# A place that Spark reads: no signs that it would take for patterns, no name and password.
SPARK_PATH = r"^(s3a|swift|hdfs|abfss|gs|file)://[A-Za-z0-9._@-]*(/[A-Za-z0-9._=+-]+)+$"

Label = Annotated[str, Field(pattern=f"^{_LABEL}$")]  # of a party, a run, a Secret or a claim: one step of a path
DatasetName = Annotated[str, Field(pattern=DATASET_NAME)]


class Model(BaseModel):
    """Frozen, strict about unknown fields, camelCase in YAML and JSON."""

    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True)


class ColumnSpec(Model):
    """One declared column of a dataset."""

    name: str
    type: str  # conclave.ir.types.parse_type reads it
    nullable: bool = True
    unique: bool | Literal["table"] = False  # "table": and no other dataset of a logical table has the value


class KeySpec(Model):
    """Columns that no two rows agree in all of: of their dataset, or of the whole table ("table")."""

    columns: Annotated[tuple[str, ...], Field(min_length=2)]
    unique: Literal[True, "table"] = True


class DatasetSpec(Model):
    """What every party knows of a dataset: its name, its declared columns, in the file's order, and their keys."""

    name: DatasetName  # "party/dataset"
    columns: tuple[ColumnSpec, ...]
    keys: tuple[KeySpec, ...] = ()
    most_rows: int | None = Field(default=None, ge=0, exclude_if=lambda most_rows: most_rows is None)

    @model_serializer(mode="wrap")
    def _without_no_keys(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave out keys where there are none: a run of before there were any keeps its name."""
        return {name: value for name, value in dump(self).items() if name != "keys" or value}


class MemberSpec(Model):
    """One party of the run."""

    name: Label
    certificate: str  # PEM, self-signed, Ed25519: the identity that TLS and signatures are checked against
    host: Annotated[str, Field(pattern=_HOST)]  # the Service's DNS name
    port: int = TLS_PORT


class TableSpec(Model):
    """A logical table and the datasets it is cut into."""

    name: str
    datasets: tuple[str, ...]  # "party/dataset"


class OutputSpec(Model):
    """Who may learn the answer, and where the writer puts it."""

    recipients: tuple[str, ...]
    writer: str
    container: str
    format: Literal["csv", "parquet", "json"] = "csv"


class MpcSpec(Model):
    """The protocol and its compute parties: three, or two with `cheetah`."""

    protocol: Literal["replicated3", "cheetah"] = "replicated3"
    compute: tuple[str, str, str] | tuple[str, str]
    # "table.column": who is to see it as a key. Left out if there is none, so that run ids of before stay what they are.
    cleartext: dict[str, tuple[str, ...]] = Field(default={}, exclude_if=lambda cleartext: not cleartext)
    # Tables of which rows are counted on the way; left out like the above.
    disclose_sizes: tuple[str, ...] = Field(default=(), exclude_if=lambda tables: not tables)
    # "table.column": in how many rows a value comes at most. Left out likewise.
    most_matches: dict[str, int] = Field(default={}, exclude_if=lambda most: not most)


class Deadlines(Model):
    """How long a worker waits, in seconds."""

    barrier_s: float = Field(default=300, gt=0, alias="barrierS")
    receive_s: float = Field(default=120, gt=0, alias="receiveS")


class Run(Model):
    """What all parties of a run agree on."""

    api_version: Literal["ccd.dev/v1alpha1"] = "ccd.dev/v1alpha1"
    run_id: Label
    workflow: str
    purpose: str
    query: str
    tables: tuple[TableSpec, ...]
    datasets: tuple[DatasetSpec, ...]
    members: tuple[MemberSpec, ...]  # sorted by name
    outputs: OutputSpec
    mpc: MpcSpec
    image: str  # by digest
    deadlines: Deadlines = Deadlines()


class Text(Model):
    """The signs of a text: conclave.local.format.FileFormat, with nothing left to defaults of a version."""

    delimiter: str = ","
    quote: str = '"'
    escape: str = '"'
    header: bool = True
    quoted_nulls: bool = False


class Sealed(Model):
    """Data that its owner stored encrypted with age."""

    identity: Label  # name of the Secret that holds `age.key`; `fetch` alone mounts it


class SourceBase(Model):
    """One of the party's own datasets, wherever it lies. Credentials are named here and mounted, never written."""

    dataset: DatasetName  # "party/dataset"
    backend: str
    format: Kind
    null: str | tuple[str, ...] = ""  # how a text spells NULL
    # What is as it mostly is stands in no run spec, so that the run ids of those who declare nothing stay what they are.
    text: Text | None = Field(default=None, exclude_if=lambda text: text is None)  # None: as CSV after RFC 4180
    compression: Compression = Field(default="none", exclude_if=lambda kind: kind == "none")  # within the seal
    sealed: Sealed | None = Field(default=None, exclude_if=lambda sealed: sealed is None)

    @property
    def file_format(self) -> FileFormat:
        """How the file is read, once it is unsealed and unpacked."""
        text, nulls = self.text or Text(), (self.null,) if isinstance(self.null, str) else self.null
        return FileFormat(self.format, text.delimiter, text.quote, text.escape, text.header, nulls, text.quoted_nulls)

    @property
    def identities(self) -> tuple[str, ...]:
        """The names of the Secrets that unseal it; `fetch` alone mounts them."""
        return () if self.sealed is None else (self.sealed.identity,)

    @property
    def secrets(self) -> tuple[str, ...]:
        """The names of the Secrets that reading it needs; `fetch` alone mounts them."""
        return ()

    @property
    def claims(self) -> tuple[str, ...]:
        """The names of the PersistentVolumeClaims that it lies on; `fetch` alone mounts them."""
        return ()


class SwiftSource(SourceBase):
    """An object in Swift."""

    backend: Literal["swift"] = "swift"
    container: str
    object: str
    credentials: Label  # name of the Secret

    @property
    def secrets(self) -> tuple[str, ...]:
        """The account's credentials."""
        return (self.credentials,)


class FilesSource(SourceBase):
    """A file on a volume of the party's own cluster."""

    backend: Literal["files"] = "files"
    claim: Label  # name of the PersistentVolumeClaim
    path: str  # within the volume

    @property
    def claims(self) -> tuple[str, ...]:
        """The volume's claim."""
        return (self.claim,)


class DataverseSource(SourceBase):
    """A file of one version of a dataset in Dataverse."""

    backend: Literal["dataverse"] = "dataverse"
    url: str  # of the installation
    persistent_id: str
    version: str
    file: str | int  # its name with its directory, or its number
    form: Literal["original", "archival"] = "original"
    storage: tuple[str, ...] = ()  # other sites that the installation may redirect to
    credentials: Label | None = None  # name of the Secret

    @property
    def secrets(self) -> tuple[str, ...]:
        """The API token, if one is needed."""
        return (self.credentials,) if self.credentials is not None else ()


class SparkSource(SourceBase):
    """Files that the party's Spark reads where they lie. Nothing of them comes to the worker but answers."""

    backend: Literal["spark"] = "spark"
    endpoint: Annotated[str, Field(pattern=SPARK_ENDPOINT)]
    path: Annotated[str, Field(pattern=SPARK_PATH)]  # as Spark reaches it: a file, or a directory of them
    credentials: Label  # name of the Secret: which endpoint it is for, and its token

    @property
    def secrets(self) -> tuple[str, ...]:
        """The endpoint's credentials; `compute` mounts them, too."""
        return (self.credentials,)


Source = Annotated[SwiftSource | DataverseSource | FilesSource | SparkSource, Field(discriminator="backend")]


class Place(Model):
    """A Swift container to write to, and the Secret that allows it."""

    container: str
    credentials: Label
    # Whom a container that the worker makes is opened to, as Swift's ACLs name them. Left out if nobody, so that the
    # run ids of those who name nobody stay what they are.
    readers: tuple[Annotated[str, Field(pattern=STORE_ACCOUNT)], ...] = Field(
        default=(), exclude_if=lambda readers: not readers
    )


class Capacity(Model):
    """What the pod has: memory, and the emptyDir that data is unpacked in."""

    memory_bytes: int = Field(default=2 << 30, gt=0)
    work_bytes: int = Field(default=4 << 30, gt=0)

    @property
    def engine_memory(self) -> str:
        """What the query engine may use of the memory, as DuckDB reads it; Python and buffers need the rest."""
        return f"{min(1 << 30, self.memory_bytes // 2) >> 20}MiB"


class Own(Model):
    """What only this party's worker needs."""

    party: str
    identity: Label  # name of the Secret that holds `tls.key`
    sources: tuple[Source, ...] = ()
    records: Place | None = None  # where this party files its own signed copy of every manifest
    output: Place | None = None  # the writer's
    capacity: Capacity = Field(default=Capacity(), exclude_if=lambda capacity: capacity == Capacity())


class RunSpec(Model):
    """The document `run.json`."""

    run: Run
    own: Own


def run_digest(run: Run) -> str:
    """Return the digest that the members compare in the hello, and that verdicts and manifests name."""
    return digest(run)


def tables_of(run: Run) -> dict[str, Node]:
    """Return the logical tables that the query may name: a Scan each, or a Concat of the Scans of its datasets.

    Raises:  TypeProblem for a column type that has no meaning, or for datasets of one table that differ in columns.
    """
    datasets = {dataset.name: dataset for dataset in run.datasets}
    tables: dict[str, Node] = {}
    for table in run.tables:
        scans = tuple(_scan(table.name, datasets[name], most_matches_of(run, table.name)) for name in table.datasets)
        tables[table.name] = scans[0] if len(scans) == 1 else Concat(scans)
    return tables


def tables_unread(run: Run, query: Node) -> list[str]:
    """Return the tables that the run names and its query does not read.

    Their owners would take part and see the sizes of a computation that has nothing to do with them, and nobody who
    reads the plan would know.
    """
    read = {scan.table for scan in scans_in(query)}
    return [table.name for table in run.tables if table.name not in read]


def cleartext_of(run: Run) -> dict[tuple[str, str], tuple[str, ...]]:
    """Return, by table and column, who is to see it as a key."""
    shown = {}
    for name, parties in run.mpc.cleartext.items():
        table, _, column = name.partition(".")
        shown[table, column] = parties
    return shown


def countable_of(run: Run) -> frozenset[str]:
    """Return the tables of which all members may count the rows that are left on the way."""
    return frozenset(run.mpc.disclose_sizes)


def most_matches_of(run: Run, table: str) -> frozenset[tuple[str, int]]:
    """Return, of a table's columns, in how many of its rows a value comes at most, as far as the workflow says so."""
    said = ((name.partition("."), most) for name, most in run.mpc.most_matches.items())
    return frozenset((column, most) for (of, _, column), most in said if of == table)


def _scan(table: str, dataset: DatasetSpec, most_matches: frozenset[tuple[str, int]]) -> Scan:
    return Scan(
        table,
        dataset.name,
        owner=dataset.name.split("/")[0],
        schema=schema_of(dataset),
        unique=frozenset(column.name for column in dataset.columns if column.unique),
        unique_in_table=frozenset(column.name for column in dataset.columns if column.unique == "table"),
        keys=frozenset(key.columns for key in dataset.keys),
        keys_in_table=frozenset(key.columns for key in dataset.keys if key.unique == "table"),
        most_rows=dataset.most_rows,
        most_matches=most_matches,
    )


def schema_of(dataset: DatasetSpec) -> tuple[ColumnField, ...]:
    """Return the declared columns with their types, in the file's order."""
    return tuple(ColumnField(column.name, parse_type(column.type), column.nullable) for column in dataset.columns)
