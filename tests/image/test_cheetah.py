"""The image of the target `cheetah`, where `make image-cheetah` has built it: SPU is in it, and runs as a Job would be run."""

import json

from tests.image.test_contents import PACKAGES, TOOLS, listed, lock

# Two parties with SPU's Cheetah in one container: the worker's own walk, from rows to the answer.
TWO_PARTIES = """
import json
from concurrent.futures import ThreadPoolExecutor
import pyarrow as pa
from conclave.compile import compile_query
from conclave.execute import execute
from conclave.ir.nodes import Concat, Scan
from conclave.ir.types import Field, Integer
from conclave.local.duckdb import LocalEngine
from conclave.mpc.inprocess import connect_all

PAIR, ROWS = ("alpha", "bravo"), {"alpha": [5, 1, None], "bravo": [1, -3]}
fields = (Field("v", Integer(32)),)
tables = {"t": Concat(tuple(Scan("t", f"{name}/t", name, fields) for name in PAIR))}
sql = "SELECT v, COUNT(*) AS n FROM t GROUP BY v"
plan = compile_query(sql, tables, ("alpha",), PAIR, protocol="cheetah")
networks = connect_all(PAIR, 100.0)

def walk(name):
    with LocalEngine() as engine:
        engine.register_table(f"{name}/t", pa.table({"v": pa.array(ROWS[name], pa.int32())}))
        return execute(plan, name, networks[name], engine, b"test", lambda _: None).answer

with ThreadPoolExecutor(2) as pool:
    answers = list(pool.map(walk, PAIR))
print(json.dumps([None if a is None else sorted(map(list, zip(*a.to_pydict().values())), key=str) for a in answers]))
"""


def test_two_parties_compute_in_a_container_without_rights_or_network(run_in_cheetah):
    done = run_in_cheetah("python3", "-c", TWO_PARTIES)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [[[-3, 1], [1, 2], [5, 1], [None, 1]], None]


def test_the_worker_starts_as_in_the_other_image_and_meets_none_of_spus_packages(run_in_cheetah):
    probe = "import importlib.util, numpy; print(numpy.__version__, importlib.util.find_spec('jax'))"
    own, spus = run_in_cheetah("python3", "-c", probe), run_in_cheetah("/opt/ccd/spu/bin/python", "-c", probe)
    assert own.returncode == spus.returncode == 0, own.stderr + spus.stderr
    assert own.stdout.startswith("2.")
    assert own.stdout.endswith(" None\n")
    assert spus.stdout.startswith("1.26.")
    assert run_in_cheetah("ccd-worker", "--help").returncode == 0


def test_its_bills_of_materials_list_what_is_locked(cheetah_built, cheetah_image):
    for name, label in (("sbom", "dev.ccd.sbom"), ("sbom-spu", "dev.ccd.sbom.spu")):
        inside = cheetah_image.root / cheetah_image.labels[label].lstrip("/")
        assert inside.read_bytes() == (cheetah_built / f"{name}.cdx.json").read_bytes()
        packages = listed(cheetah_built / f"{name}.cdx.json")
        packages.pop("ccd", None)
        assert packages == lock("spu" if name == "sbom-spu" else "worker")


def test_nothing_in_it_builds_installs_or_downloads(cheetah_image):
    programs = {path.name for path in cheetah_image.root.rglob("*bin/*")}
    assert not programs & TOOLS
    packages = {path.name for place in cheetah_image.root.rglob("*-packages") for path in place.iterdir()}
    assert {"spu", "jax", "numba"} <= packages
    assert not packages & PACKAGES
    stale = [path for path in cheetah_image.root.rglob("*.pyc") if path.read_bytes()[4:8] != b"\x01\0\0\0"]
    assert stale == []
