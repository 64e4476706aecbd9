"""Typed columns as words for MPC, and back: `conclave.ir.words` for a whole table at a time.

Every column becomes one int64 array; where NULL is possible, a mask says where, and the word there is 0.
A varchar too long to pack becomes a hash, and, where the plan reveals it, its bytes as further words.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import assert_never

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from conclave.ir.types import Boolean, Date, Decimal, Double, Field, Integer, Schema, Type, Varchar, is_packed
from conclave.ir.words import BYTES_PER_WORD, FRACTION_BITS, hash_string, n_text_words
from conclave.local.errors import EncodeProblem
from conclave.local.strings import bytes_of_words, padded_bytes, string_array, words_of_bytes

Words = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
_INTEGERS = {8: pa.int8(), 16: pa.int16(), 32: pa.int32(), 64: pa.int64()}
_MAX_DOUBLE = 2.0 ** (62 - FRACTION_BITS)


@dataclass(frozen=True)
class EncodedColumn:
    """n words, n flags (True is NULL; None: there can be none), and for each 8 bytes of text n more."""

    words: Words
    nulls: Mask | None = None
    text: tuple[Words, ...] = ()


@dataclass(frozen=True)
class EncodedTable:
    """A table ready to be shared: its columns by name, in the schema's order."""

    n_rows: int
    columns: dict[str, EncodedColumn]


def arrow_type(kind: Type) -> pa.DataType:
    """Return the Arrow type that holds `kind`."""
    match kind:
        case Integer(bits):
            return _INTEGERS[bits]
        case Decimal(precision, scale):
            return pa.decimal128(precision, scale)
        case Double():
            return pa.float64()
        case Boolean():
            return pa.bool_()
        case Date():
            return pa.date32()
        case Varchar():
            return pa.string()
        case _ as never:
            assert_never(never)


def encode(table: pa.Table, schema: Schema, reveal_strings: frozenset[str] = frozenset()) -> EncodedTable:
    """Return `table` in words; the bytes of long strings go along for the columns in `reveal_strings`.

    Raises:  EncodeProblem, naming the column, for a value that its type or a word cannot hold.
    """
    columns = {f.name: _encode(table.column(f.name), f, f.name in reveal_strings) for f in schema}
    return EncodedTable(table.num_rows, columns)


def decode(columns: Mapping[str, EncodedColumn], schema: Schema) -> pa.Table:
    """Return the typed table that `columns` hold. A long varchar must come with its text.

    Raises:  EncodeProblem, naming the column, for words that are no values of the column's type.
    """
    arrays = [_decode(columns[f.name], f) for f in schema]
    fields = [pa.field(f.name, arrow_type(f.type), f.nullable) for f in schema]
    return pa.Table.from_arrays(arrays, schema=pa.schema(fields))


def _encode(column: pa.ChunkedArray, declared: Field, with_text: bool) -> EncodedColumn:
    try:
        array = pa.concat_arrays(column.cast(arrow_type(declared.type)).chunks or [_none_of(declared.type)])
    except pa.ArrowException:
        raise EncodeProblem(declared.name, f"holds values that are no {declared.type}") from None
    nulls: Mask | None = None
    if declared.nullable:
        nulls = array.is_null().to_numpy(zero_copy_only=False)
    elif array.null_count:
        raise EncodeProblem(declared.name, "holds NULL but is declared not null")
    if isinstance(declared.type, Varchar):
        words, text = _encode_strings(array, declared, with_text)
        return EncodedColumn(words, nulls, text)
    return EncodedColumn(_encode_fixed(array, declared), nulls)


def _none_of(kind: Type) -> pa.Array:
    return pa.array([], arrow_type(kind))


def _encode_fixed(array: pa.Array, declared: Field) -> Words:
    match declared.type:
        case Integer() | Boolean():
            return _filled(array.cast(pa.int64()))
        case Date():
            return _filled(array.cast(pa.int32()).cast(pa.int64()))
        case Decimal():
            return _unscaled(array)
        case Double():
            real = np.asarray(array.fill_null(0.0).to_numpy(zero_copy_only=False), dtype=np.float64)
            if not np.all(np.abs(real) < _MAX_DOUBLE):  # false for NaN, too
                what = f"holds a double that is not below 2**{62 - FRACTION_BITS} in size"
                raise EncodeProblem(declared.name, what)
            return np.rint(real * 2.0**FRACTION_BITS).astype(np.int64)
        case Varchar():
            raise TypeError("strings have their own encoding")
        case _ as never:
            assert_never(never)


def _filled(array: pa.Array) -> Words:
    return np.asarray(array.fill_null(0).to_numpy(zero_copy_only=False), dtype=np.int64)


def _unscaled(array: pa.Array) -> Words:
    """Read a decimal's integers: the low halves of its 16 bytes, as 18 digits fit 8."""
    if not len(array):
        return np.zeros(0, np.int64)
    halves = np.frombuffer(array.buffers()[1], np.int64)
    words = halves[2 * array.offset : 2 * (array.offset + len(array)) : 2].copy()
    words[array.is_null().to_numpy(zero_copy_only=False)] = 0  # what lies under a NULL is undefined
    return words


def _encode_strings(array: pa.Array, declared: Field, with_text: bool) -> tuple[Words, tuple[Words, ...]]:
    kind = declared.type
    assert isinstance(kind, Varchar)
    dictionary = array.dictionary_encode()
    # One more entry, all zero, is what NULL points to.
    codes = dictionary.indices.fill_null(len(dictionary.dictionary)).to_numpy(zero_copy_only=False)
    distinct = dictionary.dictionary
    lengths = pc.binary_length(distinct)
    if pc.any(pc.greater(lengths, kind.max_bytes)).as_py():
        raise EncodeProblem(declared.name, f"holds a string longer than {kind.max_bytes} bytes")
    if is_packed(kind):
        matrix = np.zeros((len(distinct) + 1, BYTES_PER_WORD), np.uint8)
        matrix[:-1, BYTES_PER_WORD - kind.max_bytes :] = _checked_bytes(distinct, kind.max_bytes, declared)
        return words_of_bytes(matrix)[0][codes], ()
    width = n_text_words(kind.max_bytes) * BYTES_PER_WORD
    matrix = np.zeros((len(distinct) + 1, width), np.uint8)
    matrix[:-1] = _checked_bytes(distinct, width, declared)
    hashes = [hash_string(value.encode()) for value in distinct.to_pylist()]
    words = np.array([*hashes, 0], np.int64)[codes]
    return words, tuple(word[codes] for word in words_of_bytes(matrix)) if with_text else ()


def _checked_bytes(distinct: pa.Array, width: int, declared: Field) -> npt.NDArray[np.uint8]:
    matrix, has_zero = padded_bytes(distinct, width)
    if has_zero:
        raise EncodeProblem(declared.name, "holds a zero byte, which is what shorter strings are padded with")
    return matrix


def _decode(column: EncodedColumn, declared: Field) -> pa.Array:
    array = _decode_present(column, declared)
    if column.nulls is None:
        return array
    return pc.if_else(pa.array(column.nulls), pa.scalar(None, array.type), array)


def _decode_present(column: EncodedColumn, declared: Field) -> pa.Array:
    """Decode all rows; a NULL's word is 0 and means something in every type."""
    words, kind = column.words, declared.type
    match kind:
        case Integer() | Date():
            narrow = pa.int32() if isinstance(kind, Date) else arrow_type(kind)
            try:
                return pa.array(words).cast(narrow).cast(arrow_type(kind))
            except pa.ArrowException:
                raise _no_value(declared) from None
        case Decimal(precision):
            if not np.all((words > -(10**precision)) & (words < 10**precision)):
                raise _no_value(declared)
            halves = np.stack([words, words >> 63], axis=1)
            return pa.Array.from_buffers(arrow_type(kind), len(words), [None, pa.py_buffer(halves)])
        case Double():
            return pa.array(words / 2.0**FRACTION_BITS)
        case Boolean():
            if not np.all((words == 0) | (words == 1)):
                raise _no_value(declared)
            return pa.array(words.astype(np.bool_))
        case Varchar(max_bytes):
            text = (words,) if is_packed(kind) else column.text
            if not is_packed(kind) and len(text) != n_text_words(max_bytes):
                raise EncodeProblem(declared.name, "is revealed without its text")
            matrix = bytes_of_words(text)
            if is_packed(kind):
                matrix = matrix[:, BYTES_PER_WORD - max_bytes :]
            try:
                return string_array(matrix)
            except pa.ArrowException:
                raise _no_value(declared) from None
        case _ as never:
            assert_never(never)


def _no_value(declared: Field) -> EncodeProblem:
    return EncodeProblem(declared.name, f"was opened to words that are no {declared.type}")
