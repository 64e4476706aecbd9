import json

import pytest

from tests.bench.__main__ import _row
from tests.bench.run import run_bench


@pytest.mark.parametrize(("op", "tls"), [("join", False), ("sort", True)])
def test_a_small_bench_measures_three_processes_and_agrees_with_numpy(op, tls):
    report = run_bench(op, rows=64, key_bits=16, tls=tls, repeat=1)
    assert report["seconds"] > 0
    assert all(report["bytes_sent_per_party"])
    assert json.loads(json.dumps(report)) == report
    assert op in _row(report)
