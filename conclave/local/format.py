"""How a party's file is written down: which kind of file, and for text its signs. Nothing about it is ever guessed."""

from dataclasses import dataclass
from typing import Literal

Kind = Literal["csv", "tsv", "tab", "parquet"]
Compression = Literal["none", "gzip", "zstd"]
DELIMITERS: dict[Kind, str] = {"csv": ",", "tsv": "\t", "tab": "\t"}


@dataclass(frozen=True, slots=True)
class FileFormat:
    """What a file has to be. The defaults are CSV after RFC 4180, with a header, where an empty field is NULL.

    `tab` is Dataverse's archival format: tabs and line ends are never part of a value; a string stands in double
    quotes, with a backslash before each quote within; nothing at all is NULL.
    """

    kind: Kind = "csv"
    delimiter: str = ","
    quote: str = '"'  # "": quotes are characters like others
    escape: str = '"'  # what stands before a quote within quotes; "" without quotes
    has_header: bool = True
    nulls: tuple[str, ...] = ("",)
    quoted_nulls: bool = False  # whether a quoted field may spell NULL

    @property
    def is_text(self) -> bool:
        """Whether the file consists of lines."""
        return self.kind != "parquet"

    @property
    def has_quoted_strings(self) -> bool:
        """Whether quotes are part of the fields as the readers return them, to be taken off afterwards."""
        return self.kind == "tab"


def file_format(
    kind: Kind,
    *,
    delimiter: str | None = None,
    quote: str | None = None,
    escape: str | None = None,
    has_header: bool = True,
    nulls: tuple[str, ...] = ("",),
    quoted_nulls: bool = False,
) -> FileFormat:
    """Return the format of `kind`, with what is declared in place of its defaults.

    >>> file_format("tsv", quote="").escape, file_format("csv", delimiter=";").quote
    ('', '"')
    """
    if kind in ("tab", "parquet"):
        quote = ""
    quote = '"' if quote is None else quote
    escape = (quote if escape is None else escape) if quote else ""
    delimiter = DELIMITERS.get(kind, "") if delimiter is None else delimiter
    return FileFormat(kind, delimiter, quote, escape, has_header, nulls, quoted_nulls)


CSV = file_format("csv")
PARQUET = file_format("parquet")
