"""What analysts ask of a shop whose customers, orders, products and targets are of one to three owners, against DuckDB."""

import datetime
import decimal
import random
import re
from pathlib import Path

import duckdb
import pytest

from conclave.sql.parse import parse
from renderer.answer import rows_of
from renderer.trial import parse_tables, prepare
from tests.conclave.test_random_answers import is_same_row, plain, unmatched

FIXTURE = Path(__file__).parents[1] / "fixtures" / "shop.sql"
QUERIES = [query.strip() for query in FIXTURE.read_text().split(";\n") if query.strip()]
COLUMNS = {
    "customers": "id INT, name VARCHAR, city VARCHAR, born DATE, vip BOOLEAN",
    "products": "sku INT, kind VARCHAR, title VARCHAR, price DECIMAL(7,2)",
    "orders": "oid INT, customer INT, sku INT, day DATE, qty INT, paid DECIMAL(9,2), status VARCHAR, rating DOUBLE",
    "targets": "kind VARCHAR, year INT, goal INT",
}
# Who holds which rows.
PARTS = {
    "customers": {"alpha": "id < 8", "bravo": "id >= 8"},
    "products": {"carol": "TRUE"},
    "orders": {"alpha": "oid % 3 = 0", "bravo": "oid % 3 = 1", "carol": "oid % 3 = 2"},
    "targets": {"bravo": "TRUE"},
}


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    folder, generator = tmp_path_factory.mktemp("shop"), random.Random("shop")
    with duckdb.connect() as connection:
        for table, columns in COLUMNS.items():
            connection.execute(f"CREATE TABLE {table} ({columns})")
            for row in _rows(table, generator):
                connection.execute(f"INSERT INTO {table} VALUES ({', '.join('?' * len(row))})", row)
            for owner, condition in PARTS[table].items():
                connection.execute(f"COPY (FROM {table} WHERE {condition}) TO '{folder}/{table}_{owner}.parquet'")
    return folder


def _rows(table, generator):
    day, kinds = datetime.timedelta(1), ("toy", "food", "tool")
    match table:
        case "customers":
            born = [datetime.date(1950, 1, 1) + day * generator.randint(0, 20000) for _ in range(14)]
            cities, vips = ("Oslo", "Bergen", "Rome", None), (True, False, None)
            return [
                (n, f"name{n:02d}", generator.choice(cities), b, generator.choice(vips)) for n, b in enumerate(born, 1)
            ]
        case "products":
            names = [f"{generator.choice(('Red ', 'Blue ', 'Big_'))}{n}" for n in range(1, 7)]
            return [(n, kinds[n % 3], name, _money(generator, 9999)) for n, name in enumerate(names, 1)]
        case "targets":
            return [(kind, year, generator.randint(5, 90)) for kind in kinds for year in (2023, 2024)]
    return [
        (
            n,
            generator.choice((None, *range(1, 17))),
            generator.randint(1, 7),
            datetime.date(2023, 1, 1) + day * generator.randint(0, 500),
            generator.randint(1, 9),
            _money(generator, 50000) if generator.random() > 0.1 else None,
            generator.choice(("new", "paid", "back", None)),
            generator.randint(0, 40) / 8 if generator.random() > 0.2 else None,
        )
        for n in range(1, 41)
    ]


def _money(generator, most):
    return decimal.Decimal(generator.randint(0, most)) / 100


@pytest.mark.deep
@pytest.mark.parametrize("query", QUERIES, ids=range(len(QUERIES)))
def test_what_an_analyst_asks_is_answered_as_duckdb_does(query, shop):
    used = [
        f"{table}={','.join(f'{owner}:{shop}/{table}_{owner}.parquet' for owner in owners)}"
        for table, owners in PARTS.items()
        if re.search(rf"\b{table}\b", query)
    ]
    answer = prepare(query, parse_tables(used), None).run(lambda _: None).answer
    with duckdb.connect() as connection:
        connection.execute("SET error_on_division_by_zero = false; SET ieee_floating_point_ops = false")
        for table in PARTS:
            connection.execute(f"CREATE VIEW {table} AS FROM '{shop}/{table}_*.parquet'")
        wanted = [tuple(map(plain, row)) for row in connection.sql(query).fetchall()]
    got = [tuple(map(plain, row.values())) for row in rows_of(answer)]
    if parse(query).args.get("order") is None:
        assert not unmatched(got, wanted)
    else:
        assert len(got) == len(wanted)
        assert all(map(is_same_row, got, wanted)), (got, wanted)
