import json
import subprocess
import sys

import numpy as np
import pytest

from tests.bench.peers import SPU, environment_of, run_peer
from tests.bench.spu_run import MOST_ROWS, is_right
from tests.bench.workloads import WORKLOADS


def test_what_spu_cannot_do_is_said_and_not_measured():
    report = run_peer("spu", "shuffle", 64, 64)
    assert (report["name"], report["version"]) == ("spu", "0.9.5")
    assert "shuffle" in report["refused"]
    assert set(MOST_ROWS) == set(WORKLOADS) - {"shuffle", "merge"}


def test_rows_of_a_group_by_may_come_in_any_order_but_must_be_the_right_ones():
    keys, totals = np.array([3, 5], np.uint64), np.array([30, 50], np.uint64)
    valid = np.array([1, 0, 1])
    opened = [np.array([5, 9, 3]), np.array([50, 1, 30]), valid]
    assert is_right(opened, [keys, totals])
    assert not is_right([opened[0], np.array([30, 1, 50]), valid], [keys, totals])
    assert not is_right([*opened[:2], np.array([1, 1, 1])], [keys, totals])


@pytest.mark.deep
@pytest.mark.skipif(not environment_of(SPU).exists(), reason="SPU is installed when it is first asked for: --peer spu")
@pytest.mark.parametrize("op", ["join"])
def test_spu_opens_to_what_numpy_says_in_three_processes_of_its_own(op):
    command = [
        sys.executable,
        "-m",
        "tests.bench",
        "--op",
        op,
        "--rows",
        "256",
        "--repeat",
        "1",
        "--peer",
        "spu",
        "--json",
    ]
    report = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    assert report["peer"]["protocol"] == "ABY3"
    assert report["peer"]["rows_per_s"] > 0
    assert len(report["peer"]["cpu_seconds_per_party"]) == 3
    assert report["ratio"] == round(report["rows_per_s"] / report["peer"]["rows_per_s"], 1)
