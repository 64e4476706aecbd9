"""A dataset in a party's document: where it lies, and what its rows look like. The worker holds the data to this."""

from typing import Annotated, Literal, assert_never

from pydantic import Field

from renderer.fields import ClaimName, ContainerName, Line, MaybeEmptyLine, ObjectName, SecretName, VolumePath
from worker.runspec import FilesSource, Model, Source, SwiftSource


class Column(Model):
    """One declared column."""

    type: Line  # conclave.ir.types.parse_type reads it
    nullable: bool = True
    # Whether no two rows have the same value: in this dataset, or in the whole table that it is a part of.
    unique: bool | Literal["table"] = False


class DatasetBase(Model):
    """What is said of every dataset, wherever it lies."""

    backend: str
    format: Literal["csv", "parquet"] = "csv"
    null_text: MaybeEmptyLine = ""  # the spelling of NULL in CSV
    columns: Annotated[dict[Line, Column], Field(min_length=1)]  # in the file's order


class SwiftDataset(DatasetBase):
    """An object in the party's OpenStack Swift; its policy is an object beside it."""

    backend: Literal["swift"]
    container: ContainerName
    object: ObjectName
    credentials: SecretName


class Volume(Model):
    """A volume of the party's own cluster."""

    claim: ClaimName


class FilesDataset(DatasetBase):
    """A file on a volume in the party's own cluster, mounted read-only; its policy is a file beside it."""

    backend: Literal["files"]
    volume: Volume
    path: VolumePath


Dataset = Annotated[SwiftDataset | FilesDataset, Field(discriminator="backend")]


def source_of(reference: str, dataset: Dataset) -> Source:
    """Return what the owner's worker is told of the dataset `reference`, "party/dataset"."""
    match dataset:
        case SwiftDataset():
            return SwiftSource(
                dataset=reference,
                format=dataset.format,
                null=dataset.null_text,
                container=dataset.container,
                object=dataset.object,
                credentials=dataset.credentials,
            )
        case FilesDataset():
            return FilesSource(
                dataset=reference,
                format=dataset.format,
                null=dataset.null_text,
                claim=dataset.volume.claim,
                path=dataset.path,
            )
    assert_never(dataset)
