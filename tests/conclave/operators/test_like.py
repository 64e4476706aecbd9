"""LIKE under MPC for whole texts and how they begin, against DuckDB over the same texts."""

import duckdb
import pyarrow as pa
from hypothesis import example, given, settings
from hypothesis import strategies as st

from conclave.ir.expressions import Call, Column, Literal
from conclave.ir.patterns import pattern_of
from conclave.ir.types import Boolean, Field, Varchar
from conclave.local.encode import encode
from conclave.mpc.convert import bit_to_arithmetic
from conclave.operators.like import fits
from conclave.operators.words import Words
from tests.conclave.mpc.three import run_three_parties

SIZES = (1, 3, 7, 8, 16, 21)
# Letters whose UTF-8 has its top bits set, or is as large as it gets; wildcards, which texts hold as they are.
LETTERS = st.sampled_from("aab%_\\é\u00ff\uffff\U0010ffff\x01\x7f ")


def of_at_most(size):
    """Texts, of whole characters."""
    return st.text(LETTERS, max_size=size).map(lambda text: text.encode()[:size].decode(errors="ignore"))


@st.composite
def asked(draw):
    """A type, texts of it, and a pattern of which some begin so."""
    size = draw(st.sampled_from(SIZES))
    texts = draw(st.lists(of_at_most(size), min_size=1, max_size=8))
    start = draw(st.one_of(st.sampled_from(texts), st.text(LETTERS, max_size=size + 1)))
    begun = start[: draw(st.integers(0, len(start)))].replace("%", "").replace("_", "")
    texts += [begun.encode()[:size].decode(errors="ignore")]
    return size, texts, begun + draw(st.sampled_from(["", "%", "%%"]))


def of_duckdb(texts, pattern):
    with duckdb.connect(config={"threads": 1}) as connection:
        table = pa.table({"place": range(len(texts)), "text": pa.array(texts, pa.string())})
        connection.register("texts", table)
        return [
            fit for (fit,) in connection.execute("SELECT text LIKE $1 FROM texts ORDER BY place", [pattern]).fetchall()
        ]


def of_three(size, texts, pattern):
    kind = Varchar(size)
    asked_for = pattern_of(Call("like", (Column("text", kind), Literal(pattern, Varchar(99))), Boolean()))
    assert asked_for is not None
    schema = (Field("text", kind, False),)
    column = encode(pa.table({"text": pa.array(texts, pa.string())}), schema, frozenset({"text"})).columns["text"]

    def work(values, *more):
        *words, me = more
        return bit_to_arithmetic(fits(Words(values, None, kind, tuple(words)), asked_for, me), me)

    ran = run_three_parties(work, column.words, *column.text)
    return [bool(bit) for bit in ran.opened]


@given(asked=asked())
@example(asked=(3, ["", "a", "ab", "abc", "\u00ff"], "%"))
@example(asked=(3, ["", "a", "ab", "abc", "\u00ff"], ""))
@example(asked=(3, ["abc", "ab", "abd"], "abc%"))
@example(asked=(3, ["abc", "ab"], "abcd%"))
@example(asked=(16, ["\U0010ffff" * 4, "\U0010ffff\U0010ffff", "", "\x01"], "\U0010ffff\U0010ffff%"))
@example(asked=(16, ["abcdefgh", "abcdefghi", "abcdefg", "abcdefgz"], "abcdefgh%"))
@example(asked=(16, ["abcdefgh", "abcdefghij", "abcdefghik", "bbcdefghij"], "abcdefghij%"))
@example(asked=(16, ["abcdefghabcdefgh", "abcdefghabcdefg"], "abcdefghabcdefgh%"))
@settings(max_examples=25)
def test_a_text_fits_a_pattern_as_duckdb_says(asked):
    assert of_three(*asked) == of_duckdb(*asked[1:])
