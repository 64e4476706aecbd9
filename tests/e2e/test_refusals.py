"""Runs that must not give an answer: every party ends alike, says why, and nothing is released."""

import contextlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

from policy.identity import new_identity
from renderer.local.load import load_run
from renderer.local.run import Local, prepare_run, read_run
from tests.e2e.conftest import AIRPORTS, MARKET, interrupt

CCD = Path(sys.executable).with_name("ccd")
EVERYONE = (*AIRPORTS, "regulator")


def everyone(code: int) -> dict[str, int]:
    return dict.fromkeys(EVERYONE, code)


def test_one_policys_refusal_ends_every_party_with_30_and_a_signed_manifest_that_says_why(federation):
    federation.set_policy("jfk", "purposes: [market-oversight]", "purposes: [something-else]")
    # By the command itself: exit code and output are what a script would see.
    done = subprocess.run(
        [CCD, "-C", federation.root, "run", MARKET, "--json"], capture_output=True, text=True, check=False
    )
    printed = json.loads(done.stdout)
    assert done.returncode == 30
    assert printed["status"] == "rejected"
    assert printed["output"] == []
    manifest = printed["manifest"]
    assert manifest["status"] == "rejected"
    assert {reason["party"] for reason in manifest["reasons"]} == {"jfk"}
    assert any("jfk/flights" in reason["rule"] for reason in manifest["reasons"])
    assert sorted(manifest["signatures"]) == list(EVERYONE)
    for party in EVERYONE:
        assert f"{printed['run_id']}/manifest.json" in federation.objects(party, "ccd-records")
    assert federation.objects("regulator", "results") == [f"{printed['run_id']}/manifest.json"]
    # Rejected is final, and the manifest's signatures hold.
    assert read_run(prepare_run(federation.root, MARKET)).problems == ()


@pytest.mark.deep  # four attempts
def test_without_the_writers_store_it_is_said_what_the_parties_said(federation):
    (federation.root / "secrets/regulator/swift-output/ST_KEY").write_text("wrong")

    done = subprocess.run([CCD, "-C", federation.root, "run", MARKET], capture_output=True, text=True, check=False)

    assert done.returncode == 50
    said = done.stdout[done.stdout.index("failed with exit code 50") :].splitlines()
    assert said[1] == "regulator: the store, when signing in, answered 401 to the Secret 'swift-output'"
    # Once, whoever ended because of it; and that there is no manifest to show.
    assert len([line for line in said if "regulator: the store" in line]) == 1
    assert said[-1].startswith("not verified  there is no manifest to be had: results/")


def test_a_header_unlike_its_declaration_ends_every_party_with_20(federation, few_flights):
    text = few_flights["lga"].read_text().replace("tailnum,", "tail_number,", 1)
    federation.steward("lga").put_object("flights", "flights.csv", text.encode())
    ended = federation.run(MARKET)
    assert ended.exit_code == 20
    assert federation.exit_codes("publish") == everyone(20)
    assert all(job.reason == "PodFailurePolicy" for job in ended.jobs)
    assert federation.said("accepted") == []
    assert f"{ended.run_id}/result.csv" not in federation.objects("regulator", "results")
    reasons = ended.filed.manifest["reasons"]
    assert {(reason["party"], reason["code"]) for reason in reasons} == {("lga", 20)}
    assert "tail_number" in json.dumps(reasons)  # the name of a column is no secret, and what one needs to know


def test_an_identity_that_the_parties_have_not_agreed_on_cannot_connect(federation):
    federation.set_deadlines(MARKET, barrierSeconds=4)
    planned = prepare_run(federation.root, MARKET)
    # Whoever rules jfk's namespace gives its worker another key, and a certificate that fits it.
    key, certificate = new_identity("jfk", 30)
    old = federation.party("jfk").spec.identity.certificate
    secret = federation.root / "secrets" / "airport-jfk" / "ccd-identity" / "tls.key"
    secret.write_bytes(key)
    federation.set_policy("jfk", "version: 1", "version: 1")  # signed with that key, too
    config_map = federation.root / "argocd" / "rendered" / "airport-jfk" / planned.run_id / "configmap.yaml"
    text = config_map.read_text()
    swapped = text.replace(json.dumps(old)[1:-1], json.dumps(certificate)[1:-1])
    assert swapped != text
    config_map.write_text(swapped)
    local = Local(federation.root, planned.planned, load_run(federation.root / "argocd" / "rendered", planned.run_id))

    def watch(event):
        if federation.exit_codes("publish").keys() == set(EVERYONE):
            interrupt()  # the first attempt has shown it; the others would be the same

    with contextlib.suppress(KeyboardInterrupt):
        federation.run(local, watch)
    assert federation.exit_codes("publish") == everyone(40)
    assert federation.said("accepted") == []
    assert [event for event in federation.said("peer connected") if "jfk" in (event["party"], event["peer"])] == []
    for container in ("results", "ccd-records"):
        names = federation.objects("regulator", container)
        assert len(names) == 1
        assert "/attempts/" in names[0]
