"""A walk through a plan: who takes no part in MPC waits for those who do."""

from concurrent.futures import ThreadPoolExecutor

import pyarrow as pa
import pytest

from conclave.compile import compile_query
from conclave.execute import MPC_PATIENCE_S, execute
from conclave.ir.nodes import Concat, Scan
from conclave.ir.types import Field, Integer
from conclave.local.duckdb import LocalEngine
from conclave.mpc.channel import Network
from conclave.mpc.errors import ProtocolError
from tests.conclave.mpc.three import connect

OWNERS = ("alpha", "bravo", "carol", "dave")
COMPUTE = OWNERS[:3]
HANG_S = 300.0
SCHEMA = (Field("ward", Integer(32)), Field("days", Integer(32)))
QUERY = "SELECT ward, MIN(days) AS low, MAX(days) AS high, SUM(days) AS n FROM visits GROUP BY ward ORDER BY n LIMIT 3"


class Remembering(Network):
    """Keeps all that it is sent, and how long it would have waited each time."""

    def __init__(self, *args):
        super().__init__(*args)
        self.told, self.allowed_s = [], []

    def _pump_all(self, peers, allowed_s):
        self.allowed_s.append(allowed_s)
        super()._pump_all(peers, allowed_s)

    def _run(self, *args, **options):
        received = super()._run(*args, **options)
        self.told += sorted((peer, bytes(payload)) for peer, payload in received.items())
        return received


def walk(lost=None, days=range(40)):
    """Let four owners and an analyst run the query; return what each ends with, and their networks.

    `lost` leaves before it begins.
    """
    scans = tuple(Scan("visits", f"{owner}/visits", owner, SCHEMA) for owner in OWNERS)
    plan = compile_query(QUERY, {"visits": Concat(scans)}, ("analyst",), COMPUTE)
    networks = connect((*OWNERS, "analyst"), Remembering, HANG_S)

    def run(name):
        network = networks[name]
        try:
            if name == lost:
                return None
            with LocalEngine() as engine:
                rows = pa.table({"ward": pa.array(range(40), pa.int32()), "days": pa.array(days, pa.int32())})
                if name in OWNERS:
                    engine.register_table(f"{name}/visits", rows)
                return execute(plan, name, network, engine, b"test", lambda _: None).answer
        except ProtocolError as error:
            return error
        finally:
            network.close()

    with ThreadPoolExecutor(len(networks)) as pool:
        return dict(zip(networks, pool.map(run, networks), strict=True)), networks


def test_who_does_not_compute_waits_once_as_long_as_the_others_may_take():
    ended, networks = walk()
    assert ended["analyst"].to_pylist() == [{"ward": n, "low": n, "high": n, "n": 4 * n} for n in range(3)]
    assert [ended[owner] for owner in OWNERS] == [None] * 4
    patient = {name: sum(s >= MPC_PATIENCE_S for s in each.allowed_s) for name, each in networks.items()}
    assert patient == {**dict.fromkeys(COMPUTE, 0), "dave": 1, "analyst": 1}


def test_an_owner_that_neither_computes_nor_receives_is_told_only_that_mpc_is_over():
    ended, networks = walk(days=range(7, 287, 7))
    assert ended["analyst"].num_rows == 3
    assert networks["dave"].told == [(name, b"") for name in COMPUTE]


@pytest.mark.parametrize("lost", OWNERS)
def test_everybody_hears_at_once_when_an_owner_is_lost(lost):
    ended, _ = walk(lost)
    assert all(isinstance(ended[name], ProtocolError) for name in ended if name != lost)
