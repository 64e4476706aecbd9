"""DuckDB's SQL, as `sqltext` writes it, as Spark's: sqlglot knows the words, this file where the same words differ.

The text is small in kind: everything in it was written by `sqltext` from the IR. Every column is qualified and typed
first, since what a word means hangs on types: a difference of dates is an interval in Spark, a mean of decimals is a
decimal. What has no known type where one is needed is refused, never guessed.

The session has to be as `SETTINGS` says: errors instead of NULL for what overflows, names as they are written.
"""

from collections.abc import Mapping

from sqlglot import exp, parse_one
from sqlglot.errors import SqlglotError
from sqlglot.optimizer.annotate_types import annotate_types
from sqlglot.optimizer.qualify import qualify
from sqlglot.schema import MappingSchema

from conclave.ir.types import Schema
from conclave.local.errors import LocalError
from conclave.local.sparkwords import date_differences, rewrite
from conclave.local.sqlexpr import duckdb_type

SETTINGS = {
    "spark.sql.ansi.enabled": "true",  # an overflow is an error
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.caseSensitive": "true",
    "spark.sql.decimalOperations.allowPrecisionLoss": "false",  # no decimal is dropped to make room before the point
    # GROUP BY, HAVING and ORDER BY mean columns, not what an output happens to be called or its place.
    "spark.sql.groupByAliases": "false",
    "spark.sql.groupByOrdinal": "false",
    "spark.sql.orderByOrdinal": "false",
    "spark.sql.lateralColumnAlias.enableImplicitResolution": "false",
    # It fails on a window over a UNION ALL of subqueries that name their columns as the files do.
    "spark.sql.optimizer.excludedRules": "org.apache.spark.sql.catalyst.optimizer.RemoveRedundantAliases",
    # Files are read as they are: no day is moved by ten because of an older calendar, every field of a text is looked at.
    "spark.sql.parquet.datetimeRebaseModeInRead": "CORRECTED",
    "spark.sql.csv.parser.columnPruning.enabled": "false",
}
# Names of the IR differ by capitals, and DuckDB's own rule would lower them.
_READ = "duckdb, normalization_strategy=case_sensitive"


def to_spark_sql(sql: str, tables: Mapping[str, Schema], views: Mapping[str, str]) -> str:
    """Return the SELECT `sql` over `tables` in Spark's dialect, with each table read by its name in `views`.

    >>> from conclave.ir.types import Date, Field, Integer
    >>> fields = (Field("day", Date()), Field("n", Integer(64)))
    >>> text = 'SELECT "day" - DATE \\'2020-01-01\\' AS "d", SUM("n") AS "n" FROM "a/t" GROUP BY "day"'
    >>> print(to_spark_sql(text, {"a/t": fields}, {"a/t": "ccd_0"}))  # doctest: +NORMALIZE_WHITESPACE
    SELECT CAST(DATEDIFF(`a/t`.`day`, CAST('2020-01-01' AS DATE)) AS BIGINT) AS `d`,
      SUM(CAST(`a/t`.`n` AS DECIMAL(38, 0))) AS `n` FROM `ccd_0` AS `a/t` GROUP BY `a/t`.`day`

    Raises:  LocalError if it reads anything else than the tables, or cannot be said in Spark's words.
    """
    try:
        tree = rewrite(_typed(sql, tables))
        for table in tree.find_all(exp.Table):
            if table.name not in views or table.db:
                raise LocalError("query", "UnknownTable")
            table.set("this", exp.to_identifier(views[table.name], quoted=True))
        return tree.sql(dialect="spark")
    except SqlglotError as error:
        # Its text quotes the query.
        raise LocalError("query", type(error).__name__) from None


def _typed(sql: str, tables: Mapping[str, Schema]) -> exp.Expr:
    schema = MappingSchema(
        {name: {f.name: duckdb_type(f.type) for f in fields} for name, fields in tables.items()},
        dialect=_READ,
        normalize=False,
    )
    tree = qualify(
        parse_one(sql, read="duckdb"), schema=schema, dialect=_READ, expand_alias_refs=False, quote_identifiers=True
    )
    for select in tree.find_all(exp.Select):
        _qualify_having(select)
    tree = date_differences(annotate_types(tree, schema=schema, dialect=_READ))
    return annotate_types(tree, schema=schema, dialect=_READ)


def _qualify_having(select: exp.Select) -> None:
    """Say which table HAVING reads where an output has the column's name: sqlglot leaves it open, and means the output."""
    having, source = select.args.get("having"), select.args["from_"].this if select.args.get("from_") else None
    if having is not None and source is not None and not select.args.get("joins"):
        for column in having.find_all(exp.Column):
            if not column.table:
                column.set("table", exp.to_identifier(source.alias_or_name, quoted=True))
