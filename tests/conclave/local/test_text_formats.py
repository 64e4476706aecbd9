"""A text is accepted if and only if it is as declared, by Python's own reader; the first bad row is the one named."""

import csv
import io
import re
import string

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from conclave.ir.types import Date, Double, Field, Integer, Varchar
from conclave.local.check import check_file, examine_file
from conclave.local.duckdb import LocalEngine
from conclave.local.errors import DataMismatch
from conclave.local.format import FileFormat, file_format

SOME = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
MANY = settings(SOME, max_examples=1500)
TWO = (Field("a", Varchar(4096)), Field("b", Varchar(4096)))
DIALECTS = [
    file_format("csv"),
    file_format("csv", delimiter=";", quote="'"),
    file_format("csv", escape="\\"),
    file_format("tsv"),
    file_format("tsv", quote=""),
    file_format("csv", has_header=False),
    file_format("csv", nulls=("NA", "", "-")),
    file_format("csv", nulls=("NA",), quoted_nulls=True),
]


def python_rows(text: str, how: FileFormat) -> list[list[str]] | None:
    """What Python's csv module reads, or None where it finds no well-formed text."""
    reader = csv.reader(
        io.StringIO(text, newline=""),
        strict=True,
        delimiter=how.delimiter,
        quotechar=how.quote or None,
        quoting=csv.QUOTE_MINIMAL if how.quote else csv.QUOTE_NONE,
        doublequote=how.quote == how.escape,
        escapechar=None if how.escape in ("", how.quote) else how.escape,
    )
    try:
        return list(reader)
    except csv.Error:
        return None


def loaded(path, how: FileFormat, schema=TWO) -> list[tuple]:
    with LocalEngine() as engine:
        engine.register_file("alpha/t", path, how, schema)
        return [tuple(row.values()) for row in engine.run('SELECT * FROM "alpha/t"').to_pylist()]


def write(tmp_path, text: str | bytes):
    path = tmp_path / "data.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def raw_texts(how: FileFormat) -> st.SearchStrategy[str]:
    """Lines of the very signs that matter, well formed or not."""
    signs = st.sampled_from([how.delimiter, how.quote or '"', how.escape or "\\", "\n", "\n", "\r", "x", " ", "NA"])
    body = st.lists(signs, max_size=14).map("".join)
    head = f"a{how.delimiter}b\n" if how.has_header else ""
    return body.map(lambda rest: head + rest)


@given(data=st.data(), how=st.sampled_from(DIALECTS))
@SOME
def test_what_is_accepted_is_what_python_reads_too(tmp_path, how, data):
    accepts_only_what_python_reads(tmp_path, how, data.draw(raw_texts(how)))


@pytest.mark.deep
@given(data=st.data(), how=st.sampled_from(DIALECTS))
@MANY
def test_whatever_is_accepted_is_what_python_reads_too(tmp_path, how, data):
    accepts_only_what_python_reads(tmp_path, how, data.draw(raw_texts(how)))


def accepts_only_what_python_reads(tmp_path, how: FileFormat, text: str) -> None:
    path = write(tmp_path, text)
    try:
        facts = check_file(path, how, TWO)
    except DataMismatch:
        accepted = False
    else:
        accepted = True
    rows = python_rows(text, how)
    is_sound = rows is not None and all(len(row) == 2 for row in rows)
    if accepted:
        assert is_sound
        expected = rows[how.has_header :]
        assert facts.n_rows == len(expected)
        for read, meant in zip(loaded(path, how), expected, strict=True):
            for value, field in zip(read, meant, strict=True):
                assert value == field or (value is None and field in how.nulls)
    elif is_sound:
        # The one thing that Python takes and we do not: signs of quoting where nothing is quoted.
        assert is_ambiguous(text, how), text


def is_ambiguous(text: str, how: FileFormat) -> bool:
    """Whether readers differ: on blanks beside quotes, on two kinds of line ends, and, where the escape is another sign than
    the quote (so that Python takes quotes within fields for ordinary signs), on whatever is not of the plain grammar.
    """
    has_blank = bool(how.quote) and (f" {how.quote}" in text or f"{how.quote} " in text)
    is_loose = how.escape not in ("", how.quote) and _grammar(how).fullmatch(text) is None
    n_kinds = len(set(re.findall("\r\n|\r|\n", text)))
    return has_blank or is_loose or n_kinds > 1


def _grammar(how: FileFormat) -> re.Pattern[str]:
    """Fields without quotes and escapes, or wholly within quotes, where an escape stands before a quote or an escape."""
    quote, escape, delimiter = (re.escape(sign) for sign in (how.quote, how.escape, how.delimiter))
    bare = f"[^{quote}{escape}{delimiter}\r\n]*"
    quoted = f"{quote}(?:[^{quote}{escape}]|{escape}[{quote}{escape}])*{quote}"
    return re.compile(f"(?:(?:{bare}|{quoted})(?:{delimiter}|\r\n|\r|\n|$))*")


@given(
    how=st.sampled_from([how for how in DIALECTS if how.quote]),
    rows=st.lists(st.tuples(*[st.text(string.printable + "äß€😀\x00\u2028", max_size=8)] * 2), min_size=1, max_size=8),
    ends=st.sampled_from(["\n", "\r\n"]),
)
@SOME
def test_whatever_python_writes_is_accepted_and_read_back(tmp_path, how, rows, ends):
    assume(not any("\0" in value for row in rows for value in row))
    # Which line ends a file has, DuckDB tells by its first line; a line end within quotes there is refused.
    assume(how.has_header or not set("\r\n").intersection("".join(rows[0])))
    out = io.StringIO(newline="")
    writer = csv.writer(
        out,
        delimiter=how.delimiter,
        quotechar=how.quote,
        quoting=csv.QUOTE_ALL,
        doublequote=how.quote == how.escape,
        escapechar=None if how.escape == how.quote else how.escape,
        lineterminator=ends,
    )
    writer.writerows([["a", "b"]] * how.has_header + [list(row) for row in rows])
    path = write(tmp_path, out.getvalue())
    facts = check_file(path, how, TWO)
    assert facts.n_rows == len(rows)
    expected = [tuple(None if how.quoted_nulls and v in how.nulls else v for v in row) for row in rows]
    assert loaded(path, how) == expected


@given(
    values=st.lists(st.sampled_from(["1", "-7", "", "x", "1.5", "2147483648", "é"]), min_size=1, max_size=30),
    quotes=st.booleans(),
)
@SOME
def test_the_first_row_that_is_no_integer_is_named(tmp_path, values, quotes):
    schema = (Field("s", Varchar(9)), Field("n", Integer(32)))
    text = '"line 1\nline 2"' if quotes else "line"
    path = write(tmp_path, "s,n\n" + "".join(f"{text},{value}\n" for value in values))
    good = {"1", "-7", ""}
    first = next((number for number, value in enumerate(values, 1) if value not in good), None)
    examined = examine_file(path, file_format("csv"), (Field("s", Varchar(20)), schema[1]))
    if first is None:
        assert examined.facts is not None
        assert examined.facts.n_rows == len(values)
    else:
        (found,) = examined.mismatches
        assert (found.column, found.row) == ("n", first)


@given(widths=st.lists(st.sampled_from([2, 2, 2, 2, 1, 3]), min_size=1, max_size=30))
@SOME
def test_the_first_ragged_row_is_named(tmp_path, widths):
    path = write(tmp_path, "a,b\n" + "".join(",".join(["x\x01" if w > 2 else "y"] * w) + "\n" for w in widths))
    first = next((number for number, width in enumerate(widths, 1) if width != 2), None)
    examined = examine_file(path, file_format("csv"), TWO)
    assert (examined.facts is not None) == (first is None)
    if first is not None:
        (found,) = examined.mismatches
        assert found.row == first
        assert ("fewer" if widths[first - 1] < 2 else "more") in found.rule


N_LONG = 200_000


@pytest.mark.parametrize(
    ("line", "row", "says"),
    [
        ("1,2,\n", 150_001, "has more fields"),
        ("1\n", 150_001, "has fewer fields"),
        ("\n", 150_001, "is an empty line"),
        ('1, "2"\n', 150_001, "blanks"),
        ('1,"2" \n', 150_001, "blanks"),
        ('1,"2"x\n', 150_001, "text after a closing quote"),
        ('1,"2\n', 150_001, "quote that is not closed"),
        ("1,\udcff\n", 150_001, "is not UTF-8"),
        ("1," + "x" * 10_000_000 + "\n", 150_001, "longer than 2 MB"),
        ("1,2\r3,4\n", None, "mixes line ends"),
        ("1,2\r\n", None, "mixes line ends"),
    ],
)
def test_what_spoils_a_row_is_told_by_the_row_deep_in_a_file(tmp_path, line, row, says):
    rows = ['"a ""quoted""\nvalue",x\n' if n % 7 == 0 else f"{n},plain\n" for n in range(N_LONG)]
    rows[150_000] = line
    path = write(tmp_path, ("a,b\n" + "".join(rows)).encode(errors="surrogateescape"))
    (found,) = examine_file(path, file_format("csv"), TWO).mismatches
    assert says in found.rule
    assert found.row == row


@pytest.mark.parametrize(
    ("text", "how"),
    [
        ("\ufeffa,b\n1,2\n", file_format("csv")),
        ("\ufeff1,2\n3,4\n", file_format("csv", has_header=False)),
        ("a,b\r\n1,2\r\n", file_format("csv")),
        ("a,b\r1,2\r", file_format("csv")),
        ("a,b\n1,2", file_format("csv")),
        ("a,b", file_format("csv")),
        ("a,b\n", file_format("csv")),
        ("", file_format("csv", has_header=False)),
        ("a|b\n1|2\n", file_format("csv", delimiter="|")),
        ('a\tb\n"1\t2\n', file_format("tsv", quote="")),
    ],
)
def test_what_is_harmless_is_accepted(tmp_path, text, how):
    path = write(tmp_path, text)
    assert check_file(path, how, TWO).header == ("a", "b")
    assert not any(value and "\ufeff" in value for row in loaded(path, how) for value in row)


@pytest.mark.parametrize("last", ['"",', '"x",', "x,", ","])
def test_an_empty_last_field_without_a_line_end_is_null_whatever_stands_before_it(tmp_path, last):
    path = write(tmp_path, f'a,b\n"y",z\n{last}')
    assert check_file(path, file_format("csv"), TWO).n_rows == 2
    before = {'"",': "", '"x",': "x", "x,": "x", ",": None}[last]
    assert loaded(path, file_format("csv")) == [("y", "z"), (before, None)]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a,b\n1,\\N\n", "is no integer"),
        ("a,b\n1,2\n3,1e5\n", "is no integer"),
        ("a,b\n1,2\n3,٣\n", "is no integer"),
        ("a,b\n1,0x1\n", "is no integer"),
    ],
)
def test_numbers_of_other_ways_of_writing_are_refused(tmp_path, text, says):
    with pytest.raises(DataMismatch, match=says):
        check_file(write(tmp_path, text), file_format("csv"), (TWO[0], Field("b", Integer(32))))


@pytest.mark.parametrize(("cell", "ok"), [("0001-01-01", True), ("9999-12-31", True), ("0000-12-31", False)])
def test_dates_are_of_the_years_that_every_reader_has(tmp_path, cell, ok):
    examined = examine_file(write(tmp_path, f"a,b\n1,{cell}\n"), file_format("csv"), (TWO[0], Field("b", Date())))
    assert (examined.facts is not None) == ok


def test_every_column_that_breaks_its_declaration_is_told_with_its_first_row(tmp_path):
    schema = (Field("n", Integer(8)), Field("x", Double(), nullable=False), Field("s", Varchar(2)))
    text = "n,x,s\n1,1,ok\n1000,,ok\n1,2,long\n-1000,,longer\n"
    found = examine_file(write(tmp_path, text), file_format("csv"), schema).mismatches
    assert [(each.column, each.row) for each in found] == [("n", 2), ("x", 2), ("s", 3)]


def test_dataverse_writes_strings_in_quotes_and_nothing_for_missing(tmp_path):
    schema = (Field("name", Varchar(30)), Field("n", Integer(32)), Field("day", Date()))
    how = file_format("tab")
    text = 'name\tn\tday\n"a \\"b\\" c"\t1\t2013-01-01\n""\t\t\n\t2\t2013-01-02\n"C:\\dir"\t3\t\n"ends in \\"\t4\t\n'
    path = write(tmp_path, text)
    assert check_file(path, how, schema).n_rows == 5
    names = [row[0] for row in loaded(path, how, schema)]
    assert names == ['a "b" c', "", None, "C:\\dir", "ends in \\"]


@pytest.mark.parametrize("cell", ['"open', '"'])
def test_a_string_of_dataverse_that_is_not_closed_is_refused(tmp_path, cell):
    path = write(tmp_path, f'a\tb\n"x"\t1\n{cell}\t2\n')
    (found,) = examine_file(path, file_format("tab"), TWO).mismatches
    assert (found.column, found.row, found.rule) == ("a", 2, "has a quote at one end only")
