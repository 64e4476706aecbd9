import datetime
import decimal
import hashlib
import json

import pyarrow as pa
import pytest

from conclave.ir.nodes import Input
from conclave.ir.types import Boolean, Date, Decimal, Double, Field, Integer, Varchar
from conclave.local.encode import arrow_type
from policy.manifest import Manifest, Opening, OutputRecord
from renderer.local.answer import parse_result, result_problems
from renderer.local.job import JobResult
from renderer.local.run import outcome_of
from renderer.local.secret_store import STORE, MissingSecretsError, SecretStore
from worker.result import encode_result

SCHEMA = (
    Field("n", Integer(64)),
    Field("small", Integer(8)),
    Field("price", Decimal(12, 2)),
    Field("ratio", Double()),
    Field("ok", Boolean()),
    Field("day", Date()),
    Field("name", Varchar(20)),
)
ROWS = [
    (2**62, -128, decimal.Decimal("-12.30"), 0.1, True, datetime.date(2013, 1, 31), "NA"),
    (-1, 0, decimal.Decimal("0.00"), 1e300, False, datetime.date(1969, 7, 20), ""),
    (None, None, None, None, None, None, None),
    (7, 1, decimal.Decimal("9999999999.99"), -0.0, None, None, 'a "quoted",\nline'),
]


@pytest.mark.parametrize("file_format", ["csv", "json", "parquet"])
def test_every_type_comes_back_as_it_was_written(file_format):
    columns = zip(*ROWS, strict=True)
    answer = pa.table(
        [pa.array(column, arrow_type(field.type)) for column, field in zip(columns, SCHEMA, strict=True)],
        names=[field.name for field in SCHEMA],
    )
    content = encode_result(answer, Input("answer", SCHEMA), file_format)
    back = parse_result(content, file_format, SCHEMA).to_pylist()
    assert sorted(back, key=repr) == sorted(answer.to_pylist(), key=repr)


def test_a_result_with_no_rows_comes_back():
    assert parse_result(b"n,name\n", "csv", (SCHEMA[0], SCHEMA[6])).to_pylist() == []


def test_a_result_that_was_changed_is_not_the_one_that_was_signed_for():
    content = b"hhi\n0.5\n"
    sha256 = hashlib.sha256(content).hexdigest()
    opening = Opening(sha256=sha256, size_bytes=len(content), rows=1, salt="0" * 64)
    record = OutputRecord.of("result.csv", opening.commitment(), opening)
    manifest = Manifest(
        run_id="r-1",
        workflow="w",
        purpose="p",
        status="succeeded",
        code=0,
        run="0" * 64,
        image="i",
        parties=(),
        outputs=(record,),
    )
    assert result_problems(content, manifest) == []
    assert result_problems(b"hhi\n0.6\n", manifest)


@pytest.mark.parametrize(
    ("codes", "expected"),
    [((0, 0, 0), 0), ((40, 30, 30), 30), ((40, 50, 40), 50), ((40, 137), 40), ((137, 0), 70), ((70, 40), 70)],
)
def test_a_run_ends_with_the_cause_and_not_its_consequences(codes, expected):
    jobs = tuple(JobResult("n", str(i), code, "x" if code else "") for i, code in enumerate(codes))
    assert outcome_of(jobs) == expected


def test_a_secret_that_opens_a_store_may_have_any_of_its_forms(tmp_path):
    secrets = SecretStore(tmp_path)
    assert not secrets.has("hospital-a", "swift-output", STORE)
    place = tmp_path / "hospital-a" / "swift-output"
    place.mkdir(parents=True)
    assert not secrets.has("hospital-a", "swift-output", STORE)
    for key in STORE:
        (place / key).write_text("x")
        assert secrets.has("hospital-a", "swift-output", STORE)
        assert not secrets.has("hospital-a", "swift-output", ("tls.key", key))
        (place / key).unlink()
    said = str(MissingSecretsError((("hospital-a", "swift-output", STORE),), tmp_path))
    assert "namespace hospital-a has no Secret swift-output" in said
    assert "clouds.yaml" in said
    assert "ST_AUTH, ST_USER, ST_KEY" in said


def test_rows_are_json():
    table = parse_result(b"n,ratio\n1,0.5\n,\n", "csv", (SCHEMA[0], SCHEMA[3]))
    assert json.loads(json.dumps(table.to_pylist())) == [{"n": 1, "ratio": 0.5}, {"n": None, "ratio": None}]
