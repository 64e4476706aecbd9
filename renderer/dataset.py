"""A dataset in a party's document: where it lies, and what its rows look like. The worker holds the data to this."""

from typing import Annotated, Literal, assert_never

from pydantic import Field

from conclave.local.format import Compression, Kind, file_format
from renderer.fields import (
    AgeRecipient,
    ClaimName,
    ContainerName,
    DatasetVersion,
    FileNumber,
    Line,
    MaybeEmptyLine,
    ObjectName,
    PersistentId,
    SecretName,
    Sign,
    Site,
    SparkEndpoint,
    SparkPath,
    VolumePath,
)
from worker.runspec import (
    ColumnSpec,
    DatasetSpec,
    DataverseSource,
    FilesSource,
    KeySpec,
    Model,
    Source,
    SparkSource,
    SwiftSource,
)
from worker.runspec import Sealed as SealedSource
from worker.runspec import Text as TextSource


class Column(Model):
    """One declared column."""

    type: Line  # conclave.ir.types.parse_type reads it
    nullable: bool = True
    # Whether no two rows have the same value: in this dataset, or in the whole table that it is a part of.
    unique: bool | Literal["table"] = False


class Key(Model):
    """Columns that tell rows apart together."""

    columns: Annotated[tuple[Line, ...], Field(min_length=2)]
    # As a column's: no two rows of this dataset agree in all of them, or of the whole table.
    unique: Literal[True, "table"] = True


class Text(Model):
    """How a text is written, where that is not what most programs do. Nothing of it is ever guessed."""

    delimiter: Sign | None = None  # default: a comma in csv, a tab in tsv
    quote: Sign | Literal["none"] = '"'  # none: quotes are characters like others
    escape: Sign | None = None  # what stands before a quote within quotes; default: another quote
    header: bool = True
    quoted_null: bool = False  # whether the spelling of NULL means NULL in quotes, too


class Sealed(Model):
    """The data is stored encrypted with age, for whoever holds the identity: the owner's own worker."""

    recipient: AgeRecipient  # public: what `ccd data put` seals to
    identity: SecretName  # the name of a Secret; it holds `age.key`


class DatasetBase(Model):
    """What is said of every dataset, wherever it lies."""

    backend: str
    format: Kind = "csv"
    text: Text | None = None  # of csv and tsv, where it is not written as most are
    null_text: MaybeEmptyLine | Annotated[tuple[MaybeEmptyLine, ...], Field(min_length=1)] = (
        ""  # how a text spells NULL
    )
    compression: Compression = "none"
    sealed: Sealed | None = None
    columns: Annotated[dict[Line, Column], Field(min_length=1)]  # in the file's order
    keys: tuple[Key, ...] = ()
    most_rows: Annotated[int, Field(ge=0, lt=1 << 31)] | None = None  # what it never has more of; orders joins

    @property
    def null_texts(self) -> tuple[str, ...]:
        """Every spelling of NULL."""
        return (self.null_text,) if isinstance(self.null_text, str) else self.null_text

    def spec(self, name: str) -> DatasetSpec:
        """Return what every party of a run is told of the dataset called "party/dataset"."""
        columns = (
            ColumnSpec(name=column, type=declared.type, nullable=declared.nullable, unique=declared.unique)
            for column, declared in self.columns.items()
        )
        # In the order of names: which of a key's columns is written first says nothing.
        keys = sorted({(tuple(sorted(key.columns)), str(key.unique)): key for key in self.keys}.items())
        return DatasetSpec(
            name=name,
            columns=tuple(columns),
            keys=tuple(KeySpec(columns=columns, unique=key.unique) for (columns, _), key in keys),
            most_rows=self.most_rows,
        )


class SwiftDataset(DatasetBase):
    """An object in the party's OpenStack Swift; its policy is an object beside it."""

    backend: Literal["swift"]
    container: ContainerName
    object: ObjectName
    credentials: SecretName


class DataverseDataset(DatasetBase):
    """A file of one version of a dataset in Dataverse; its policy is a file of the same version, beside it."""

    backend: Literal["dataverse"]
    url: Site
    persistent_id: PersistentId
    version: DatasetVersion
    file: VolumePath | FileNumber  # its name with its directory, or its number
    form: Literal["original", "archival"] = "original"  # of a file of tables: as uploaded, or as Dataverse's .tab
    storage: tuple[Site, ...] = ()  # where the installation keeps files, if it redirects there
    credentials: SecretName | None = None  # with an API token; public files need none


class Volume(Model):
    """A volume of the party's own cluster."""

    claim: ClaimName


class FilesDataset(DatasetBase):
    """A file on a volume in the party's own cluster, mounted read-only; its policy is a file beside it."""

    backend: Literal["files"]
    volume: Volume
    path: VolumePath


class SparkDataset(DatasetBase):
    """Files that the party's Spark reads where they lie; its policy is a file beside them."""

    backend: Literal["spark"]
    path: SparkPath


class Spark(Model):
    """A Spark Connect server of the party's own, and the Secret that says so and may hold its token."""

    endpoint: SparkEndpoint
    credentials: SecretName


class SparkEngine(Model):
    """Local steps run on Spark, and all of the party's datasets lie where it reads them."""

    spark: Spark


Dataset = Annotated[SwiftDataset | DataverseDataset | FilesDataset | SparkDataset, Field(discriminator="backend")]
Engine = Literal["duckdb"] | SparkEngine


def source_of(reference: str, dataset: Dataset, engine: Engine) -> Source:
    """Return what the owner's worker, whose local steps run on `engine`, is told of the dataset "party/dataset"."""
    read = {
        "dataset": reference,
        "format": dataset.format,
        "null": dataset.null_text,
        "text": _text_of(dataset),
        "compression": dataset.compression,
        "sealed": None if dataset.sealed is None else SealedSource(identity=dataset.sealed.identity),
    }
    match dataset:
        case SwiftDataset():
            swift = {"container": dataset.container, "object": dataset.object, "credentials": dataset.credentials}
            return SwiftSource.model_validate({**read, **swift})
        case DataverseDataset():
            place = {
                "url": dataset.url,
                "persistent_id": dataset.persistent_id,
                "version": dataset.version,
                "file": dataset.file,
                "form": dataset.form,
                "storage": dataset.storage,
                "credentials": dataset.credentials,
            }
            return DataverseSource.model_validate({**read, **place})
        case FilesDataset():
            return FilesSource.model_validate({**read, "claim": dataset.volume.claim, "path": dataset.path})
        case SparkDataset():
            if not isinstance(engine, SparkEngine):
                raise ValueError("a dataset of Spark without Spark: `check_dataset` says so first")
            server = {"endpoint": engine.spark.endpoint, "credentials": engine.spark.credentials}
            return SparkSource.model_validate({**read, **server, "path": dataset.path})
    assert_never(dataset)


def _text_of(dataset: DatasetBase) -> TextSource | None:
    declared = dataset.text or Text()
    whole = file_format(
        dataset.format,
        delimiter=declared.delimiter,
        quote="" if declared.quote == "none" else declared.quote,
        escape=declared.escape,
    )
    text = TextSource(
        delimiter=whole.delimiter,
        quote=whole.quote,
        escape=whole.escape,
        header=declared.header,
        quoted_nulls=declared.quoted_null,
    )
    return None if text == TextSource() or not whole.is_text else text
