"""What a party says of one dataset, held together: columns, the signs of a text, and what its name promises."""

from collections.abc import Iterator
from typing import assert_never

from conclave.ir.errors import TypeProblem
from conclave.ir.types import parse_type
from conclave.local.format import file_format
from policy.problem import Path, Problem
from renderer.dataset import Dataset, DataverseDataset, FilesDataset, SparkDataset, SparkEngine, SwiftDataset
from renderer.documents import Document
from renderer.party import Party

_COMPRESSED = {".gz": "gzip", ".zst": "zstd"}


def check_dataset(party: Document[Party], name: str, dataset: Dataset) -> Iterator[Problem]:
    """Yield what is wrong with a declaration by itself."""
    path: Path = ("spec", "datasets", name)
    yield from _check_columns(party, path, dataset)
    yield from _check_text(party, path, dataset)
    yield from _check_name(party, path, dataset)
    if isinstance(dataset, DataverseDataset) and dataset.form == "archival" and dataset.format != "tab":
        what = "is a text as Dataverse writes it, with tabs and quotes of its own"
        yield party.problem((*path, "form"), what, "declare format: tab, or form: original for what was uploaded")
    yield from _check_engine(party, path, dataset)
    if dataset.format == "parquet" and dataset.compression != "none":
        what = "is of texts; Parquet compresses its own pages"
        yield party.problem((*path, "compression"), what, "leave it out")


def _check_engine(party: Document[Party], path: Path, dataset: Dataset) -> Iterator[Problem]:
    """Yield where the dataset does not lie where the party's engine reads, or is written as that cannot read it."""
    is_spark = isinstance(party.model.spec.engine, SparkEngine)
    if is_spark != isinstance(dataset, SparkDataset):
        what = (
            "is not where the party's Spark reads" if is_spark else "is read by Spark, and the party's engine is DuckDB"
        )
        fix = "declare backend: spark for every dataset, or engine: duckdb" if is_spark else "declare spec.engine.spark"
        yield party.problem((*path, "backend"), what, fix)
    if not isinstance(dataset, SparkDataset):
        return
    if dataset.format == "tab":
        yield party.problem((*path, "format"), "is not read by Spark", "store it as csv, tsv or parquet")
    if dataset.compression != "none":
        fix = "leave it out, and store it as it is: Parquet compresses its own pages"
        yield party.problem((*path, "compression"), "is not taken off where Spark reads", fix)
    if dataset.sealed is not None:
        fix = "leave it out: what Spark reads is protected where it lies"
        yield party.problem((*path, "sealed"), "cannot be opened where Spark reads", fix)
    unpacked = (".gz", ".bz2", ".zst", ".lz4", ".snappy", ".deflate", ".xz")
    if dataset.path.endswith(unpacked):
        yield party.problem(
            (*path, "path"), "has an ending by which Spark would unpack it unasked", "store it unpacked"
        )


def _check_columns(party: Document[Party], path: Path, dataset: Dataset) -> Iterator[Problem]:
    seen: dict[str, str] = {}
    for column, declared in dataset.columns.items():
        try:
            parse_type(declared.type)
        except TypeProblem as error:
            yield party.problem((*path, "columns", column, "type"), error.what, error.fix)
        other = seen.setdefault(column.lower(), column)
        if other != column:
            what = f"differs from the column {other} in capitals only, and SQL does not tell them apart"
            yield party.problem((*path, "columns", column), what, "rename one of them in the file")
    for index, key in enumerate(dataset.keys):
        unknown = [column for column in key.columns if column not in dataset.columns]
        if unknown:
            what = f"names {', '.join(unknown)}, which is no declared column"
            yield party.problem((*path, "keys", index, "columns"), what, "name columns as `columns` does")
        elif len(set(key.columns)) < len(key.columns):
            what = "names a column twice"
            yield party.problem((*path, "keys", index, "columns"), what, "name each once")


def _check_text(party: Document[Party], path: Path, dataset: Dataset) -> Iterator[Problem]:
    text = dataset.text
    if text is not None and dataset.format == "parquet":
        yield party.problem((*path, "text"), "is of texts, and this is Parquet", "leave it out")
        return
    given = set() if text is None else text.model_fields_set
    for field in ("delimiter", "quote", "escape", "quoted_null"):
        if dataset.format == "tab" and field in given:
            what = "is fixed in Dataverse's archival format"
            yield party.problem((*path, "text"), what, "leave it out, or declare format: tsv")
    if dataset.format == "parquet":
        return
    quote = None if text is None else "" if text.quote == "none" else text.quote
    whole = file_format(
        dataset.format, delimiter=text.delimiter if text else None, quote=quote, escape=text.escape if text else None
    )
    if text is not None and whole.quote == "" and text.escape is not None:
        yield party.problem((*path, "text", "escape"), "stands within quotes, and there are none", "leave it out")
    if whole.delimiter in (whole.quote, whole.escape):
        what = "is the delimiter and something else"
        yield party.problem((*path, "text"), what, "choose different signs for delimiter, quote and escape")
    signs = {whole.delimiter, whole.quote, whole.escape} - {""}
    for null in dataset.null_texts:
        if any(sign in null for sign in signs):
            what = "holds the delimiter, the quote or the escape, so it cannot stand in a field by itself"
            yield party.problem((*path, "nullText"), what, "declare how NULL is really spelled")
    if len(set(dataset.null_texts)) < len(dataset.null_texts):
        yield party.problem((*path, "nullText"), "lists a spelling twice", "keep one")


def _check_name(party: Document[Party], path: Path, dataset: Dataset) -> Iterator[Problem]:
    """Yield where the name promises something else than what is declared; only what is declared counts."""
    match dataset:
        case SwiftDataset():
            field, name = "object", dataset.object
        case FilesDataset():
            field, name = "path", dataset.path
        case DataverseDataset():
            field, name = "file", str(dataset.file)
        case SparkDataset():
            field, name = "path", dataset.path
        case _:
            assert_never(dataset)
    is_sealed = name.endswith(".age")
    if is_sealed and dataset.sealed is None:
        yield party.problem((*path, field), "ends in .age, but `sealed` is not declared", "declare it, or rename")
    inner = name.removesuffix(".age")
    promised = next((kind for ending, kind in _COMPRESSED.items() if inner.endswith(ending)), None)
    if promised is not None and promised != dataset.compression and not isinstance(dataset, SparkDataset):
        what = f"ends as {promised} does, but the declared compression is {dataset.compression}"
        yield party.problem((*path, field), what, f"declare compression: {promised}, or rename")
