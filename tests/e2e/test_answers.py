"""Both shipped workflows over all real flights: the right answer, verified, once, and nothing seen on the way."""

import json
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pytest

from renderer.check import load_workspace
from renderer.local.run import Ended, prepare_run, read_run
from tests.e2e.conftest import AIRPORTS, DELAYS, MARKET, Federation, worker_events
from tests.e2e.wiretap import Wiretap, found_in, wiretap

CCD = Path(sys.executable).with_name("ccd")


@dataclass
class Observed:
    """A run, and everything that could be seen of it."""

    ended: Ended
    tap: Wiretap
    logs: dict[Path, str]
    n_steps: int


@pytest.fixture(scope="module")
def market(whole_federation) -> Observed:
    return observe(whole_federation, MARKET)


@pytest.fixture(scope="module")
def delays(whole_federation) -> Observed:
    return observe(whole_federation, DELAYS)


def observe(federation: Federation, workflow: Path) -> Observed:
    with wiretap() as tap:
        ended = federation.run(workflow, rewrite_hosts=tap.tap)
    directory = federation.root / ".ccd" / "runs" / ended.run_id
    logs = {path: path.read_text() for path in directory.rglob("*.log")}
    return Observed(ended, tap, logs, len(federation.said("step")))


@pytest.fixture(scope="session")
def pooled(flights):
    """All flights in one DuckDB: what none of the parties could do."""
    with duckdb.connect() as connection:
        files = [str(path) for path in flights.values()]
        connection.execute("CREATE TABLE flights AS FROM read_csv($files, nullstr = 'NA')", {"files": files})
        yield connection


def expected(pooled, federation: Federation, workflow: str) -> list[dict]:
    query = load_workspace(federation.root).workflows[workflow].model.spec.query
    cursor = pooled.execute(query)
    names = [column[0] for column in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def test_the_markets_concentration_is_what_duckdb_finds_in_the_pooled_flights(market, whole_federation, pooled):
    (row,) = expected(pooled, whole_federation, "market-concentration")
    assert market.ended.exit_code == 0
    assert market.ended.filed.rows == [{"hhi": pytest.approx(row["hhi"], rel=1e-6)}]


def test_the_carriers_delays_are_what_duckdb_finds_in_the_pooled_flights(delays, whole_federation, pooled):
    rows = expected(pooled, whole_federation, "arrival-delays")
    assert delays.ended.exit_code == 0
    assert delays.ended.filed.rows == [
        row | {"mean_arrival_delay": pytest.approx(row["mean_arrival_delay"], rel=1e-6)} for row in rows
    ]


def test_the_manifest_is_signed_by_every_party_and_fits_the_result(market, delays):
    assert market.ended.filed.problems == ()
    assert delays.ended.filed.problems == ()
    assert sorted(market.ended.filed.manifest["signatures"]) == [*AIRPORTS, "regulator"]
    assert sorted(delays.ended.filed.manifest["signatures"]) == list(AIRPORTS)


def test_every_party_has_its_own_copy_of_the_manifest_and_only_the_writer_the_result(market, whole_federation):
    name = f"{market.ended.run_id}/manifest.json"
    for party in (*AIRPORTS, "regulator"):
        assert name in whole_federation.objects(party, "ccd-records")
    in_results = whole_federation.objects("regulator", "results")
    assert in_results == [name, f"{market.ended.run_id}/result.csv"]


def test_a_second_demo_says_that_the_run_is_done_and_computes_nothing(market, whole_federation):
    done = subprocess.run([CCD, "demo", "--dir", whole_federation.root], capture_output=True, text=True, check=True)
    assert f"this run is done already: {market.ended.run_id}" in done.stdout
    assert str(market.ended.filed.rows[0]["hhi"]) in done.stdout
    assert "verified" in done.stdout
    assert market.n_steps > 0
    for path, first in market.logs.items():
        again = [json.loads(line)["event"] for line in path.read_text().removeprefix(first).splitlines()]
        assert again == ["done already"]
    arguments = [CCD, "-C", whole_federation.root, "status", market.ended.run_id, "--local", "--json"]
    told = json.loads(subprocess.run(arguments, capture_output=True, text=True, check=True).stdout)
    assert {each["party"]: each["phase"] for each in told["parties"]} == dict.fromkeys(
        (*AIRPORTS, "regulator"), "done already"
    )
    # The manifest is the first run's, to the byte: with its steps and their times.
    assert read_run(prepare_run(whole_federation.root, MARKET)) == market.ended.filed
    assert not market.ended.was_done


def test_no_value_of_the_data_crosses_the_network_in_clear(market, delays, flights, pooled):
    patterns = telling_values(pooled) | packed_words(pooled)
    for observed in (market, delays):
        assert observed.tap.n_connections >= 3
        assert sum(map(len, observed.tap.recorded)) > 10_000
        for stream in observed.tap.recorded:
            assert found_in(bytes(stream), patterns) == set()
    # The same search does find them where they are.
    assert len(found_in(flights["jfk"].read_bytes()[:200_000], patterns)) > 500


def test_no_value_of_the_data_is_logged(market, delays, flights, pooled):
    patterns = telling_values(pooled)
    carriers = {row[0] for row in pooled.execute("SELECT DISTINCT carrier FROM flights").fetchall()}
    counts = {
        row[0] for row in pooled.execute("SELECT count(*) FROM flights GROUP BY carrier, origin").fetchall()
    } - set(range(1000))
    for observed in (market, delays):
        assert len(observed.logs) == 3 * len(observed.ended.jobs)
        for text in observed.logs.values():
            assert found_in(text.encode(), patterns) == set()
            assert carriers.isdisjoint(words_in(text))
            assert counts.isdisjoint(numbers_in(text))
        for signed in (market.ended.filed.manifest, delays.ended.filed.manifest):
            assert carriers.isdisjoint(words_in(json.dumps(signed)))
            assert found_in(json.dumps(signed).encode(), patterns) == set()
    assert carriers <= words_in("\n".join(path.read_text() for path in flights.values()))
    assert 41666 in numbers_in('{"rows": 41666}')


def test_logs_hold_no_key(market, whole_federation):
    keys = set()
    for path in (whole_federation.root / "secrets").rglob("*"):
        if path.name == "ST_KEY":
            keys.add(path.read_bytes())
        if path.name == "tls.key":
            keys.add(path.read_bytes().splitlines()[1])
    assert len(keys) > 10
    for text in market.logs.values():
        assert found_in(text.encode(), keys) == set()


def test_every_line_of_a_worker_is_an_event(market, whole_federation):
    for text in market.logs.values():
        for line in text.splitlines():
            assert json.loads(line)["event"]
    assert whole_federation.events
    assert list(worker_events(whole_federation.events))


def telling_values(pooled) -> set[bytes]:
    """Values long enough not to occur in ciphertext by chance: aircraft, departures, and pieces of rows."""
    tails = pooled.execute("SELECT DISTINCT tailnum FROM flights WHERE length(tailnum) >= 6").fetchall()
    pieces = pooled.execute(
        "SELECT DISTINCT concat_ws(',', carrier, flight, tailnum) FROM flights WHERE tailnum IS NOT NULL LIMIT 2000"
    ).fetchall()
    header = b"sched_arr_time,arr_delay,carrier"
    return {row[0].encode() for row in (*tails, *pieces)} | {header}


def packed_words(pooled) -> set[bytes]:
    """What MPC would send of a carrier, or of a carrier's flights at one airport, if it did not share it."""
    carriers = [row[0] for row in pooled.execute("SELECT DISTINCT carrier FROM flights").fetchall()]
    counts = pooled.execute("SELECT count(*) AS n FROM flights GROUP BY carrier, origin HAVING n > 999").fetchall()
    words = [int.from_bytes(carrier.encode().ljust(8, b"\0"), "big") for carrier in carriers]
    words += [int.from_bytes(carrier.encode(), "big") for carrier in carriers] + [row[0] for row in counts]
    return {word.to_bytes(8, order) for word in words for order in ("little", "big")}


def words_in(text: str) -> set[str]:
    """Words as a value would stand in text: `UA` in "UA,1545" and in '"UA"', not in a digest."""
    return set(re.findall(r"(?<![A-Za-z0-9+/=_-])[A-Z0-9]{2}(?![A-Za-z0-9+/=_-])", text))


def numbers_in(text: str) -> set[int]:
    """Whole numbers, but for measured times."""
    without_times = re.sub(r'"(time|seconds)": ("[^"]*"|[0-9.e-]+)', "", text)
    return {int(word) for word in re.findall(r"(?<![\w.:-])\d+(?![\w.:-])", without_times)}
