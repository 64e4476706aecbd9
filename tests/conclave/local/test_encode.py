"""Words and back: what goes in comes out, and one value's word is the one that constants get."""

import datetime
import decimal

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from conclave.ir.types import Boolean, Date, Decimal, Double, Field, Integer, Type, Varchar
from conclave.ir.words import hash_string, word_of
from conclave.local.encode import EncodedColumn, arrow_type, decode, encode
from conclave.local.errors import EncodeProblem

TYPES: tuple[Type, ...] = (
    *(Integer(bits) for bits in (8, 16, 32, 64)),
    Decimal(18, 0),
    Decimal(18, 18),
    Decimal(5, 2),
    Double(),
    Boolean(),
    Date(),
    *(Varchar(n) for n in (1, 2, 7, 8, 9, 64)),
)


def values_of(kind: Type) -> st.SearchStrategy:
    match kind:
        case Integer(bits):
            return st.integers(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
        case Decimal(precision, scale):
            most = 10**precision - 1
            return st.integers(-most, most).map(lambda n: decimal.Decimal(n).scaleb(-scale))
        case Double():
            # Multiples of the smallest step survive exactly.
            return st.integers(-(2**50), 2**50).map(lambda n: n / 2**32)
        case Boolean():
            return st.booleans()
        case Date():
            return st.dates()
        case Varchar(max_bytes):
            texts = st.text(st.characters(blacklist_characters="\0", blacklist_categories=["Cs"]))
            return texts.map(lambda text: text.encode()[:max_bytes].decode(errors="ignore"))


@st.composite
def columns(draw: st.DrawFn) -> tuple[Field, list]:
    kind = draw(st.sampled_from(TYPES))
    nullable = draw(st.booleans())
    value = values_of(kind)
    return Field("x", kind, nullable), draw(st.lists(st.none() | value if nullable else value))


@given(columns())
def test_every_value_survives_the_way_to_words_and_back(column):
    field, values = column
    table = pa.table({"x": pa.array(values, arrow_type(field.type))})
    encoded = encode(table, (field,), frozenset({"x"}))
    assert decode(encoded.columns, (field,)).column("x").to_pylist() == values
    assert (encoded.columns["x"].nulls is not None) == field.nullable


@given(columns())
def test_a_column_gets_the_words_that_constants_get(column):
    field, values = column
    table = pa.table({"x": pa.array(values, arrow_type(field.type))})
    words = encode(table, (field,)).columns["x"].words.tolist()
    is_small = [abs(word) < 2**62 for word in words]
    assert [w for w, small in zip(words, is_small, strict=True) if small] == [
        word_of(v, field.type) for v, small in zip(values, is_small, strict=True) if small
    ]


@given(st.lists(values_of(Varchar(7))))
def test_packed_strings_order_as_their_bytes_do_and_are_not_negative(values):
    words = encode(pa.table({"x": pa.array(values, pa.string())}), (Field("x", Varchar(7)),)).columns["x"].words
    by_word = [value for _, value in sorted(zip(words.tolist(), values, strict=True), key=lambda pair: pair[0])]
    assert by_word == sorted(values, key=str.encode)
    assert (words >= 0).all()


def test_slices_and_chunks_encode_like_the_whole():
    field = Field("x", Decimal(9, 2))
    whole = pa.table({"x": pa.array([decimal.Decimal(n) for n in range(20)], pa.decimal128(9, 2))})
    parts = pa.concat_tables([whole.slice(0, 7), whole.slice(7, 5), whole.slice(12)])
    np.testing.assert_array_equal(
        encode(parts, (field,)).columns["x"].words, encode(whole, (field,)).columns["x"].words
    )
    strings = pa.table({"x": pa.array([f"text number {n % 5}" for n in range(20)])}).slice(3)
    words = encode(strings, (Field("x", Varchar(20)),)).columns["x"].words
    assert words.tolist() == [hash_string(f"text number {n % 5}".encode()) for n in range(3, 20)]


def test_text_is_only_made_for_columns_that_are_revealed():
    field = Field("x", Varchar(20))
    table = pa.table({"x": ["a string too long to pack"[:20]]})
    assert encode(table, (field,)).columns["x"].text == ()
    assert len(encode(table, (field,), frozenset({"x"})).columns["x"].text) == 3


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ([1, None], Field("x", Integer(64), nullable=False)),
        ([300], Field("x", Integer(8))),
        ([float("nan")], Field("x", Double())),
        ([2.0**30], Field("x", Double())),
        ([float("-inf")], Field("x", Double())),
        (["secret"], Field("x", Varchar(5))),
        (["a\0"], Field("x", Varchar(5))),
        ([decimal.Decimal("12345.678")], Field("x", Decimal(9, 2))),
        (["secret"], Field("x", Integer(64))),
    ],
)
def test_what_no_word_can_hold_is_refused_without_its_value(values, field):
    with pytest.raises(EncodeProblem) as caught:
        encode(pa.table({"x": values}), (field,))
    assert caught.value.column == "x"
    assert "secret" not in str(caught.value)
    assert "300" not in str(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize(
    ("word", "kind"),
    [
        (2, Boolean()),
        (128, Integer(8)),
        (2**40, Date()),
        (10**5, Decimal(5, 2)),
        (-(2**63), Decimal(18, 2)),
        (0xFF << 48, Varchar(7)),
    ],
)
def test_words_that_are_no_value_of_the_type_are_refused(word, kind):
    column = EncodedColumn(np.array([word], np.int64))
    with pytest.raises(EncodeProblem):
        decode({"x": column}, (Field("x", kind),))


def test_dates_reach_from_the_first_to_the_last():
    days = [datetime.date.min, datetime.date(1970, 1, 1), datetime.date.max]
    field = Field("x", Date())
    encoded = encode(pa.table({"x": days}), (field,))
    assert encoded.columns["x"].words.tolist()[1] == 0
    assert decode(encoded.columns, (field,)).column("x").to_pylist() == days
