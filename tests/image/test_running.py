"""The image in a container with everything off that a rendered Job turns off."""

import json

# Every loop of the engine for every type of element: more than any first round of MPC calls. The seconds are the
# processor's, from the start of Python, so that a busy machine decides nothing.
FIRST_ROUND = """
import json, sys, time
from conclave.mpc.warm import warm
warm()
print(json.dumps({"seconds": time.process_time(), "compiles": "numba" in sys.modules}))
"""


def test_the_worker_tells_how_it_is_used(run_in):
    done = run_in("ccd-worker", "--help")
    assert done.returncode == 0, done.stderr
    for container in ("fetch", "compute", "publish"):
        assert container in done.stdout


def test_each_container_of_a_job_can_load_its_part(run_in):
    for module in ("worker.fetch", "worker.compute", "worker.publish"):
        done = run_in("python3", "-c", f"import {module}")
        assert done.returncode == 0, done.stderr


def test_it_runs_as_nobody_in_particular_with_nothing_to_write_to(run_in):
    probe = (
        "import os, sys\n"
        "print(os.getuid(), [l.split()[1] for l in open('/proc/self/status') if l.startswith('CapEff')][0])\n"
        "for place in ('/', '/opt/ccd', '/usr', '/var', '/etc'):\n"
        "    try: open(place + '/x', 'w')\n"
        "    except OSError: pass\n"
        "    else: print('could write to', place)\n"
        "open('/tmp/x', 'w')\n"
    )
    done = run_in("python3", "-c", probe)
    assert done.stdout == "65532 0000000000000000\n", done.stderr


def test_the_first_round_of_mpc_compiles_nothing_and_starts_within_two_seconds(run_in):
    runs = [run_in("python3", "-c", FIRST_ROUND) for _ in range(3)]
    for done in runs:
        assert done.returncode == 0, done.stderr
    told = [json.loads(done.stdout) for done in runs]
    assert not any(one["compiles"] for one in told)
    assert min(one["seconds"] for one in told) < 2.0


def test_a_processor_without_avx2_finds_its_loops_compiled_as_well(run_in):
    done = run_in("env", "NUMBA_CPU_NAME=x86-64-v2", "python3", "-c", FIRST_ROUND)
    assert not json.loads(done.stdout)["compiles"]
