"""What to write in the place of SQL that is refused, by the name that people know it by."""

_LIKE = "write LIKE 'a%', or LIKE '%a%'"
_LIST = "list the columns"
_TODAY = "write the day, such as DATE '2026-01-31': a plan is the same whenever it runs"

_WRITE: dict[str, str] = {
    # parts of a statement
    "ESCAPE": "write _ for the character, which any other fits as well",
    "EXCLUDE": "leave it out, and take off what it leaves out: SUM(x) OVER (...) - x",
    "IGNORENULLS": "leave it out",
    "LATERAL": "join with a subquery that is grouped by what ties it",
    "PIVOT": "write SUM(CASE WHEN ... THEN ... END) for each column",
    "RECURSIVE": "write out the steps, each as a join",
    "TABLESAMPLE": "pick rows by a condition",
    "FETCH": "write LIMIT 10",
    "* here": _LIST,
    "a LIMIT that is not a number of rows": "write LIMIT 10",
    "VALUES as a table": "bring the values as a table of the workflow, or write CASE",
    # operators
    "the operator ||": "show the columns beside each other",
    **dict.fromkeys(("ANY", "ALL"), "compare with a subquery: x > ALL (SELECT ...); of a list write x IN (1, 2)"),
    "TUPLE": "compare it with as many values in parentheses",
    "an OFFSET that is not a number of rows": "write OFFSET 10",
    "SIMILARTO": _LIKE,
    "BRACKET": "write SUBSTRING(x, 1, 2) of text",
    # functions
    **dict.fromkeys(("ARBITRARY", "FIRST", "LAST"), "take ANY_VALUE, MIN or MAX"),
    **dict.fromkeys(("CURRENT_DATE", "CURRENT_TIMESTAMP", "NOW", "TODAY"), _TODAY),
    **dict.fromkeys(("CONTAINS", "ENDS_WITH", "PREFIX", "REGEXP_LIKE", "REGEXP_MATCHES", "STARTS_WITH", "SUFFIX"), _LIKE),
    **dict.fromkeys(("AVERAGE", "MEAN"), "write AVG(x)"),
    "AGE": "subtract the dates, which gives days",
    "CONCAT": "show the columns beside each other",
    "LEFT": "write LEFT(x, 2), with a constant above 0",
    "RIGHT": "write RIGHT(x, 2), with a constant above 0",
    "STRFTIME": "write EXTRACT(year FROM x) or DATE_TRUNC('month', x)",
    "TRUNC": "write TRUNC(x), or ROUND(x, 2)",
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
