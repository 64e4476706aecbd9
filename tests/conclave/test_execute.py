"""A walk through a plan: who takes no part in MPC waits for those who do."""

from concurrent.futures import ThreadPoolExecutor

import pyarrow as pa
import pytest

from conclave.compile import compile_query
from conclave.execute import execute
from conclave.ir.nodes import Concat, Scan
from conclave.ir.types import Field, Integer
from conclave.local.duckdb import LocalEngine
from conclave.mpc.errors import ProtocolError
from conclave.mpc.inprocess import connect_all

OWNERS = ("alpha", "bravo", "carol", "dave")
COMPUTE = OWNERS[:3]
PATIENT_S, HASTY_S = 60.0, 0.2
SCHEMA = (Field("ward", Integer(32)), Field("days", Integer(32)))
QUERY = "SELECT ward, MIN(days) AS low, MAX(days) AS high, SUM(days) AS n FROM visits GROUP BY ward ORDER BY n LIMIT 3"


def walk(lost=None):
    """Let four owners and an analyst run the query; return what each ends with. `lost` leaves before it begins."""
    scans = tuple(Scan("visits", f"{owner}/visits", owner, SCHEMA) for owner in OWNERS)
    plan = compile_query(QUERY, {"visits": Concat(scans)}, ("analyst",), COMPUTE)
    networks = connect_all((*OWNERS, "analyst"), PATIENT_S)

    def run(name):
        network = networks[name]
        if name not in COMPUTE:
            network.timeout_s = HASTY_S  # far less than the others take for MPC, and enough for one message
        try:
            if name == lost:
                return None
            with LocalEngine() as engine:
                rows = pa.table({"ward": pa.array(range(40), pa.int32()), "days": pa.array(range(40), pa.int32())})
                if name in OWNERS:
                    engine.register_table(f"{name}/visits", rows)
                return execute(plan, name, network, engine, b"test", lambda _: None).answer
        except ProtocolError as error:
            return error
        finally:
            network.close()

    with ThreadPoolExecutor(len(networks)) as pool:
        return dict(zip(networks, pool.map(run, networks), strict=True))


def test_who_does_not_compute_waits_longer_than_for_one_message(monkeypatch):
    monkeypatch.setattr("conclave.mpc.channel.SLOWEST_BYTES_PER_S", 1 << 40)  # no time for what may come, but does not
    ended = walk()
    assert ended["analyst"].to_pylist() == [{"ward": n, "low": n, "high": n, "n": 4 * n} for n in range(3)]
    assert [ended[owner] for owner in OWNERS] == [None] * 4


@pytest.mark.parametrize("lost", COMPUTE)
def test_who_waits_hears_at_once_when_a_compute_party_is_lost(lost):
    ended = walk(lost)
    assert all(isinstance(ended[name], ProtocolError) for name in ended if name != lost)
