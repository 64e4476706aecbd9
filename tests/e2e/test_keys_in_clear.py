"""A workflow that shows keys to a party: it runs exactly if every owner's policy shows them to that party, too."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.conftest import DELAYS, Federation

CCD = Path(sys.executable).with_name("ccd")
COMPUTE = "    parties: [ewr, jfk, lga]\n"


def show_carriers(federation: Federation, to: str) -> None:
    path = federation.root / DELAYS
    path.write_text(path.read_text() + f"  mpc:\n    cleartext: {{flights.carrier: [{to}]}}\n")
    federation.render()


def test_carriers_are_shown_to_an_airport_only_if_the_others_agree(federation):
    answer = federation.run(DELAYS).filed.rows
    show_carriers(federation, "ewr")
    refused = federation.run(DELAYS)
    assert refused.exit_code == 30
    reasons = refused.filed.manifest["reasons"]
    assert {reason["party"] for reason in reasons} == {"jfk", "lga"}  # its own carriers ewr knows
    assert all(
        "compute.cleartextTo" in reason["rule"] and "ewr would see carrier" in reason["what"] for reason in reasons
    )
    for name in ("jfk", "lga"):
        federation.set_policy(name, COMPUTE, COMPUTE + "    cleartextTo: {carrier: [ewr]}\n")
    path = federation.root / DELAYS
    path.write_text(path.read_text() + "  run: 2\n")
    federation.render()
    # By the command itself, which prints what was estimated beside what was taken.
    done = subprocess.run([CCD, "-C", federation.root, "run", DELAYS], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "carrier of every row of m1 (m2), in random order" in done.stdout
    assert "estimated" in done.stdout
    again = federation.run(DELAYS)
    assert again.was_done
    assert again.filed.rows == [
        row | {"mean_arrival_delay": pytest.approx(row["mean_arrival_delay"])} for row in answer
    ]
    (keys,) = [each for each in again.filed.manifest["learned"] if each["kind"] == "keys"]
    assert (keys["to"], keys["columns"]) == (["ewr"], ["carrier"])
