"""Two honest parties are two processes, each with its own order of sets: the same inputs give them the same bytes."""

import os
import subprocess
import sys
from pathlib import Path

from conclave.plan import wire
from policy.canonical import digest
from tests.policy import test_corpus as corpus

ROOT = Path(__file__).parents[2]
SEEDS = ("0", "1")


def said() -> list[str]:
    """Of each case of the corpus the digests of its verdict, with every reason's words and way, and of its plan."""
    found = [(case.name, corpus.judged(case)) for case in corpus.CASES]
    return [f"{name} {digest(each[0].to_json())} {wire.digest(each[1])}" for name, each in found if each is not None]


def in_a_process(seed: str) -> subprocess.Popen:
    command = [sys.executable, "-c", "from tests.policy.test_same_bytes import said; print(*said(), sep='\\n')"]
    environment = {**os.environ, "PYTHONHASHSEED": seed}
    return subprocess.Popen(command, env=environment, cwd=ROOT, stdout=subprocess.PIPE, text=True)


def test_every_verdict_and_plan_of_the_corpus_is_the_same_in_every_process():
    processes = [in_a_process(seed) for seed in SEEDS]
    heard = [process.communicate(timeout=300)[0].splitlines() for process in processes]
    assert [process.returncode for process in processes] == [0] * len(SEEDS)
    assert len(heard[0]) > len(corpus.CASES) * 0.9
    for other in heard[1:]:
        assert other == heard[0]


def test_the_seeds_give_sets_other_orders():
    command = [sys.executable, "-c", "print(*{'alpha', 'bravo', 'carol', 'delta', 'echo', 'foxtrot'})"]
    environments = [{**os.environ, "PYTHONHASHSEED": seed} for seed in SEEDS]
    orders = {subprocess.run(command, env=env, capture_output=True, check=True).stdout for env in environments}
    assert len(orders) > 1, "else the test above says nothing"
