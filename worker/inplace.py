"""One own dataset that stays where Spark reads it: held against its declaration there, and what is told of it.

Nobody has its bytes, so what stands in the place of a file's SHA-256 is a digest of its rows, which Spark adds up, and in
the place of a version what is listed of its files. The files are listed before and after: a dataset that is written to
meanwhile is not taken in.
"""

from dataclasses import dataclass

from conclave.local.check import Examined, FileFacts
from conclave.local.errors import DataMismatch as FileMismatch
from conclave.local.errors import LocalError, Mismatch
from conclave.local.sparkcheck import digest_of_rows, examine_in_spark
from conclave.local.sparkserver import same_files
from worker.endpoints.spark import SparkOrigin
from worker.errors import StoreRefused, StoreUnavailable
from worker.runspec import DatasetSpec, SparkSource
from worker.spark import spark_file


@dataclass(frozen=True)
class InPlace:
    """What there is to tell of a dataset: what was wrong, or its facts, the digest of its rows, and its version."""

    examined: Examined
    sha256: str = ""
    version: str = ""

    @property
    def facts(self) -> FileFacts | None:
        """None if something was wrong."""
        return self.examined.facts


def look_at(dataset: DatasetSpec, source: SparkSource, origin: SparkOrigin) -> InPlace:
    """Return what the dataset is.

    Raises:  StoreRefused if Spark cannot read it, StoreUnavailable if it changes meanwhile; EngineUnavailable.
    """
    file, session = spark_file(dataset, source), origin.session
    unique: list[str | tuple[str, ...]] = [
        *(column.name for column in dataset.columns if column.unique),
        *(key.columns for key in dataset.keys),
    ]
    try:
        version = same_files(session.files(file.path))
        examined = examine_in_spark(session, file, unique)
        examined = held_to_size(examined, dataset.most_rows)
        if examined.facts is None:
            return InPlace(examined)
        sha256 = digest_of_rows(session, file)
        is_same = same_files(session.files(file.path)) == version
    except FileMismatch as error:
        return InPlace(Examined(None, (error.mismatch,)))
    except LocalError as error:
        fix = "check the path in the party document, and that Spark may read it"
        raise StoreRefused(f"Spark cannot read the dataset ({error.kind})", origin.place, fix=fix) from None
    if not is_same:
        fix = "leave the files as they are while a run reads them"
        raise StoreUnavailable("the dataset was changed while it was read", origin.place, fix=fix)
    return InPlace(examined, sha256, version)


def held_to_size(examined: Examined, most: int | None) -> Examined:
    """Return what was found, and that it is too much where there are more rows than declared."""
    if examined.facts is None or most is None or examined.facts.n_rows <= most:
        return examined
    fix = "raise `mostRows` in the party document: plans are made for so many"
    return Examined(None, (Mismatch(f"has more rows than the {most} that are declared", fix),))
