"""An owner whose policy asks for its approval: the commands people run, the worker's processes, a real Swift."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.conftest import AIRPORTS, MARKET

# The worker's part has quick tests in tests/worker/test_consent.py, the commands' in tests/renderer/test_approve.py.
pytestmark = pytest.mark.deep

CCD = Path(sys.executable).with_name("ccd")
EVERYONE = (*AIRPORTS, "regulator")


def approve(federation, party: str) -> None:
    command = [CCD, "-C", federation.root, "approve", "market-concentration", "--party", party]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_run_that_its_owner_approved_runs_and_another_ones_approval_does_not_count(federation):
    federation.set_policy("jfk", "  grants:", "  approval: explicit\n  grants:")
    federation.set_deadlines(MARKET, barrierSeconds=290)  # a run that is not merged yet
    approve(federation, "lga")
    ended = federation.run(MARKET)
    assert ended.exit_code == 30
    assert federation.exit_codes("publish") == dict.fromkeys(EVERYONE, 30)
    (reason,) = ended.filed.manifest["reasons"]
    assert reason["what"] == "jfk/flights is used with jfk's approval only, and this run has none"
    assert [event for event in federation.said("data fetched") if event["party"] == "jfk"] == []

    path = federation.root / MARKET  # another run: the refused one stays refused
    path.write_text(path.read_text().replace("barrierSeconds: 290", "barrierSeconds: 291"))
    federation.render()
    approve(federation, "jfk")
    ended = federation.run(MARKET)
    assert ended.exit_code == 0
    assert [event["party"] for event in federation.said("approved")] == ["jfk"]
