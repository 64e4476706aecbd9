"""Encoded tables as plain columns, the form in which they are shared, revealed and sent, and back.

A long string's bytes become further columns beside its code. Schemas are public, so both ends agree on the layout.
"""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from conclave.ir.types import Boolean, Field, Schema, Varchar, is_packed, key_bits
from conclave.ir.words import n_text_words, text_column
from conclave.local.encode import EncodedColumn, EncodedTable
from conclave.mpc.channel import Network
from conclave.mpc.errors import FrameError
from conclave.operators.input import InputColumn, PlainColumn, PlainTable

MOST_ROWS = 1 << 31
COUNT_BYTES = 8


def layout(schema: Schema, texts: frozenset[str]) -> tuple[InputColumn, ...]:
    """Return the plain columns of a schema; the long strings in `texts` come with their bytes."""
    columns: list[InputColumn] = []
    for f in schema:
        is_signed = not isinstance(f.type, Varchar | Boolean)
        columns.append(InputColumn(f.name, f.nullable, key_bits(f.type), is_signed))
        if f.name in texts:
            columns += [InputColumn(name) for name in _text_names(f)]
    return tuple(columns)


def to_plain(table: EncodedTable, texts: frozenset[str]) -> dict[str, PlainColumn]:
    """Return an encoded table's columns, in the layout that `layout` describes."""
    plain: dict[str, PlainColumn] = {}
    for name, column in table.columns.items():
        plain[name] = (column.words, column.nulls)
        if name in texts:
            plain |= {text_column(name, k): (words, None) for k, words in enumerate(column.text)}
    return plain


def from_plain(plain: PlainTable, schema: Schema) -> dict[str, EncodedColumn]:
    """Return plain columns as encoded ones, ready to be decoded."""
    return {f.name: EncodedColumn(*plain[f.name], tuple(plain[name][0] for name in _text_names(f))) for f in schema}


def long_strings(schema: Schema) -> frozenset[str]:
    """Return the names of the columns whose strings do not fit a word."""
    return frozenset(f.name for f in schema if isinstance(f.type, Varchar) and not is_packed(f.type))


def send_plain(
    plain: PlainTable | None,
    columns: tuple[InputColumn, ...],
    owner: str,
    recipients: tuple[str, ...],
    network: Network,
) -> dict[str, PlainColumn] | None:
    """Send a table in the clear from `owner` to `recipients`; return it at a recipient, None elsewhere.

    Shapes:  n rows; 8 bytes a row for each column, and one more where NULL is possible.
    Reveals: the table, to the recipients.
    Raises:  ProtocolError if a peer is lost, late, or announces more rows than a table may have.
    """
    row_bytes = sum(9 if column.nullable else 8 for column in columns)
    if network.me == owner:
        assert plain is not None
        n_rows = len(plain[columns[0].name][0])
        count = n_rows.to_bytes(COUNT_BYTES, "little")
        network.exchange_control(dict.fromkeys(recipients, count), (), COUNT_BYTES)
        network.exchange(dict.fromkeys(recipients, _pack(plain, columns)), {})
        return None
    announced = network.exchange_control({}, (owner,), COUNT_BYTES)[owner]
    n_rows = int.from_bytes(announced, "little")
    if len(announced) != COUNT_BYTES or n_rows > MOST_ROWS:
        raise FrameError(owner, "rows", MOST_ROWS, n_rows)
    return _unpack(network.exchange({}, {owner: n_rows * row_bytes})[owner], n_rows, columns)


def _text_names(declared: Field) -> list[str]:
    if not isinstance(declared.type, Varchar) or is_packed(declared.type):
        return []
    return [text_column(declared.name, k) for k in range(n_text_words(declared.type.max_bytes))]


def _pack(plain: Mapping[str, PlainColumn], columns: tuple[InputColumn, ...]) -> bytes:
    parts: list[bytes] = []
    for column in columns:
        words, nulls = plain[column.name]
        parts.append(words.astype("<i8").tobytes())
        if column.nullable:
            parts.append((np.zeros(len(words), np.bool_) if nulls is None else nulls).tobytes())
    return b"".join(parts)


def _unpack(payload: memoryview, n_rows: int, columns: tuple[InputColumn, ...]) -> dict[str, PlainColumn]:
    plain: dict[str, PlainColumn] = {}
    at = 0
    for column in columns:
        words = np.frombuffer(payload, "<i8", n_rows, at).astype(np.int64)
        at += 8 * n_rows
        nulls: npt.NDArray[np.bool_] | None = None
        if column.nullable:
            nulls = np.frombuffer(payload, np.uint8, n_rows, at) != 0
            at += n_rows
        plain[column.name] = (words, nulls)
    return plain
