import datetime
import decimal
import hashlib
import json

import pyarrow as pa
import pytest
import swiftclient

from conclave.ir.nodes import Input
from conclave.ir.types import Boolean, Date, Decimal, Double, Field, Integer, Varchar
from conclave.local.encode import arrow_type
from policy.manifest import Manifest, Opening, OutputRecord
from renderer.errors import CommandError
from renderer.local.answer import WriterStore, parse_result, result_problems
from renderer.local.job import JobResult
from renderer.local.run import outcome_of
from renderer.local.secret_store import MissingSecretsError, SecretStore
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


def test_the_writers_store_is_opened_with_its_secret_and_names_what_is_missing(tmp_path, swift, swift_users):
    secrets = SecretStore(tmp_path)
    with pytest.raises(MissingSecretsError, match=r"has no Secret swift-output: .*ST_AUTH, ST_USER, ST_KEY"):
        WriterStore(secrets, "hospital-a", "swift-output", "filed")
    user = swift_users.of("alpha:steward")
    place = tmp_path / "hospital-a" / "swift-output"
    place.mkdir(parents=True)
    for key, value in (("ST_AUTH", swift.url), ("ST_USER", user.login), ("ST_KEY", user.key)):
        (place / key).write_text(value + "\n")
    connection = swiftclient.Connection(swift.url, user.login, user.key, auth_version="1")
    connection.put_container("filed")
    connection.put_object("filed", "run/attempts/2", b"2")
    connection.put_object("filed", "run/attempts/1", b"1")
    store = WriterStore(secrets, "hospital-a", "swift-output", "filed")
    assert store.get("run/manifest.json") is None
    assert store.names("run/attempts/") == ["run/attempts/1", "run/attempts/2"]
    assert store.get("run/attempts/1") == b"1"
    (place / "ST_KEY").write_text("wrong")
    with pytest.raises(CommandError, match="HTTP status 401"):
        WriterStore(secrets, "hospital-a", "swift-output", "filed").get("run/manifest.json")


def test_rows_are_json():
    table = parse_result(b"n,ratio\n1,0.5\n,\n", "csv", (SCHEMA[0], SCHEMA[3]))
    assert json.loads(json.dumps(table.to_pylist())) == [{"n": 1, "ratio": 0.5}, {"n": None, "ratio": None}]
