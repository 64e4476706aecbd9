"""Strings as matrices of zero-padded bytes, and those as words of 8 bytes, big endian. No loop over rows."""

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from conclave.ir.words import BYTES_PER_WORD

Bytes = npt.NDArray[np.uint8]
Words = npt.NDArray[np.int64]


def padded_bytes(strings: pa.Array, width: int) -> tuple[Bytes, bool]:
    """Return n strings as n rows of `width` bytes, at least the longest, and whether any holds a zero byte.

    >>> padded_bytes(pa.array(["UA", "B6", "F"]), 3)[0].tolist()
    [[85, 65, 0], [66, 54, 0], [70, 0, 0]]
    """
    matrix = np.zeros((len(strings), width), np.uint8)
    if not len(strings):
        return matrix, False
    _, offsets, data = strings.cast(pa.binary()).buffers()
    ends = np.frombuffer(offsets, np.int32)[strings.offset : strings.offset + len(strings) + 1]
    stored = np.frombuffer(data, np.uint8)[ends[0] : ends[-1]] if data is not None else np.zeros(0, np.uint8)
    # Row by row, the places before each string's end are filled by the stored bytes in their order.
    matrix[np.arange(width) < np.diff(ends)[:, None]] = stored
    return matrix, bool((stored == 0).any())


def words_of_bytes(matrix: Bytes) -> tuple[Words, ...]:
    """Return n rows of 8k bytes as k arrays of n words."""
    words = np.ascontiguousarray(matrix).view(">u8").astype(np.uint64).view(np.int64)
    return tuple(np.ascontiguousarray(words[:, k]) for k in range(words.shape[1]))


def bytes_of_words(words: tuple[Words, ...]) -> Bytes:
    """Return k arrays of n words as n rows of 8k bytes."""
    stacked = np.stack(words, axis=1).view(np.uint64).astype(">u8")
    return stacked.view(np.uint8).reshape(len(words[0]), BYTES_PER_WORD * len(words))


def string_array(matrix: Bytes) -> pa.Array:
    """Return the strings whose zero-padded bytes are the rows.

    Raises:  pyarrow's ArrowInvalid if they are not UTF-8.
    """
    n, width = matrix.shape
    lengths = ((matrix != 0) * np.arange(1, width + 1)).max(axis=1, initial=0)
    offsets = np.zeros(n + 1, np.int32)
    np.cumsum(lengths, out=offsets[1:])
    data = matrix[np.arange(width) < lengths[:, None]]
    array = pa.StringArray.from_buffers(n, pa.py_buffer(offsets), pa.py_buffer(data.tobytes()))
    array.validate(full=True)
    return array
