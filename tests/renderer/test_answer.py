"""An answer is shown with all the digits that it has."""

import decimal
import json

import pyarrow as pa
from hypothesis import example, given
from hypothesis import strategies as st

from renderer.answer import rows_of

SCALE = 2
DECIMALS = st.integers(-(10**18) + 1, 10**18 - 1).map(lambda n: decimal.Decimal(n).scaleb(-SCALE))


@given(DECIMALS)
@example(decimal.Decimal("10305.00"))
@example(decimal.Decimal("1234567890123456.78"))  # a double has 1234567890123456.8
def test_a_decimal_keeps_its_digits_in_json(value: decimal.Decimal) -> None:
    answer = pa.table({"total": pa.array([value, None], pa.decimal128(18, SCALE))})

    read = json.loads(json.dumps(rows_of(answer)), parse_float=decimal.Decimal)

    assert decimal.Decimal(read[0]["total"]) == value
    assert read[1]["total"] is None


def test_what_a_double_holds_stays_a_number() -> None:
    answer = pa.table({"total": pa.array([decimal.Decimal("10305.25")], pa.decimal128(18, SCALE))})

    assert rows_of(answer) == [{"total": 10305.25}]
