from collections.abc import Generator

import pytest
from hypothesis import settings

# Three threads with key agreement take 10 ms and more, and other work shares the machine.
settings.register_profile("three-parties", settings.get_profile("any-machine"), max_examples=12)


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Have this directory's tests made with its profile; loaded for good, it would be that of all that are made later."""
    settings.load_profile("three-parties")
    try:
        return (yield)
    finally:
        settings.load_profile("any-machine")
