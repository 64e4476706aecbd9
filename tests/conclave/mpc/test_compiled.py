"""For which processors loops are compiled, what is kept of them, and what is no loop."""

import platform
import subprocess
import sys

import numpy as np
import pytest

from conclave.mpc import compiled, kernels
from conclave.mpc.errors import ShapeError

needs_x86 = pytest.mark.skipif(platform.machine() != "x86_64", reason="levels are x86-64's")


@needs_x86
@pytest.mark.parametrize("missing", compiled.LEVEL_3)
def test_a_processor_that_lacks_a_part_of_level_3_gets_code_for_level_2(monkeypatch, missing):
    has = dict.fromkeys(compiled.LEVEL_3, True) | {missing: False}
    monkeypatch.setattr(compiled.llvm, "get_host_cpu_features", lambda: has)
    assert compiled.processor_level() == "x86-64-v2"


@needs_x86
def test_newer_processors_share_what_is_compiled_for_level_3(monkeypatch):
    has = dict.fromkeys(compiled.LEVEL_3, True) | {"avx512f": True}
    monkeypatch.setattr(compiled.llvm, "get_host_cpu_features", lambda: has)
    assert compiled.processor_level() == "x86-64-v3"


def test_other_machines_compile_for_the_processor_that_they_have(monkeypatch):
    monkeypatch.setattr(platform, "machine", lambda: "aarch64")
    assert compiled.processor_level() is None


def add_up(x: np.ndarray, most: int) -> int:
    total = 0
    for i in range(min(len(x), most)):
        total += x[i]
    return total


def half(x: np.ndarray) -> int:
    return x[0] / 2


def copy_of(x: np.ndarray, out: np.ndarray) -> None:
    out[:] = x.copy()


@pytest.fixture
def kept(monkeypatch, tmp_path):
    """Where machine code is kept in this test."""
    monkeypatch.setattr(compiled, "_place", lambda _, kinds: tmp_path / "kept" / f"{kinds[0][0]}.o")
    return tmp_path / "kept" / "uint64.o"


def test_after_an_installation_nobody_waits_for_the_compiler():
    code = "import sys; from conclave.mpc.warm import warm; warm(); sys.exit('numba' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_loop_takes_arrays_and_numbers_and_returns_a_number(kept):
    loop = compiled.Loop(add_up)
    assert loop(np.array([3, 4, 5], np.uint64), 2) == 7
    assert loop(np.array([-3, 4], np.int32), 9) == 1
    assert loop(np.zeros(0, np.uint8), 9) == 0
    assert loop(np.frombuffer(bytearray(b"-\x03\0\0\0\x04\0\0\0-")[1:9], np.uint32), 9) == 7
    assert loop(np.frombuffer(bytearray(b"-\x03\0\0\0\x04\0\0\0-"), np.uint32, count=2, offset=1), 9) == 7


def test_what_was_kept_is_loaded_and_what_was_damaged_is_compiled_anew(kept, monkeypatch):
    x = np.array([3, 4], np.uint64)
    compiled.Loop(add_up)(x, 2)
    whole = kept.read_bytes()
    for damaged in (b"", whole[:40], whole[:-1], whole[:-1] + bytes([whole[-1] ^ 1]), whole[::-1]):
        kept.write_bytes(damaged)
        assert compiled.Loop(add_up)(x, 2) == 7
        assert kept.read_bytes() == whole
    monkeypatch.setattr(compiled, "COMPILER", "no.such.module")
    assert compiled.Loop(add_up)(x, 2) == 7


def test_where_nothing_can_be_kept_loops_are_compiled_all_the_same(kept):
    kept.parent.write_text("a file in the place of the directory")
    assert compiled.Loop(add_up)(np.array([3, 4], np.uint64), 2) == 7


def test_what_allocates_is_no_loop(kept):
    with pytest.raises(ShapeError, match="copy_of is no loop"):
        compiled.Loop(copy_of)(np.zeros(2), np.zeros(2))


def test_a_loop_returns_whole_numbers_only(kept):
    with pytest.raises(ShapeError, match="half returns float64"):
        compiled.Loop(half)(np.zeros(2, np.uint64))


@pytest.mark.parametrize("odd", [np.zeros((4, 4), np.uint64)[:, 0], np.frombuffer(bytes(16), np.uint64)])
def test_an_array_that_is_not_dense_or_cannot_be_written_is_refused(kept, odd):
    with pytest.raises(ShapeError, match="dense"):
        compiled.Loop(add_up)(odd, 1)


def test_an_array_that_a_loop_both_reads_and_writes_is_found_by_the_tests():
    x, rows = np.arange(8, dtype=np.uint64), np.arange(8, dtype=np.int64)[::-1].copy()
    with pytest.raises(AssertionError, match="take_xor has written to an array that it was given twice"):
        kernels.take_xor(x, rows, np.ones_like(x), x)
