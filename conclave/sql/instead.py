"""What to write in the place of SQL that is refused, by the name that people know it by."""

_FIRST = "number the rows, ROW_NUMBER() OVER (PARTITION BY ... ORDER BY ...), and keep the first of each by QUALIFY"
_LIKE = "write LIKE 'a%', or LIKE '%a%'"
_LIST = "list the columns"
_TODAY = "write the day, such as DATE '2026-01-31': a plan is the same whenever it runs"
_SETS = "group by each in a query of its own, and put them together by UNION ALL"

_WRITE: dict[str, str] = {
    # parts of a statement
    "DISTINCT ON": _FIRST,
    "ESCAPE": "write _ for the character, which any other fits as well",
    "EXCLUDE": _LIST,
    "IGNORENULLS": "leave it out; in the place of ANY_VALUE take MIN or MAX",
    "LATERAL": "join with a subquery that is grouped by what ties it",
    "OFFSET": "number the rows in a subquery, ROW_NUMBER() OVER (ORDER BY ...) AS k, and ask for k > 2 around it",
    "PIVOT": "write SUM(CASE WHEN ... THEN ... END) for each column",
    "RECURSIVE": "write out the steps, each as a join",
    "RENAME": _LIST,
    "REPLACE": _LIST,
    "TABLESAMPLE": "pick rows by a condition",
    "FETCH": "write LIMIT 10",
    "* here": _LIST,
    "a LIMIT that is not a number of rows": "write LIMIT 10",
    "VALUES as a table": "bring the values as a table of the workflow, or write CASE",
    # operators
    "the operator ||": "show the columns beside each other",
    "ANY": "write x IN (SELECT ...), or compare with (SELECT MIN(...) ...) or MAX",
    "ALL": "compare with (SELECT MAX(...) ...) or MIN",
    "TUPLE": "compare column by column, joined by AND",
    "SIMILARTO": _LIKE,
    "BRACKET": "write SUBSTRING(x, 1, 2) of text",
    "CUBE in GROUP BY": _SETS,
    "GROUPINGSETS in GROUP BY": _SETS,
    "ROLLUP in GROUP BY": _SETS,
    "TUPLE in GROUP BY": "write the columns without parentheses",
    # functions
    **dict.fromkeys(("ANY_VALUE", "FIRST", "LAST"), "take MIN or MAX"),
    **dict.fromkeys(("ARG_MAX", "ARG_MIN", "MAX_BY", "MIN_BY"), _FIRST),
    **dict.fromkeys(("APPROX_COUNT_DISTINCT", "APPROX_DISTINCT"), "write COUNT(DISTINCT x)"),
    **dict.fromkeys(("BOOL_OR", "LOGICAL_OR"), "write COUNT(*) FILTER (WHERE ...) > 0"),
    **dict.fromkeys(("BOOL_AND", "LOGICAL_AND"), "write COUNT(*) FILTER (WHERE NOT ...) = 0"),
    **dict.fromkeys(("CURRENT_DATE", "CURRENT_TIMESTAMP", "NOW", "TODAY"), _TODAY),
    **dict.fromkeys(("CONTAINS", "REGEXP_LIKE", "REGEXP_MATCHES", "STARTS_WITH", "PREFIX", "SUFFIX"), _LIKE),
    **dict.fromkeys(("AVERAGE", "MEAN"), "write AVG(x)"),
    "AGE": "subtract the dates, which gives days",
    "CONCAT": "show the columns beside each other",
    "COUNT_IF": "write COUNT(*) FILTER (WHERE ...)",
    "LAST_DAY": "write CAST(DATE_TRUNC('month', x) + INTERVAL 1 MONTH AS DATE) - 1",
    "LEFT": "write SUBSTRING(x, 1, n) for the first n characters",
    "MODE": "group by it, and take the group with the most rows: ORDER BY n DESC LIMIT 1",
    "SIGN": "write CASE WHEN x > 0 THEN 1 WHEN x < 0 THEN -1 WHEN x = 0 THEN 0 END",
    "STRFTIME": "write EXTRACT(year FROM x) or DATE_TRUNC('month', x)",
    "TRUNC": "write CASE WHEN x < 0 THEN CEIL(x) ELSE FLOOR(x) END",
}  # fmt: skip
_AGGREGATES = (
    "there are COUNT, SUM, AVG, MIN, MAX, VAR_SAMP, VAR_POP, STDDEV, STDDEV_POP, MEDIAN, QUANTILE_CONT, QUANTILE_DISC"
)
_SCALARS = (
    "there are ABS, ROUND, FLOOR, CEIL, SQRT, GREATEST, LEAST, COALESCE, NULLIF, CASE, EXTRACT, DATE_TRUNC, LIKE, SUBSTRING, "
    "LOWER, UPPER, TRIM, LENGTH"
)


def instead_of(name: str) -> str | None:
    """Return what can be written in the place of a part of a statement, an operator or a function; None if nothing."""
    return _WRITE.get(name)


def instead_of_function(name: str, is_aggregate: bool) -> str:
    """Return what can be written in the place of a function, or which there are."""
    return _WRITE.get(name) or (_AGGREGATES if is_aggregate else _SCALARS)
