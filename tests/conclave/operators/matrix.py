"""Every operator that runs under MPC, as queries none of whose work an owner does alone, and the tables they end at.

`{t}`, `{r}` are read as they are and through a condition on `e`, so that rows may not exist. DuckDB says what is right.
`tests.conclave.operators.test_matrix` asks the same of each, and that no operator is missing here.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from functools import cache
from typing import Any

import pyarrow as pa
from hypothesis import strategies as st

from conclave.ir.expressions import Literal
from conclave.ir.guard import Clamp, Listed, NoiseAsked, Protection
from conclave.ir.nodes import Collect, Concat, Node, Scan
from conclave.ir.types import Field, Integer, parse_type
from conclave.local.sqltext import to_sql
from conclave.passes.add_noise import add_noise
from conclave.passes.aggregate_before_join import aggregate_before_join
from conclave.passes.clamp_scans import clamp_scans
from conclave.passes.expand_avg import expand_avg
from conclave.passes.expand_distinct import expand_distinct
from conclave.passes.expand_variance import expand_variance
from conclave.passes.guard_groups import guard_groups
from conclave.passes.prune_columns import prune_columns
from conclave.plan.lower import lower
from conclave.plan.steps import MpcSetting, Plan
from conclave.ranges import with_checks
from conclave.sql.bind import bind

Rows = list[tuple[Any, ...]]

COMPUTE = ("alpha", "bravo", "carol")
ANALYST = "analyst"  # gets the answer, and has nothing
NAMES = {
    "t": {"e": "boolean", "k": "smallint", "j": "integer not null", "v": "bigint", "d": "decimal(9,2)", "f": "double",
          "s": "varchar(3)", "l": "varchar(20)", "b": "boolean"},
    "r": {"e": "boolean", "rk": "smallint", "rj": "integer not null", "w": "bigint", "m": "varchar(20)"},
    "u": {"uk": "smallint", "x": "bigint", "n": "varchar(20)"},
}  # fmt: skip
ARROW = {
    "boolean": pa.bool_(), "smallint": pa.int16(), "integer": pa.int32(), "bigint": pa.int64(), "double": pa.float64(),
    "decimal(9,2)": pa.decimal128(9, 2), "varchar(3)": pa.string(), "varchar(20)": pa.string(),
}  # fmt: skip
OWNERS = {"t": COMPUTE, "r": ("bravo", "carol"), "u": ("carol",)}

SMALL, INT, BIG = (-(1 << 15), (1 << 15) - 1), (-(1 << 31), (1 << 31) - 1), (-(1 << 63), (1 << 63) - 1)
CENTS, REAL = (Decimal("-9999999.99"), Decimal("9999999.99")), (-float(1 << 29), float(1 << 29))
LONG = "of twenty characters"
ONE = (True, 1, 2, 3, Decimal("4.50"), 5.25, "a", "beta-carotene", True)
NULLS = (True, None, 0, None, None, None, None, None, None)


@dataclass(frozen=True, eq=False)
class Case:
    """Rows of all tables."""

    t: Rows
    r: Rows
    u: Rows
    is_at_ends: bool = False

    def arrow(self) -> dict[str, pa.Table]:
        """Return the datasets, the rows of a table being dealt to its owners in turn."""
        made = {}
        for table, owners in OWNERS.items():
            rows: Rows = getattr(self, table)
            for k, owner in enumerate(owners):
                columns = list(zip(*rows[k :: len(owners)], strict=True)) or [()] * len(NAMES[table])
                made[f"{owner}/{table}"] = pa.table(
                    {
                        name: pa.array(values, ARROW[kind.removesuffix(" not null")])
                        for (name, kind), values in zip(NAMES[table].items(), columns, strict=True)
                    }
                )
        return made


CASES = {
    "no row": Case([], [], []),
    "no row but on the right": Case([], [(True, 1, 2, 9, "x")], [(1, 5, "one")]),
    "one row": Case([ONE], [(True, 1, 2, 9, "x")], [(1, 5, "one")]),
    "none that exists": Case(
        [(False, *ONE[1:])] * 3 + [(None, *ONE[1:])], [(False, 1, 2, 9, "x"), (None, 1, 2, 9, "x")], [(1, 5, "one")]
    ),
    "all alike": Case([ONE] * 5, [(True, 1, 2, 9, "x")] * 3, [(1, 5, "one")]),
    "all alike, and NULL": Case([NULLS] * 4, [(True, None, 0, None, None)] * 3, [(None, 5, "none")]),
    "the ends of the types": Case(
        [
            (True, SMALL[0], INT[0], BIG[0], CENTS[0], REAL[0], "", "", False),
            (True, SMALL[1], INT[1], BIG[1], CENTS[1], REAL[1], "zzz", LONG, True),
            (True, SMALL[1], INT[0], BIG[1], CENTS[0], REAL[1], "zzz", LONG, True),
            (True, None, INT[1], BIG[0], CENTS[1], REAL[0], None, None, None),
            (True, 0, 0, 0, Decimal(0), 0.0, "", "a", False),
            (False, SMALL[0], INT[0], BIG[0], CENTS[0], REAL[0], "", "", False),
        ],
        [(True, SMALL[0], INT[0], BIG[0], ""), (True, SMALL[1], INT[0], BIG[1], LONG), (True, None, INT[1], 0, None)],
        [(SMALL[0], BIG[0], ""), (SMALL[1], BIG[1], LONG), (0, None, None)],
        is_at_ends=True,
    ),
    "NULLs among values": Case(
        [
            (True, None, 1, None, None, None, None, "b", True),
            (True, None, 1, 3, Decimal("-0.01"), None, "b", None, None),
            (True, 2, 1, None, Decimal("0.01"), -0.5, None, "b", False),
            (True, 2, 1, -3, None, 0.5, "b", None, None),
            (None, 2, 1, 7, Decimal(1), 1.0, "b", "b", True),
        ],
        [(True, 2, 1, None, "y"), (True, None, 1, 4, None), (False, 2, 1, 4, "y")],
        [(2, None, None), (None, 7, "seven")],
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Entry:
    """One query. At the ends of the types it may end as `Outgrown`, if `is_checked`; nowhere else may it."""

    sql: str
    is_checked: bool = False
    is_ordered: bool = False
    tells: frozenset[str] = frozenset()  # beside numbers of rows and the answer
    options: Mapping[str, Any] = field(default_factory=dict)
    oracle: str | None = None  # what DuckDB is asked, if it is something else
    # What is told of one dataset may depend on the data (pairs, groups): then only lengths of equal ones are the same.
    is_open: bool = False


KEYS_OF_ONE = {("t", "k"): ("alpha",), ("r", "rk"): ("alpha",), ("u", "uk"): ("alpha",)}
KEYS_OF_ALL = dict.fromkeys(KEYS_OF_ONE, COMPUTE)
THREE = Protection(("j",), 3)
NEARLY_NONE = Fraction(10**6)  # of epsilon: the chance that any noise is not 0 is below 10**-30
NOISE = Protection(
    clamps=(Clamp("j", Literal(0, Integer(32)), Literal(8, Integer(32))),),
    listed=(Listed("k", (Literal(1, Integer(16)), Literal(2, Integer(16)))),),
    noise=NoiseAsked(NEARLY_NONE, None, 1),
)
NUMBERS = ("v", "j", "d", "s", "l", "b")

ENTRIES = {
    # Rows and expressions.
    "filter": Entry("SELECT k, j, v, s FROM {t} WHERE v > j OR k IS NULL"),
    "comparisons": Entry(
        "SELECT k = j AS a, k <> j AS b, v < j AS c, v <= j AS c2, v > k AS e2, v >= v AS g, v BETWEEN k AND j AS h,"
        " v IN (3, k, NULL) AS i, s < 'b' AS m, s = 'a' AS n, l = 'beta-carotene' AS o, d > 0.01 AS p, f <= d AS q FROM {t}"
    ),
    "logic": Entry("SELECT b AND v > 0 AS a, b OR v > 0 AS c, NOT b AS g, b IS NULL AS h, v IS NOT NULL AS i FROM {t}"),
    "case": Entry(
        "SELECT CASE WHEN v > 2 THEN s WHEN b THEN 'no' END AS a, COALESCE(v, j, 7) AS c, NULLIF(v, 3) AS g,"
        " CASE WHEN b THEN l ELSE 'a long one for all' END AS h FROM {t}"
    ),
    "patterns": Entry(
        "SELECT s LIKE 'a' AS a, s LIKE 'z%' AS c, s LIKE 'zzz%' AS g, s NOT LIKE '%' AS h, l LIKE 'beta-carotene' AS i,"
        " l LIKE 'beta%' AS m, l LIKE 'of twent%' AS n, l LIKE 'of twenty c%' AS o, b AND s LIKE '' AS p,"
        " CASE WHEN b THEN l ELSE 'of none' END LIKE 'of%' AS q FROM {t} WHERE l LIKE 'b%' OR NOT s LIKE 'z%' OR l IS NULL"
    ),
    "sums and products": Entry("SELECT j + k AS a, j - k AS c, j * k AS g, -d AS h, d + j AS i, d * 2 AS m FROM {t}"),
    "sums and products of words": Entry("SELECT v + j AS a, v - j AS c, v * k AS g, -v AS h FROM {t}", is_checked=True),
    "numbers looked at": Entry("SELECT j * j * k * k AS a, (j * k) * (j * k) AS c FROM {t}", is_checked=True),
    "sums looked at": Entry(
        "SELECT k, a * c AS g FROM (SELECT k, SUM(j) * SUM(j) AS a, COUNT(*) * MAX(j) AS c FROM {t} GROUP BY k) AS z",
        is_checked=True,
    ),
    "fixed point": Entry("SELECT f + d AS a, f * 0.5e0 AS c, f * k AS g, f - f AS h FROM {t}", is_checked=True),
    "division by the public": Entry(
        "SELECT j / 7 AS a, j // 7 AS c, j % 7 AS g, v // -3 AS h, v % 1000 AS i, f / 3 AS m, j // 0 AS n FROM {t}",
        is_checked=True,
    ),
    "division by the secret": Entry(
        "SELECT j / k AS a, j // k AS c, j % k AS g, k // j AS h, k % j AS i, f / k AS m FROM {t}", is_checked=True
    ),
    "roundings": Entry(
        "SELECT ROUND(d, 1) AS a, FLOOR(d) AS c, CEIL(d) AS g, FLOOR(f) AS h, CEIL(f) AS i, ROUND(f, 1) AS m FROM {t}"
    ),
    "bits": Entry("SELECT j & k AS a, j | k AS c, XOR(j, k) AS g, ~j AS h, j >> 3 AS i, v & j AS m FROM {t}"),
    "made of comparisons": Entry(
        "SELECT GREATEST(j, k, 3) AS a, LEAST(v, j) AS c, ABS(CAST(j AS BIGINT)) AS g, k IS DISTINCT FROM v AS h, k IS NOT DISTINCT FROM NULL AS i,"
        " k ** 2 AS m, ABS(CAST(k AS BIGINT)) << 3 AS n, CASE v WHEN 3 THEN 'three' WHEN NULL THEN 'no' ELSE s END AS o FROM {t}"
    ),
    "roots": Entry(
        "SELECT SQRT(ABS(k)) AS a, SQRT(k) AS c FROM {t}",
        oracle="SELECT SQRT(ABS(k)), CASE WHEN k >= 0 THEN SQRT(k) END FROM {t}",
    ),
    "union all": Entry("SELECT k, v, l FROM {t} UNION ALL SELECT rk, w, m FROM {r}"),
    "set operations": Entry("SELECT k, v FROM {t} EXCEPT SELECT rk, w FROM {r}"),
    "intersection": Entry("SELECT k, j FROM {t} INTERSECT SELECT rk, rj FROM {r}"),
    # Order.
    "sort": Entry(
        "SELECT k, j, v, d, s, b FROM {t} ORDER BY k NULLS FIRST, j DESC, v NULLS LAST, d DESC NULLS LAST, s, b LIMIT 99",
        is_ordered=True,
    ),
    "top-k": Entry("SELECT v, j FROM {t} ORDER BY v DESC NULLS FIRST, j LIMIT 2", is_ordered=True),
    "no row of many": Entry("SELECT v, j FROM {t} ORDER BY v, j LIMIT 0", is_ordered=True),
    "sort by doubles and long strings": Entry(
        "SELECT f, l FROM {t} ORDER BY f DESC NULLS LAST, l NULLS FIRST LIMIT 3", is_ordered=True
    ),
    # Groups.
    "group by": Entry(
        "SELECT k, SUM(j) AS a, COUNT(*) AS c, COUNT(v) AS g, MIN(v) AS h, MAX(v) AS i, MIN(s) AS m, SUM(d) AS n FROM {t} GROUP BY k"
    ),
    "group by several": Entry("SELECT s, b, l, MAX(j) AS a, AVG(d) AS c, MIN(f) AS g FROM {t} GROUP BY s, b, l"),
    "group by, sums of words": Entry("SELECT k, SUM(v) AS a, AVG(v) AS c FROM {t} GROUP BY k", is_checked=True),
    "count distinct": Entry("SELECT k, COUNT(DISTINCT v) AS a, COUNT(*) AS c FROM {t} GROUP BY k"),
    "counts of different values": Entry(
        "SELECT k, COUNT(DISTINCT v) AS a, COUNT(DISTINCT s) AS c, COUNT(DISTINCT d) FILTER (WHERE b) AS g, SUM(j) AS h,"
        " COUNT(*) AS i FROM {t} GROUP BY k"
    ),
    "counts of different values, ungrouped": Entry(
        "SELECT COUNT(DISTINCT v) AS a, COUNT(DISTINCT l) AS c, MAX(j) AS g, QUANTILE_DISC(j, 0.5) AS h FROM {t}"
    ),
    "sums of different values": Entry(
        "SELECT k, SUM(DISTINCT j) AS a, AVG(DISTINCT j) AS c, COUNT(DISTINCT j) AS g FROM {t} GROUP BY k", is_checked=True
    ),
    "sums of different values, ungrouped": Entry("SELECT SUM(DISTINCT k) AS a, COUNT(DISTINCT k) AS c FROM {t}"),
    "having": Entry("SELECT k, COUNT(*) AS a FROM {t} GROUP BY k HAVING COUNT(*) > 1"),
    "ungrouped": Entry(
        "SELECT SUM(j) AS a, COUNT(*) AS c, COUNT(v) AS g, MIN(v) AS h, MAX(v) AS i, AVG(j) AS m, MIN(s) AS n,"
        " COUNT(DISTINCT l) AS o FROM {t}"
    ),
    "distinct": Entry("SELECT DISTINCT k, v, s, l FROM {t}"),
    "variance": Entry(
        "SELECT b, VAR_SAMP(k % 9999) AS a, VAR_POP(k % 9999) AS c, STDDEV_SAMP(k % 9999) AS g, STDDEV_POP(k % 9999) AS h"
        " FROM {t} GROUP BY b"
    ),
    "variances that no double holds": Entry(
        "SELECT b, VAR_SAMP(k * 9999) AS a, VAR_POP(k * 9999) AS c, STDDEV_SAMP(k * 9999) AS g, STDDEV_POP(j // 9) AS h FROM {t}"
        " GROUP BY b"
    ),
    "variances that something is asked of": Entry(
        "SELECT b, COUNT(*) AS a, VAR_POP(k) + 1 AS c FROM {t} GROUP BY b HAVING VAR_POP(k * 99) >= 0 OR VAR_POP(k * 99) IS NULL",
        is_checked=True,
    ),
    "variances of decimals and doubles": Entry(
        "SELECT k, VAR_SAMP(d) AS a, VAR_POP(f) AS c, STDDEV_POP(d) AS g, STDDEV_SAMP(f) AS h FROM {t} GROUP BY k", is_checked=True
    ),
    "variance of all": Entry("SELECT VAR_POP(k % 9999) AS a, STDDEV_SAMP(k % 9999) AS c FROM {t}"),
    "quantiles": Entry(
        "SELECT k, MEDIAN(j) AS a, QUANTILE_DISC(v, 0.1) AS c, QUANTILE_DISC(v, 1) AS g, QUANTILE_CONT(j, 0.75) AS h FROM {t} GROUP BY k",
        is_checked=True,
    ),
    "medians of all": Entry(
        "SELECT MEDIAN(j) AS a, MEDIAN(f) AS c, QUANTILE_CONT(CAST(d AS DOUBLE), 0.25) AS g, QUANTILE_DISC(s, 0.5) AS h FROM {t}",
        is_checked=True,
    ),
    "medians of sums": Entry("SELECT b, MEDIAN(f + f) AS a, QUANTILE_CONT(f - j, 0.3) AS c FROM {t} GROUP BY b", is_checked=True),
    "quantiles of all": Entry("SELECT QUANTILE_DISC(v, 0) AS a, QUANTILE_DISC(v, 0.5) AS c, COUNT(*) AS n FROM {t}"),
    # Joins.
    "inner join, unique": Entry("SELECT k, j, v, x, n FROM {t} JOIN u ON k = uk"),
    "inner join, unique on the left": Entry("SELECT uk, x, j, l FROM u JOIN {t} ON uk = k"),
    "inner join, unique by several keys": Entry("SELECT k, v, j, n FROM {t} JOIN u ON k = uk AND v = x"),
    "left join, unique by several keys": Entry("SELECT k, v, l, j, uk FROM {t} LEFT JOIN u ON k = uk AND l = n"),
    "left join, unique": Entry("SELECT k, j, x, n FROM {t} LEFT JOIN u ON k = uk"),
    "right join": Entry("SELECT uk, x, j FROM u RIGHT JOIN {t} ON uk = k"),
    "full join": Entry("SELECT k, j, uk, x FROM {t} FULL JOIN u ON k = uk"),
    "inner join, many to many": Entry("SELECT k, v, l, w, m FROM {t} JOIN {r} ON k = rk AND j = rj"),
    "left join, many to many": Entry("SELECT k, v, w, m FROM {t} LEFT JOIN {r} ON k = rk"),
    **{
        f"{what}, a key up to so often": Entry(sql, tells=frozenset({"match_check"}), options={"most_matches": most})
        for what, most, sql in [
            ("inner join", {"rk": 5}, "SELECT k, v, l, w, m FROM {t} JOIN {r} ON k = rk AND j = rj"),
            ("inner join on the left", {"k": 9}, "SELECT k, v, l, w, m FROM {t} JOIN {r} ON k = rk"),
            ("left join", {"rk": 5, "k": 9}, "SELECT k, v, w, m FROM {t} LEFT JOIN {r} ON k = rk"),
            ("left join on the left", {"k": 9}, "SELECT k, v, w, m FROM {t} LEFT JOIN {r} ON k = rk"),
        ]
    },
    "semi join": Entry("SELECT k, v, l FROM {t} SEMI JOIN {r} ON k = rk AND j = rj"),
    "anti join": Entry("SELECT k, v, l FROM {t} ANTI JOIN {r} ON k = rk AND j = rj"),
    "in": Entry("SELECT k, v FROM {t} WHERE v IN (SELECT w FROM {r})"),
    "not in": Entry("SELECT k, v FROM {t} WHERE k NOT IN (SELECT rk FROM {r})"),
    "join, then groups": Entry("SELECT n, SUM(j) AS a, COUNT(*) AS c FROM {t} JOIN u ON k = uk GROUP BY n"),
    **{
        f"aggregates before {what}": Entry(sql, is_checked=True, options={"before_joins": True})
        for what, sql in {
            "a join": "SELECT s, SUM(v) AS a, SUM(w) AS c, COUNT(*) AS g, COUNT(w) AS h, COUNT(v) AS i, MIN(d) AS m, MAX(w) AS n,"
            " SUM(f) AS o, SUM(d) AS p FROM {t} JOIN {r} ON k = rk GROUP BY s",
            "a left join": "SELECT b, COUNT(*) AS a, COUNT(w) AS c, SUM(j) AS g, SUM(w) AS h FROM {t} LEFT JOIN {r} ON k = rk GROUP BY b",
            "several joins": "SELECT SUM(j) AS a, SUM(w) AS c, SUM(x) AS g, COUNT(*) AS h, COUNT(x) AS i FROM {t} JOIN {r} ON k = rk"
            " JOIN (SELECT rk AS y, w AS x FROM {r}) z ON k = y",
        }.items()
    },
    "beside one row": Entry("SELECT k, v, c FROM {t} CROSS JOIN (SELECT MAX(w) AS c FROM {r}) z"),
    # Windows.
    "rows numbered": Entry(
        "SELECT k, v, j, RANK() OVER (PARTITION BY k ORDER BY v) AS a, DENSE_RANK() OVER (ORDER BY j DESC) AS c,"
        " COUNT(*) OVER (PARTITION BY k ORDER BY v) AS g FROM {t}"
    ),
    "row number": Entry(
        "SELECT k, j, v, d, s, f, l, b, ROW_NUMBER() OVER (PARTITION BY k ORDER BY v, j, d, s, f, l, b) AS a FROM {t}"
    ),
    "shifted": Entry(
        "SELECT k, j, v, LAG(v) OVER (PARTITION BY k ORDER BY v, j) AS a, LEAD(j, 2) OVER (PARTITION BY k ORDER BY v, j) AS c FROM {t}"
    ),
    "running": Entry(
        "SELECT k, j, SUM(j) OVER (PARTITION BY k ORDER BY j) AS a, MIN(j) OVER (ORDER BY j, k ROWS UNBOUNDED PRECEDING) AS c,"
        " MAX(v) OVER (PARTITION BY k) AS g, COUNT(v) OVER (PARTITION BY k ORDER BY j) AS h FROM {t}"
    ),
    "means of windows": Entry(
        "SELECT k, j, AVG(j) OVER (PARTITION BY k) AS a, AVG(k) OVER (ORDER BY j, k) AS c, MAX(d) OVER (PARTITION BY b) AS g FROM {t}",
        is_checked=True,
    ),
    "totals beside rows": Entry("SELECT k, SUM(j) OVER () AS a, COUNT(*) OVER () AS c, MAX(s) OVER () AS g FROM {t}"),
    "running sums of words": Entry("SELECT v, SUM(v) OVER (ORDER BY v) AS a FROM {t}", is_checked=True),
    # What is sorted already, and keys that others tell.
    "groups of groups": Entry(
        "SELECT k, COUNT(*) AS a, SUM(c) AS g, MIN(j) AS h FROM (SELECT k, j, COUNT(*) AS c FROM {t} GROUP BY k, j) z GROUP BY k"
    ),
    "groups of some groups": Entry(
        "SELECT s, b, COUNT(*) AS a, SUM(c) AS g, MAX(k) AS h FROM (SELECT b, s, k, COUNT(*) AS c, MIN(j) AS m FROM {t}"
        " GROUP BY b, s, k HAVING MIN(j) > 0) z GROUP BY s, b"
    ),
    "groups in order": Entry(
        "SELECT k, s, SUM(j) AS a FROM {t} GROUP BY k, s ORDER BY k NULLS LAST, s NULLS LAST LIMIT 3", is_ordered=True
    ),
    "some groups in order": Entry(
        "SELECT k, s, SUM(j) AS a FROM {t} GROUP BY k, s HAVING COUNT(*) > 1 ORDER BY k NULLS LAST, s NULLS LAST, a LIMIT 2",
        is_ordered=True,
    ),
    "windows over groups": Entry(
        "SELECT k, j, a, SUM(a) OVER (PARTITION BY k) AS c, LAG(a) OVER (PARTITION BY k ORDER BY j) AS g,"
        " ROW_NUMBER() OVER (PARTITION BY k ORDER BY j) AS h, SUM(a) OVER (ORDER BY k NULLS LAST, j) AS i"
        " FROM (SELECT k, j, COUNT(*) AS a FROM {t} GROUP BY k, j) z"
    ),
    "windows over some groups": Entry(
        "SELECT k, j, a, RANK() OVER (PARTITION BY k ORDER BY j) AS c, MAX(a) OVER (PARTITION BY k) AS g"
        " FROM (SELECT k, j, COUNT(*) AS a FROM {t} GROUP BY k, j HAVING MAX(v) > 0 OR MAX(v) IS NULL) z"
    ),
    "groups after a window": Entry(
        "SELECT k, COUNT(*) AS a, SUM(n) AS c FROM (SELECT k, j, ROW_NUMBER() OVER (PARTITION BY k ORDER BY j) AS n FROM {t}) z"
        " WHERE n <= 2 GROUP BY k"
    ),
    "groups by keys that others tell": Entry(
        "SELECT uk, x, n, k, SUM(j) AS a, COUNT(*) AS c FROM {t} JOIN u ON k = uk GROUP BY uk, x, n, k"
    ),
    "groups by keys that others may tell": Entry(
        "SELECT k, x, n, MEDIAN(j) AS a, COUNT(*) AS c FROM {t} LEFT JOIN u ON k = uk GROUP BY k, x, n", is_checked=True
    ),
    # What owners let be seen, or ask for.
    **{
        f"{what}, keys seen by {who}": Entry(
            sql, tells=frozenset({"keys", "pairs"}), options={"cleartext": keys}, is_open=True
        )
        for who, keys in (("one", KEYS_OF_ONE), ("all", KEYS_OF_ALL))
        for what, sql in {
            "inner join": "SELECT k, v, w FROM {t} JOIN {r} ON k = rk",
            "left join": "SELECT k, v, x FROM {t} LEFT JOIN u ON k = uk",
            "semi join": "SELECT k, v FROM {t} SEMI JOIN {r} ON k = rk",
            "anti join": "SELECT k, v FROM {t} ANTI JOIN {r} ON k = rk",
            "groups": "SELECT k, SUM(j) AS a, MIN(v) AS c FROM {t} GROUP BY k",
        }.items()
    },
    "compacted": Entry(
        "SELECT k, COUNT(*) AS a FROM (SELECT k, j FROM {t} WHERE v > 0) y GROUP BY k",
        tells=frozenset({"pairs"}),
        options={"countable": frozenset({"t"})},
        is_open=True,
    ),
    "groups of too few": Entry(
        "SELECT k, COUNT(*) AS a, SUM(d) AS c FROM {t} GROUP BY k",
        options={"asked": {f"{name}/t": THREE for name in COMPUTE}},
        oracle="SELECT k, COUNT(*), CASE WHEN COUNT(DISTINCT j) FILTER (WHERE d IS NOT NULL) >= 3 THEN SUM(d) END FROM {t}"
        " GROUP BY k HAVING COUNT(DISTINCT j) >= 3",
    ),
    "noise": Entry(
        "SELECT COUNT(*) AS a, SUM(j) AS c FROM {t}",
        tells=frozenset({"noise"}),
        options={"asked": {f"{name}/t": NOISE for name in COMPUTE}},
        oracle="SELECT COUNT(*), COALESCE(SUM(GREATEST(LEAST(j, 8), 0)), 0) FROM {t} WHERE k IN (1, 2)",
    ),
}  # fmt: skip

FILTERED = {"t": "(SELECT * FROM t WHERE e) AS t", "r": "(SELECT * FROM r WHERE e) AS r"}
WHOLE = {"t": "t", "r": "r"}


def tables(most_matches: Mapping[str, int]) -> dict[str, Node]:
    """Return what queries read; a value of such a column comes in at most so many rows."""

    def scan(table: str, owner: str) -> Scan:
        fields = (
            Field(name, parse_type(kind.removesuffix(" not null")), "not null" not in kind)
            for name, kind in NAMES[table].items()
        )
        unique = frozenset({"uk"} if table == "u" else ())
        most = frozenset((name, times) for name, times in most_matches.items() if name in NAMES[table])
        return Scan(table, f"{owner}/{table}", owner, tuple(fields), unique, unique, most_matches=most)

    scans = {table: tuple(scan(table, owner) for owner in owners) for table, owners in OWNERS.items()}
    return {table: Concat(parts) if len(parts) > 1 else parts[0] for table, parts in scans.items()}


@cache
def plan_of(name: str, is_filtered: bool) -> Plan:
    """Compile with the passes alone that MPC cannot do without: nothing is done by owners on their own rows."""
    entry = ENTRIES[name]
    options = {"asked": None, "cleartext": None, "countable": frozenset(), "most_matches": {}, "before_joins": False}
    options |= entry.options
    asked = options["asked"] or {}
    node: Node = bind(
        entry.sql.format(**(FILTERED if is_filtered else WHOLE)), tables(options["most_matches"]), (ANALYST,)
    )
    assert isinstance(node, Collect)
    node = add_noise(clamp_scans(guard_groups(node, asked), asked), asked)
    before = None
    while node != before:
        before = node
        for rewrite in (expand_avg, expand_variance, expand_distinct, prune_columns):
            node = rewrite(node)
    assert isinstance(node, Collect)
    setting = MpcSetting("replicated3", COMPUTE)
    run = aggregate_before_join(node.source) if options["before_joins"] else None
    return with_checks(lower(node, setting, to_sql, asked, options["cleartext"], options["countable"], run))


_NULL = st.none()
_T = st.tuples(
    st.sampled_from([True, True, False, None]),
    st.one_of(_NULL, st.integers(-2, 2)),
    st.integers(-3, 3),
    st.one_of(_NULL, st.integers(-4, 4), st.integers(-(1 << 20), 1 << 20)),
    st.one_of(_NULL, st.decimals(-99, 99, places=2)),
    st.one_of(_NULL, st.integers(-800, 800).map(lambda n: n / 8)),
    st.sampled_from([None, "", "a", "b", "zzz"]),
    st.sampled_from([None, "", "beta-carotene", LONG]),
    st.sampled_from([None, True, False]),
)
_R = st.tuples(
    st.sampled_from([True, True, False, None]),
    st.one_of(_NULL, st.integers(-2, 2)),
    st.integers(-3, 3),
    st.one_of(_NULL, st.integers(-4, 4)),
    st.sampled_from([None, "x", LONG]),
)
_U = st.tuples(st.one_of(_NULL, st.integers(-9, 9)), st.sampled_from([None, "one", LONG]))
TABLES = st.builds(
    Case,
    st.lists(_T, max_size=9),
    st.lists(_R, max_size=5),
    st.dictionaries(st.one_of(_NULL, st.integers(-3, 3)), _U, max_size=5).map(
        lambda found: [(key, *rest) for key, rest in found.items()]
    ),
)
