"""For which processors loops are compiled."""

import platform

import pytest

from conclave.mpc import compiled

needs_x86 = pytest.mark.skipif(platform.machine() != "x86_64", reason="levels are x86-64's")


@needs_x86
@pytest.mark.parametrize("missing", compiled.LEVEL_3)
def test_a_processor_that_lacks_a_part_of_level_3_gets_code_for_level_2(monkeypatch, missing):
    has = dict.fromkeys(compiled.LEVEL_3, True) | {missing: False}
    monkeypatch.setattr(compiled, "get_host_cpu_features", lambda: has)
    assert compiled.processor_level() == "x86-64-v2"


@needs_x86
def test_newer_processors_share_what_is_compiled_for_level_3(monkeypatch):
    has = dict.fromkeys(compiled.LEVEL_3, True) | {"avx512f": True}
    monkeypatch.setattr(compiled, "get_host_cpu_features", lambda: has)
    assert compiled.processor_level() == "x86-64-v3"


def test_other_machines_compile_for_the_processor_that_they_have(monkeypatch):
    monkeypatch.setattr(platform, "machine", lambda: "aarch64")
    assert compiled.processor_level() is None
