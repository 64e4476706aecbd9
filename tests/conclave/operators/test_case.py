"""CASE under MPC: branches that are held in different ways are refused, not mixed up."""

import pytest

from conclave.ir.errors import UnsupportedQuery
from conclave.ir.expressions import Case, Column, IsNull, Literal
from conclave.ir.nodes import Output
from conclave.ir.types import Varchar
from conclave.operators.evaluate import project
from conclave.operators.table import SecretTable


@pytest.mark.parametrize("is_default", [True, False])
def test_short_strings_beside_long_ones_are_refused(is_default):
    short, long = Column("p", Varchar(2)), Literal("longer than a word", Varchar(18))
    first, last = (long, short) if is_default else (short, long)
    case = Case(((IsNull(short), first),), last)
    with pytest.raises(UnsupportedQuery, match=r"one CASE cannot hold varchar\(2\) and varchar\(18\)"):
        project(SecretTable(0, {}), (Output("z", case),), me=None)
