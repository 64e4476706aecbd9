"""Types and keys read off local files, where nobody has declared them.

A text's columns have the first type that every value of every file is spelt in, by the rules that declared columns are
held to; its rows are first held to RFC 4180 by the same check as an owner's. Nothing else about a file is guessed.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import duckdb

from conclave.ir.types import Boolean, Date, Decimal, Double, Field, Integer, Schema, Type, Varchar
from conclave.local.check import check_file
from conclave.local.errors import DataMismatch
from conclave.local.format import FileFormat, file_format
from conclave.local.header import MAX_HEADER_BYTES, text_header
from conclave.local.source import MAX_LINE_BYTES, breaks_type, relation, typed
from conclave.local.sqlexpr import view_name
from renderer.errors import BAD_DOCUMENT, CommandError

_SPELT: tuple[Type, ...] = (Integer(64), Date(), Double(), Boolean())  # in this order; what is none of them is text


class TrialProblem(CommandError):
    """Something about the query's files that the analyst can mend."""

    def __init__(self, what: str, fix: str | None = None) -> None:
        super().__init__(what, fix, BAD_DOCUMENT)


@dataclass(frozen=True)
class Part:
    """One party's file of a logical table."""

    table: str
    party: str
    path: Path

    @property
    def format(self) -> Literal["csv", "tsv", "parquet"]:
        """By the file's ending."""
        match self.path.suffix:
            case ".parquet":
                return "parquet"
            case ".tsv":
                return "tsv"
        return "csv"

    @property
    def file_format(self) -> FileFormat:
        """How it is read: as types are read off it, where nothing in quotes is NULL too."""
        return file_format(self.format, quoted_nulls=True)


def read_off(table: str, parts: list[Part], note: Callable[[str], None]) -> tuple[Schema, frozenset[str]]:
    """Return the columns' types over all files of a table, and which columns hold no value twice.

    `note` is told of columns that are text on account of some of the files only.
    Raises:  TrialProblem naming the file.
    """
    with duckdb.connect() as connection:
        _load(connection, parts, note)
        whole = connection.table("whole")
        facts = connection.execute(
            f"SELECT COUNT(*), {', '.join(map(_facts_sql, whole.columns))} FROM whole"  # noqa: S608 - quoted names
        ).fetchone()
        assert facts is not None
        fields, unique = [], set()
        for index, (name, kind) in enumerate(zip(whole.columns, whole.types, strict=True)):
            n_present, n_distinct, longest = facts[3 * index + 1 : 3 * index + 4]
            fields.append(Field(name.lower(), _type_of(str(kind), longest or 1), n_present < facts[0]))
            if n_distinct == facts[0]:
                unique.add(name.lower())
    return tuple(fields), frozenset(unique)


def is_key(parts: list[Part], columns: tuple[str, ...]) -> bool:
    """Whether no two rows of all files agree in the columns, and none of them is NULL."""
    names = ", ".join(map(view_name, columns))
    nulls = " OR ".join(f"{view_name(column)} IS NULL" for column in columns)
    with duckdb.connect() as connection:
        _load(connection, parts, pass_over)
        facts = connection.execute(
            f"SELECT COUNT(*), COUNT(DISTINCT ({names})), COUNT(*) FILTER ({nulls}) FROM whole"  # noqa: S608 - quoted
        ).fetchone()
    assert facts is not None
    n_rows, n_distinct, n_nulls = facts
    return bool(n_rows == n_distinct and not n_nulls)


def pass_over(_: str) -> None:
    """Nobody asks what was noted of the files."""


def _load(connection: duckdb.DuckDBPyConnection, parts: list[Part], note: Callable[[str], None]) -> None:
    """Make a table `whole` of all files of a logical table.

    Raises:  TrialProblem naming the file.
    """
    texts = [(part, schema) for part in parts if (schema := _text_schema(part))]
    for part, schema in texts:
        try:
            check_file(part.path, part.file_format, schema)
        except DataMismatch as error:
            raise TrialProblem(f"{part.path}: {error}") from None
    kinds = _spelt(connection, texts, note)
    selects = [_select(part, dict(texts).get(part), kinds) for part in parts]
    try:
        names = [connection.sql(select).columns for select in selects]
        if any(other != names[0] for other in names):
            what = f"table {parts[0].table}: its files have different columns: {_listing(parts, names)}"
            raise TrialProblem(what, "let all files of a table have the same columns, in the same order")
        connection.execute(f"CREATE TABLE whole AS {' UNION ALL '.join(selects)}")
    except duckdb.Error as error:
        raise TrialProblem(f"table {parts[0].table}: cannot be read as a table: {error}") from error


def _text_schema(part: Part) -> Schema:
    """Return the columns of a text, any value allowed; of another file none."""
    if not part.file_format.is_text:
        return ()
    try:
        with part.path.open("rb") as file:
            names = text_header(file.read(MAX_HEADER_BYTES), part.file_format)
    except DataMismatch as error:
        raise TrialProblem(f"{part.path}: {error}") from None
    lowered = [name.lower() for name in names] or [""]
    for place, name in enumerate(lowered, 1):
        if not name or name in lowered[: place - 1]:
            what = f"column number {place} has {'the name of another one' if name else 'no name'}"
            raise TrialProblem(f"{part.path}: {what}", "give each column a name of its own, in the first line")
    return tuple(Field(name, Varchar(MAX_LINE_BYTES), nullable=True) for name in names)


def _spelt(
    connection: duckdb.DuckDBPyConnection, texts: Iterable[tuple[Part, Schema]], note: Callable[[str], None]
) -> dict[str, Type]:
    """Return the type of each column of the texts, by its name: the first that all values of all files are spelt in."""
    found: dict[str, dict[Part, list[Type]]] = {}  # where there are values: the types that they are all spelt in
    for part, schema in texts:
        asked = [
            f"COUNT({view_name(column.name)}), "
            + ", ".join(
                f"coalesce(bool_or({breaks_type(Field(column.name, kind), part.file_format)}), false)"
                for kind in _SPELT
            )
            for column in schema
        ]
        source = relation(part.path, part.file_format, schema)
        row = connection.execute(f"SELECT {', '.join(asked)} FROM {source}").fetchone()  # noqa: S608 - quoted names
        assert row is not None
        for index, column in enumerate(schema):
            n_present, *breaks = row[index * (len(_SPELT) + 1) : (index + 1) * (len(_SPELT) + 1)]
            if n_present:
                fits = [kind for kind, is_broken in zip(_SPELT, breaks, strict=True) if not is_broken]
                found.setdefault(column.name, {})[part] = fits
    kinds: dict[str, Type] = {}
    for name, of in found.items():
        common = [kind for kind in _SPELT if all(kind in fits for fits in of.values())]
        if common:
            kinds[name] = common[0]
        elif any(of.values()):
            told = "; ".join(f"{part.path}: {fits[0] if fits else 'text'}" for part, fits in of.items())
            note(f"column {name} is taken as text, since its files differ: {told}")
    return kinds


def _select(part: Part, schema: Schema | None, kinds: dict[str, Type]) -> str:
    if schema is None:
        return f"SELECT * FROM {relation(part.path, part.file_format, ())}"  # noqa: S608 - quoted path
    columns = [
        f"{typed(Field(f.name, kinds[f.name]), part.file_format) if f.name in kinds else view_name(f.name)} AS {view_name(f.name)}"
        for f in schema
    ]
    return f"SELECT {', '.join(columns)} FROM {relation(part.path, part.file_format, schema)}"  # noqa: S608 - quoted names


def _facts_sql(column: str) -> str:
    name = view_name(column)
    return f"COUNT({name}), COUNT(DISTINCT {name}), MAX(octet_length(encode(CAST({name} AS VARCHAR))))"


def _type_of(duckdb_type: str, longest: int) -> Type:
    match duckdb_type.split("("):
        case ["TINYINT" | "UTINYINT" | "SMALLINT" | "USMALLINT" | "INTEGER"]:
            return Integer(32)
        case ["UINTEGER" | "BIGINT" | "UBIGINT" | "HUGEINT"]:
            return Integer(64)
        case ["FLOAT" | "DOUBLE"]:
            return Double()
        case ["BOOLEAN"]:
            return Boolean()
        case ["DATE"]:
            return Date()
        case ["DECIMAL", digits]:
            precision, scale = digits.rstrip(")").split(",")
            return Decimal(min(int(precision), 18), int(scale))
    return Varchar(longest)


def _listing(parts: list[Part], names: list[list[str]]) -> str:
    return "; ".join(f"{part.path}: {', '.join(columns)}" for part, columns in zip(parts, names, strict=True))
