import json
import secrets
import shutil
import socket
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from conclave.compile import compile_query
from conclave.mpc.sort import sort_permutation
from tests.bench import compile as compiling
from tests.bench import judge as judging
from tests.bench.__main__ import _row
from tests.bench.endpoint import line_of, run_endpoint
from tests.bench.least import least_bytes
from tests.bench.link import slow_links
from tests.bench.render import measure, write_federation
from tests.bench.rounds import rounds_of
from tests.bench.run import run_bench
from tests.bench.scale import line_of as scale_line
from tests.bench.scale import run_scale
from tests.bench.start import PHASES, lines_of, run_start


@pytest.mark.parametrize(
    ("op", "tls"), [pytest.param("join", False, marks=pytest.mark.deep), ("sort", True), ("merge", False)]
)
def test_a_small_bench_measures_three_processes_and_agrees_with_numpy(op, tls):
    report = run_bench(op, rows=64, key_bits=16, tls=tls, repeat=1)
    assert report["seconds"] > 0
    assert all(report["bytes_sent_per_party"])
    assert json.loads(json.dumps(report)) == report
    assert op in _row(report)


@pytest.mark.deep
@pytest.mark.parametrize("op", ["sort", "groupby_sum", "join"])
def test_a_bench_tells_what_would_be_sent_at_least_and_that_memory_stays_within_40_times_the_input(op):
    report = run_bench(op, rows=1 << 18, key_bits=32, tls=False, repeat=1)
    # Numbers of 18 bits travel in 32, and nothing else is sent that the protocol could do without.
    assert 18 / 32 < report["least_bytes_sent"] / report["bytes_sent_per_party"][0] < 1
    assert 0 < report["memory_per_input"] <= 40


def test_at_least_a_pass_sends_row_numbers_and_digits_in_the_bits_that_they_take():
    rows, bits, number = 1 << 16, 4, 16
    first = number * 4 + number + 2 * (number + 2)
    last = number * 4 + number + 2 * number
    sent = sort_permutation.cost(n=rows, bits=bits).bytes_sent
    assert least_bytes("sort", rows, bits, sent) == rows * (first + last) // 8
    assert least_bytes("compare", rows, 64, 57 * rows) == 57 * rows


def test_on_a_slow_link_bytes_arrive_whole_in_order_and_late_and_so_does_the_end():
    delay_s, sent = 0.05, secrets.token_bytes(3 << 20)
    (left, near), (far, right) = socket.socketpair(), socket.socketpair()
    with slow_links(delay_s) as links, left, right, ThreadPoolExecutor(1) as pool:
        links.join(near, far)
        started = time.monotonic()

        def send():
            left.sendall(sent)
            left.shutdown(socket.SHUT_WR)

        sending = pool.submit(send)
        right.settimeout(20)
        received = right.recv(1)
        assert time.monotonic() - started >= delay_s
        while chunk := right.recv(1 << 20):
            received += chunk
        sending.result()
        right.sendall(b"answer")
        assert left.recv(100) == b"answer"
        assert time.monotonic() - started >= 2 * delay_s
    assert received == sent


@pytest.mark.deep
def test_on_slow_links_every_round_takes_the_delay():
    report = run_bench("compare", rows=64, key_bits=64, tls=True, repeat=1, delay_ms=15.0)
    assert report["delay_ms"] == 15.0
    assert report["ms_per_round"] > 15.0
    assert report["seconds"] > report["rounds"] * 0.015


def test_rounds_are_counted_by_step():
    plan = compile_query(compiling.queries()["06"], compiling.tables(), ("analyst",), compiling.PARTIES)
    steps = rounds_of(plan, 10)
    assert [name for name in steps if "share" in name] == ["s1 share"]  # all owners share in one round
    assert sum(steps.values()) > 2


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is what is measured against")
def test_a_small_fetch_is_measured_beside_curl():
    report = run_endpoint(mib=2, rounds=2)
    assert report["ratio"] > 0
    assert [len(speeds) for speeds in report["all_mib_per_s"].values()] == [2, 2, 2]
    assert "fetch" in line_of(report)


def test_the_bench_of_compiling_measures_every_stage():
    row = compiling.measure(compiling.queries()["07"], compiling.tables(), "07", repeat=1)
    assert min(row.bind_ms, row.optimise_ms, row.plan_ms, row.digest_ms) > 0


@pytest.mark.deep
@pytest.mark.parametrize("is_shown", [False, True], ids=["nothing shown", "with all views to choose from"])
def test_every_query_of_tpch_compiles_in_a_moment(is_shown):
    over = compiling.tables()
    shown = compiling.all_shown(over) if is_shown else None
    slow = {name: compiling.measure(sql, over, name, 3, shown).total_ms for name, sql in compiling.queries().items()}
    assert len(slow) == 22
    assert max(slow.values()) < compiling.MOST_MS


@pytest.mark.parametrize("is_plain", [False, True])
def test_the_bench_of_judging_has_eight_policies_and_a_verdict(is_plain):
    over = judging.whole(compiling.tables())
    row = judging.measure(compiling.queries()["06"], over, "06", 1, is_plain)
    assert (row.policies, row.decision) == (8, "accept" if is_plain else "reject")
    assert min(row.first_ms, row.best_ms) > 0


@pytest.mark.deep  # five processes, each of which imports all of ccd
def test_the_bench_of_rendering_runs_each_command_beside_its_peer(tmp_path):
    write_federation(tmp_path, 2, 3)
    *commands, peer = measure(tmp_path, repeat=1)
    assert [row.command for row in commands] == [
        "render, all new",
        "render, all current",
        "validate",
        "render, one changed",
    ]
    assert peer.ratio == 1
    assert all(row.cpu_s > 0 and row.ratio > 0 for row in commands)


@pytest.mark.deep
@pytest.mark.e2e
def test_a_worked_example_is_run_by_real_workers_and_agrees_with_duckdb(tmp_path):
    report = run_scale("market-concentration", rows=5_000, repeat=1, scratch=tmp_path)
    assert sorted(report["phases"]) == ["compute", "fetch"]
    assert sorted(report["phases"]["compute"]["peak_mib"]) == ["antitrust", "black", "green", "yellow"]
    assert min(report["seconds"], report["duckdb_seconds"], report["peak_mib"], report["fixed_cpu_seconds"]) > 0
    assert json.loads(json.dumps(report)) == report
    assert "15,000 rows" in scale_line(report)
    assert list(tmp_path.iterdir()) == []  # neither data nor copies are left


@pytest.mark.deep
@pytest.mark.e2e
def test_a_worked_example_with_keys_in_the_clear_agrees_with_duckdb_as_well(tmp_path):
    assert run_scale("credit-scores-in-clear", rows=1_000, repeat=1, scratch=tmp_path)["rows"] == 3_000


@pytest.mark.deep
@pytest.mark.e2e
def test_three_workers_tell_when_they_reach_their_first_round_and_what_each_phase_took(tmp_path):
    report = run_start("credit-scores", repeat=1, scratch=tmp_path)
    assert sorted(report["workers"]) == ["bureau-a", "bureau-b", "treasury"]
    for phases in report["workers"].values():
        assert list(phases) == list(PHASES)
        assert min(min(phase.values()) for phase in phases.values()) >= 0
        assert sum(phase["seconds"] for phase in phases.values()) <= report["seconds"] + 0.01
        assert 0 < sum(phase["cpu_seconds"] for phase in phases.values()) <= report["cpu_seconds"] + 0.01
    assert json.loads(json.dumps(report)) == report
    assert "3 workers at once" in lines_of(report)
    assert list(tmp_path.iterdir()) == []
