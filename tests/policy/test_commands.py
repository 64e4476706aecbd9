"""`ccd policy` and `ccd keys`, on the repository's own workflows and the sample federation's policies."""

import json
import stat
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

import renderer.dev
from policy.identity import load_certificate, load_private_key
from policy.parse import parse_policy
from policy.signature import verify
from policy.yaml import read_yaml
from renderer.commands import keys, policy
from renderer.errors import Commands
from renderer.settings import Settings
from tests.renderer.gitops import git

ROOT = Path(__file__).parents[2]
POLICIES = sorted((Path(renderer.dev.__file__).parent / "policies").glob("*.policy.yaml"))
CONCENTRATION = "workflows/market-concentration.yaml"

app = typer.Typer(cls=Commands, pretty_exceptions_enable=False)
for command in (policy, keys):
    command.register(app)


def ccd(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments], obj=Settings(ROOT))


def given(files):
    return [argument for file in files for argument in ("--policy", file)]


@pytest.mark.parametrize("workflow", [CONCENTRATION, "workflows/arrival-delays.yaml"])
def test_the_sample_policies_accept_the_sample_workflows(workflow):
    result = ccd("policy", "verify", "--workflow", workflow, *given(POLICIES))
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.startswith("accept: ewr/flights policy v")


def test_what_is_accepted_is_said_of_whose_columns():
    text = ccd("policy", "verify", "--workflow", CONCENTRATION, *given(POLICIES)).stdout
    assert text.endswith(
        "what the answer tells of whose columns\n"
        "  regulator    of ewr/flights, jfk/flights, lga/flights\n"
        "                 how many rows there are\n"
        "                 groups made by carrier\n"
    )
    shown = json.loads(ccd("policy", "verify", "--workflow", CONCENTRATION, *given(POLICIES), "--json").stdout)
    assert [(told["dataset"], told["column"], told["needs"]) for told in shown["disclosed"][:2]] == [
        ("ewr/flights", None, ["count"]),
        ("ewr/flights", "carrier", ["group_key"]),
    ]


def test_verify_prints_one_json_object():
    result = ccd("policy", "verify", "--workflow", CONCENTRATION, *given(POLICIES), "--json")
    shown = json.loads(result.stdout)
    assert (result.exit_code, shown["decision"], shown["workflow"]) == (0, "accept", "market-concentration")
    assert [p["dataset"] for p in shown["policies"]] == ["ewr/flights", "jfk/flights", "lga/flights"]
    assert shown["reasons"] == []


def test_a_refusal_exits_30_and_names_the_workflows_line(tmp_path):
    strict = tmp_path / "jfk.policy.yaml"
    strict.write_text(POLICIES[1].read_text().replace("market-oversight", "punctuality"))
    files = [POLICIES[0], strict, POLICIES[2]]
    result = ccd("policy", "verify", "--workflow", CONCENTRATION, *given(files))
    assert result.exit_code == 30
    assert "jfk/flights policy v1, spec.grants: grants regulator nothing for market-oversight" in result.stdout
    query_lines = [n for n, line in enumerate((ROOT / CONCENTRATION).read_text().splitlines(), 1) if "carrier" in line]
    assert any(f"where: {CONCENTRATION}:{n}:" in result.stdout for n in query_lines)
    shown = json.loads(ccd("policy", "verify", "--workflow", CONCENTRATION, *given(files), "--json").stdout)
    assert [p["decision"] for p in shown["policies"]] == ["accept", "reject", "accept"]


def test_a_policy_that_is_not_given_refuses():
    result = ccd("policy", "verify", "--workflow", CONCENTRATION, *given(POLICIES[:2]), "--json")
    shown = json.loads(result.stdout)
    assert result.exit_code == 30
    assert [(r["code"], r["dataset"]) for r in shown["reasons"]] == [("no-policy", "lga/flights")]
    unknown = {"decision": "reject", "version": None, "digest": None, "reserved": []}
    assert shown["policies"][2] == {"dataset": "lga/flights", **unknown}


def test_a_policy_twice_or_for_another_workflow_is_a_bad_document():
    stranger = Path(__file__).parent / "examples" / "minimum.yaml"
    for files in ([*POLICIES, stranger], [*POLICIES, POLICIES[0]]):
        result = ccd("policy", "verify", "--workflow", CONCENTRATION, *given(files))
        assert result.exit_code == 10
        assert files[-1].name in result.stderr


def test_check_warns_of_what_a_policy_says_in_vain(tmp_path):
    """Nothing is wrong with such a policy, and no run can ever make use of what it says."""
    text = """\
---
apiVersion: ccd.dev/v1alpha1
kind: Policy
metadata: {dataset: hospital/stays, version: 1}
spec:
  columns: {ward: {type: varchar(8)}, days: {type: integer}}
  grants:
    - to: [institute]
      purposes: [research]
      columns: {ward: [group_key, mean], days: [mean, sum]}
  compute: {protocols: [replicated3, replicated]}
  limits: {until: 2020-01-01}
"""
    (file := tmp_path / "stays.csv.policy.yaml").write_text(text)
    vain = ccd("policy", "check", file)
    assert (vain.exit_code, "sound" in vain.stdout) == (0, True)
    said = [line.split("warning: ")[1] for line in vain.stderr.splitlines()]
    assert said == [
        "spec.compute.protocols[1]: no protocol here has this name, so it allows nothing "
        "(fix: did you mean replicated3?)",
        "spec.limits.until: this day has passed, so every run is refused (fix: write a later one)",
        "spec.grants[0].columns.ward: mean is of numbers, and ward is varchar(8) (fix: leave it out)",
    ]
    file.write_text(text.replace(", replicated]", "]").replace("2020-01-01", "2999-01-01").replace("key, mean", "key"))
    assert ccd("policy", "check", file).stderr == ""


def test_check_says_what_is_wrong_with_its_line(tmp_path):
    sound = ccd("policy", "check", *POLICIES)
    assert sound.exit_code == 0
    assert sound.stdout.count("sound") == 3
    bad = tmp_path / "p.yaml"
    bad.write_text(POLICIES[0].read_text().replace("group_key", "groupkey"))
    result = ccd("policy", "check", bad)
    assert result.exit_code == 10
    assert "did you mean group_key?" in result.stderr
    bad.write_bytes(b"\xff\xfe")
    assert ccd("policy", "check", bad).exit_code == 10


def test_a_signed_policy_holds_whatever_its_layout(tmp_path):
    assert ccd("keys", "new", "ewr", "--out", tmp_path).exit_code == 0
    file = tmp_path / "flights.csv.policy.yaml"
    file.write_text(POLICIES[0].read_text())
    result = ccd("policy", "sign", file, "--key", tmp_path / "ewr.key")
    assert result.exit_code == 0
    signature = (tmp_path / "flights.csv.policy.yaml.sig").read_text()
    certificate = load_certificate((tmp_path / "ewr.crt").read_text())
    relaid = "# another comment\n" + file.read_text().replace("[group_key, count]", "[ group_key,  count ]")
    verify(certificate.public_key, "policy", parse_policy(relaid, "p"), signature)


def test_a_key_that_is_none_signs_nothing_and_is_not_shown(tmp_path):
    key = tmp_path / "wrong.key"
    key.write_text("hunter2")
    result = ccd("policy", "sign", POLICIES[0], "--key", key)
    assert result.exit_code == 10
    assert "hunter2" not in result.output
    assert not Path(f"{POLICIES[0]}.sig").exists()


def test_a_new_identity_is_for_its_owner_alone_and_never_overwrites(tmp_path):
    out = tmp_path / "identity"
    result = ccd("keys", "new", "alpha", "--out", out, "--days", "30")
    assert result.exit_code == 0
    key = out / "alpha.key"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    certificate = load_certificate((out / "alpha.crt").read_text())
    assert load_private_key(key.read_bytes()).public_key() == certificate.public_key
    assert certificate.fingerprint in result.stdout
    assert "PRIVATE" not in result.stdout
    before = key.read_bytes()
    again = ccd("keys", "new", "alpha", "--out", out)
    assert again.exit_code == 1
    assert "never overwritten" in again.stderr
    assert key.read_bytes() == before


def test_a_new_key_is_never_where_git_would_take_it(tmp_path):
    git(tmp_path, "init", "--quiet")

    made = ccd("keys", "new", "alpha", "--out", tmp_path / "secrets/new")
    refused = ccd("keys", "new", "alpha", "--out", tmp_path)

    assert made.exit_code == 0, made.output
    assert (tmp_path / "secrets/new/alpha.key").exists()
    assert refused.exit_code == 1
    assert "would be taken by the next git add" in refused.stderr
    assert "(fix: --out secrets/new-alpha," in refused.stderr
    git(tmp_path, "add", "--all")
    assert git(tmp_path, "ls-files") == ""
    (tmp_path / ".gitignore").write_text("*.key\n")
    assert ccd("keys", "new", "alpha", "--out", tmp_path).exit_code == 0  # its owner has seen to it


def test_the_shown_party_document_lines_hold_the_certificate(tmp_path):
    result = ccd("keys", "new", "alpha", "--out", tmp_path)
    lines = result.stdout.split("\n\n")
    shown = next(part for part in lines if part.startswith("spec:"))
    value, _ = read_yaml(shown, "shown")
    assert load_certificate(value["spec"]["identity"]["certificate"]).party == "alpha"


def test_a_name_that_is_no_partys_makes_no_key(tmp_path):
    assert ccd("keys", "new", "Not_A_Party", "--out", tmp_path).exit_code == 10
    assert list(tmp_path.iterdir()) == []
