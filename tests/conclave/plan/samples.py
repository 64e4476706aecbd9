"""Queries over three hospitals' visits and one lab, whose plans the tests look at."""

from conclave.compile import compile_query
from conclave.ir.nodes import Concat, Scan
from conclave.ir.types import Date, Decimal, Field, Integer, Varchar

VISITS = (
    Field("id", Integer(32), nullable=False),
    Field("ward", Varchar(3)),
    Field("diagnosis", Varchar(40)),
    Field("cost", Decimal(9, 2)),
    Field("day", Date()),
)
LABS = (Field("id", Integer(32), nullable=False), Field("value", Integer(32)))
TABLES = {
    "visits": Concat(tuple(Scan("visits", f"{name}/visits", name, VISITS) for name in ("alpha", "bravo", "carol"))),
    "labs": Scan("labs", "carol/labs", "carol", LABS, frozenset({"id"})),
    "drugs": Scan("drugs", "bravo/drugs", "bravo", LABS, frozenset({"id"}), most_rows=50),
}


def plan_of(sql, recipients=("regulator",), compute=("alpha", "bravo", "carol")):
    return compile_query(sql, TABLES, recipients, compute)
