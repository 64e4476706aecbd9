"""A file as its owner stored it, made the file that is declared: what it really is, by its first bytes, and unpacked."""

import re
from pathlib import Path

import pyarrow as pa

from conclave.local.errors import DataMismatch, Mismatch
from conclave.local.format import Compression, FileFormat

_CHUNK_BYTES = 1 << 20
# What a file of another kind begins with, and no table's header does.
_BEGINNINGS = {
    re.compile(rb"\x1f\x8b"): "compressed with gzip",
    re.compile(rb"\x28\xb5\x2f\xfd"): "compressed with zstd",
    re.compile(rb"BZh[1-9]1AY&SY"): "compressed with bzip2",
    re.compile(rb"\xfd7zXZ\0"): "compressed with xz",
    re.compile(rb"PK\x03\x04"): "a ZIP archive, or a spreadsheet",
    re.compile(rb"age-encryption\.org/v1\n-> "): "sealed with age",
    re.compile(rb"-----BEGIN AGE ENCRYPTED FILE-----"): "sealed with age, in its text form",
    re.compile(rb"\xff\xfe|\xfe\xff"): "UTF-16",
}
_LONGEST_BEGINNING = 40
_PARQUET = {b"PAR1": "Parquet", b"PARE": "Parquet with an encrypted footer"}  # begins and ends with it
_DECLARED: dict[Compression, str] = {"gzip": "compressed with gzip", "zstd": "compressed with zstd"}


def what_it_is(path: Path) -> str | None:
    """Return what the file's first bytes show it to be; None for text and what else has no such mark."""
    with path.open("rb") as file:
        start = file.read(_LONGEST_BEGINNING)
        file.seek(max(0, path.stat().st_size - 4))
        end = file.read(4)
    if start[:4] == end and end in _PARQUET:
        return _PARQUET[end]
    return next((what for beginning, what in _BEGINNINGS.items() if beginning.match(start)), None)


def check_kind(path: Path, file_format: FileFormat) -> None:
    """Raise DataMismatch for an unpacked file that shows at once that it is of another kind than declared."""
    found = what_it_is(path)
    declared = None if file_format.is_text else "Parquet"
    if found != declared:
        said = f"is {found}" if found is not None else "is not Parquet, or not whole"
        how = "text" if file_format.is_text else "parquet"
        fix = "declare what it is (format, compression, sealed), or store the file that is declared"
        raise DataMismatch(Mismatch(f"the file {said}, and declared is {how}", fix))


def decompress(source: Path, target: Path, compression: Compression, limit_bytes: int) -> None:
    """Write what `source` unpacks to, at most `limit_bytes`, to `target`, in pieces.

    Raises:  DataMismatch if it is not whole, not of that compression, or unpacks to more. OSError if the disk is full.
    """
    if what_it_is(source) != _DECLARED[compression]:
        found = what_it_is(source) or "not compressed, or in another way"
        fix = "declare its compression, or store the file compressed as declared"
        raise DataMismatch(Mismatch(f"the file is {found}, and declared is {compression}", fix))
    n_bytes = 0
    with pa.OSFile(str(source)) as raw, pa.CompressedInputStream(raw, compression) as stream, target.open("wb") as out:
        while chunk := _read(stream, compression):
            n_bytes += len(chunk)
            if n_bytes > limit_bytes:
                what = (
                    f"the file unpacks to more than the {limit_bytes} bytes that are left of the party's disk for a run"
                )
                raise DataMismatch(Mismatch(what, "raise spec.resources.work in the party document, or store less"))
            out.write(chunk)


def _read(stream: pa.CompressedInputStream, compression: Compression) -> bytes:
    try:
        return bytes(stream.read(_CHUNK_BYTES))
    except (pa.ArrowException, OSError):
        what = f"the {compression} data is cut short or damaged"
        raise DataMismatch(Mismatch(what, "compress and store the file again")) from None
