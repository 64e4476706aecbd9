"""DuckDB's SQL in Spark's words, where the same word means something else. That it means the same is `test_sqltext`'s."""

import pytest

from conclave.ir.types import Date, Decimal, Double, Field, Integer, Varchar
from conclave.local.errors import LocalError
from conclave.local.sparksql import to_spark_sql

T = {
    "a/t": (
        Field("i", Integer(32)),
        Field("n", Integer(64)),
        Field("d", Date()),
        Field("f", Decimal(9, 2)),
        Field("s", Varchar(9)),
        Field("x", Double()),
    )
}
CASES = {
    "a sum of 64 bits is added up in more": ('SUM("n")', "SUM(CAST(t.`n` AS DECIMAL(38, 0)))"),
    "and so are different values": ('SUM(DISTINCT "n")', "SUM(DISTINCT CAST(t.`n` AS DECIMAL(38, 0)))"),
    "a sum of less than 64 bits has room": ('SUM("i")', "SUM(t.`i`)"),
    "a mean of decimals is a double": ('AVG("f")', "(CAST(SUM(t.`f`) AS DOUBLE) / NULLIF(COUNT(t.`f`), 0))"),
    "a mean of doubles stays": ('AVG("x")', "AVG(t.`x`)"),
    "a spread is of doubles": ('VAR_SAMP("f")', "VAR_SAMP(CAST(t.`f` AS DOUBLE))"),
    "a quantile between values": ('QUANTILE_CONT("x", 0.3)', "PERCENTILE(t.`x`, 0.3)"),
    "a quantile that is a value": (
        'QUANTILE_DISC("d", 0.3)',
        "CASE WHEN COUNT(t.`d`) > 0 THEN ELEMENT_AT(SORT_ARRAY(COLLECT_LIST(t.`d`)), "
        "CAST(GREATEST(CEIL(COUNT(t.`d`) * 0.3), 1) AS INT)) END",
    ),
    "days between dates": ('"d" - "d"', "CAST(DATEDIFF(t.`d`, t.`d`) AS BIGINT)"),
    "months later": ('CAST("d" + to_months(-3) AS DATE)', "CAST(ADD_MONTHS(t.`d`, -3) AS DATE)"),
    "a date's month begins": ("CAST(date_trunc('month', \"d\") AS DATE)", "CAST(TRUNC(t.`d`, 'MONTH') AS DATE)"),
    "a date's day is itself": ("CAST(date_trunc('day', \"d\") AS DATE)", "CAST((t.`d`) AS DATE)"),
    "sunday is 0": ('dayofweek("d")', "(DAYOFWEEK(t.`d`) - 1)"),
    "a double is rounded as what it is": ('round("x", 2)', "(ROUND((t.`x`) * 1e2, 0) / 1e2)"),
    "a decimal is rounded": ('round("f", 1)', "ROUND(t.`f`, 1)"),
    "a double's floor may be large": (
        'floor("x")',
        "CASE WHEN ABS(t.`x`) < 9007199254740992e0 THEN CAST(FLOOR(t.`x`) AS DOUBLE) ELSE t.`x` END",
    ),
    "a backslash is a sign like others": ("\"s\" LIKE 'a\\_|%'", "t.`s` LIKE 'a\\\\_|%' ESCAPE '~'"),
    "whole numbers are divided": ('"n" // NULLIF("i", 0)', "t.`n` DIV NULLIF(t.`i`, 0)"),
    "a quote in a constant": ("'O''Hare\\n'", "'O\\'Hare\\\\n'"),
    "what ends a run": ("CASE WHEN TRUE THEN 1 ELSE error('x') END", "CASE WHEN TRUE THEN 1 ELSE RAISE_ERROR('x') END"),
    "rows numbered in no order": ("ROW_NUMBER() OVER ()", "ROW_NUMBER() OVER (ORDER BY NULL)"),
    "128 bits": ('CAST("n" AS HUGEINT)', "CAST(t.`n` AS DECIMAL(38, 0))"),
}


def spark(sql: str) -> str:
    return to_spark_sql(sql, T, {"a/t": "v"}).replace("`a/t`.", "t.")


@pytest.mark.parametrize("title", CASES)
def test_what_differs_is_said_in_sparks_words(title):
    duckdb, expected = CASES[title]
    assert spark(f'SELECT {duckdb} AS "o" FROM "a/t"') == f"SELECT {expected} AS `o` FROM `v` AS `a/t`"


def test_an_order_keeps_its_nulls_in_their_place():
    text = spark('SELECT "n" AS "n" FROM "a/t" ORDER BY "n" ASC NULLS LAST, "i" DESC NULLS FIRST, "d" NULLS FIRST')
    assert text.endswith("ORDER BY `n` ASC NULLS LAST, t.`i` DESC NULLS FIRST, t.`d`")


def test_having_means_the_column_where_an_output_has_its_name():
    text = spark('SELECT SUM("i") AS "n", 1 AS "i" FROM "a/t" GROUP BY "s" HAVING SUM("i") > 5')
    assert text.endswith("HAVING SUM(t.`i`) > 5")


def test_the_rows_of_a_subject_that_are_read_are_chosen_by_a_hash_of_64_bits():
    text = spark(
        'SELECT "s" FROM (SELECT * FROM "a/t" QUALIFY ROW_NUMBER() OVER (PARTITION BY "s" ORDER BY HASH("s"), "s") <= 2)'
    )
    assert "QUALIFY" not in text
    assert "PARTITION BY t.`s` ORDER BY XXHASH64(t.`s`) NULLS LAST" in text


@pytest.mark.parametrize(
    ("sql", "kind"),
    [
        ('SELECT * FROM "b/t"', "UnknownTable"),
        ("SELECT * FROM read_csv('/etc/passwd')", "UnknownTable"),
        ('SELECT nope() AS v FROM "a/t"', "UnknownFunction"),
        ("SELECT reflect('java.lang.System', 'getenv') AS v FROM \"a/t\"", "UnknownFunction"),
        ('SELECT "n" FROM', "ParseError"),
        ('SELECT "nope" FROM "a/t"', "OptimizeError"),
    ],
)
def test_what_reads_anything_else_is_refused_without_its_text(sql, kind):
    with pytest.raises(LocalError) as caught:
        spark(sql)
    assert caught.value.kind == kind
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
