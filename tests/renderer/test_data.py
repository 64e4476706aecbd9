"""An owner stores its data and asks what a run would say, against a real Swift; a run's fetch then says the same."""

import io
import json
import secrets
import shutil
from dataclasses import dataclass
from pathlib import Path

import pyrage
import pytest
import swiftclient
from rich.console import Console
from rich.progress import Progress
from ruamel.yaml import YAML

from policy.identity import new_identity
from renderer.check import load_workspace
from renderer.commands.data import COLUMNS, Stages
from renderer.dev.swift import SwiftProcess
from renderer.dev.swift_users import SwiftUsers
from renderer.documents import read_workspace
from tests.renderer.conftest import edit, plan
from tests.renderer.gitops import ccd, publish_policy
from worker.commands import load_run_spec
from worker.fetch import fetch
from worker.log import Log
from worker.workdir import WorkDir

GOOD = "ward,kind,cost\nA,day,1.50\nB,night,NA\n"
CREDENTIALS = ("ST_AUTH", "ST_USER", "ST_KEY", "OS_AUTH_URL", "OS_CLOUD")


@dataclass
class Owner:
    """alpha, with an account in a real Swift, a key of its own, and its party document."""

    root: Path
    container: str
    client: swiftclient.Connection

    @property
    def secrets(self) -> Path:
        return self.root / "secrets" / "hospital-a"

    def ccd(self, *arguments: str | Path):
        return ccd(self.root, "data", *arguments)

    def json(self, *arguments: str | Path) -> tuple[int, dict]:
        result = self.ccd(*arguments, "--json")
        return result.exit_code, json.loads(result.stdout)

    def file(self, text: str | bytes = GOOD, name: str = "visits.csv") -> Path:
        path = self.root / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    def policy(self, uses: str = "sum", version: int = 1) -> Path:
        path = publish_policy(self.root, "alpha/visits", uses)
        path.write_text(path.read_text().replace("version: 1", f"version: {version}"))
        return path

    def objects(self) -> dict[str, bytes]:
        try:
            _, listing = self.client.get_container(self.container)
        except swiftclient.ClientException:
            return {}
        return {item["name"]: self.client.get_object(self.container, item["name"])[1] for item in listing}

    def declare(self, old: str, new: str) -> None:
        edit(self.root, "parties/alpha.yaml", old, new)

    def seal(self) -> pyrage.x25519.Identity:
        identity = pyrage.x25519.Identity.generate()
        (self.secrets / "alpha-age").mkdir()
        (self.secrets / "alpha-age" / "age.key").write_text(str(identity))
        sealed = f"sealed: {{recipient: {identity.to_public()}, identity: alpha-age}}"
        self.declare("      nullText: NA\n", f"      nullText: NA\n      {sealed}\n")
        return identity

    def fetched(self, tmp_path: Path) -> WorkDir:
        """What the container `fetch` of a run makes of what is stored."""
        run = plan(read_workspace(self.root))
        (member,) = (member for member in run.members if member.name == "alpha")
        own = member.own.model_copy(update={"records": None, "output": None})
        work = WorkDir(tmp_path / "work")
        work.root.mkdir()
        spec = run.run_spec(member).model_copy(update={"own": own})
        fetch(spec, work, self.secrets, Log())
        return work


@pytest.fixture
def owner(federation: Path, swift: SwiftProcess, swift_users: SwiftUsers, monkeypatch) -> Owner:
    for name in CREDENTIALS:
        monkeypatch.delenv(name, raising=False)
    user = swift_users.of("alpha:steward")
    container = f"clinic-{secrets.token_hex(4)}"
    key, certificate = new_identity("alpha", 30)
    document = federation / "workflows/parties/alpha.yaml"
    before, _, rest = document.read_text().partition("      -----BEGIN")
    _, _, after = rest.partition("-----END CERTIFICATE-----\n")
    pem = "".join(f"      {line}\n" for line in certificate.strip().splitlines())
    document.write_text((before + pem + after).replace("container: clinic", f"container: {container}"))
    made = Owner(
        federation,
        container,
        swiftclient.Connection(authurl=swift.url, user=user.login, key=user.key, auth_version="1"),
    )
    keys = {"ST_AUTH": swift.url, "ST_USER": user.login, "ST_KEY": user.key}
    for secret, contents in {"alpha-data": keys, "ccd-identity": {"tls.key": key.decode()}}.items():
        (made.secrets / secret).mkdir(parents=True)
        for name, value in contents.items():
            (made.secrets / secret / name).write_text(value)
    load_workspace(federation)
    return made


def test_what_is_put_is_accepted_by_check_and_by_fetch(owner, tmp_path):
    code, report = owner.json("put", owner.file(), "--dataset", "alpha/visits", "--policy", owner.policy())
    assert (code, report["accepted"], report["rows"]) == (0, True, 2)
    names = [f"2024/visits.csv{ending}" for ending in ("", ".policy.yaml", ".policy.yaml.sig")]
    assert report["stored"] == [f"{owner.container}/{name}" for name in names]
    assert owner.objects()["2024/visits.csv"] == GOOD.encode()
    code, checked = owner.json("check", "alpha/visits")
    assert code == 0
    assert {key: checked[key] for key in ("rows", "sha256", "policy")} == {
        key: report[key] for key in ("rows", "sha256", "policy")
    }
    (fetched,) = owner.fetched(tmp_path).fetched().datasets
    assert (fetched.n_rows, fetched.sha256) == (2, report["sha256"])


def test_a_sealed_dataset_is_sealed_whether_asked_or_not_and_opens_in_a_run(owner, tmp_path):
    identity = owner.seal()
    code, report = owner.json("put", owner.file(), "--dataset", "alpha/visits", "--policy", owner.policy())
    assert (code, report["sealed"]) == (0, True)
    stored = owner.objects()["2024/visits.csv"]
    assert pyrage.decrypt(stored, [identity]) == GOOD.encode()
    assert all(b"night" not in content for content in owner.objects().values())
    assert owner.json("check", "alpha/visits")[0] == 0
    work = owner.fetched(tmp_path)
    assert (work.root / work.fetched().datasets[0].file).read_text() == GOOD


def test_who_waits_at_a_terminal_sees_the_stage_and_how_much_of_it_is_done():
    screen = Console(file=io.StringIO(), force_terminal=True, width=100)
    with Progress(*COLUMNS, console=screen, auto_refresh=False) as progress:
        stages = Stages(progress)
        stages.tell("uploading", 4_000_000, None)
        stages.tell(None, 4_000_000, 1_000_000)
        progress.refresh()
        assert "uploading" not in screen.file.getvalue()  # two seconds have not gone by
        stages.show()
        progress.refresh()
    shown = screen.file.getvalue()
    assert "uploading (4.0 MB)" in shown
    assert "25%" in shown


def test_data_whose_policy_asks_for_approval_is_fetched_from_what_is_rendered_once_its_owner_has_approved(
    owner, tmp_path
):
    policy = owner.policy()
    policy.write_text(policy.read_text() + "  approval: explicit\n")
    assert owner.json("put", owner.file(), "--dataset", "alpha/visits", "--policy", policy)[0] == 0
    assert ccd(owner.root, "render").exit_code == 0
    for secret in ("alpha-output", "alpha-records"):
        shutil.copytree(owner.secrets / "alpha-data", owner.secrets / secret)

    def fetched(name: str) -> WorkDir:
        """What `fetch` leaves of what alpha's ConfigMap holds."""
        (config,) = owner.root.glob("argocd/rendered/hospital-a/*/configmap.yaml")
        mounted, work = tmp_path / name, WorkDir(tmp_path / f"{name}-work")
        for directory in (mounted, work.root):
            directory.mkdir()
        for key, text in YAML(typ="safe", pure=True).load(config.read_text())["data"].items():
            (mounted / key).write_text(text)
        spec = load_run_spec(mounted / "run.json")
        fetch(spec, work, owner.secrets, Log(), approval=mounted / "approval.json")
        return work

    assert fetched("before").outcome().code == 30
    assert not (tmp_path / "before-work/data").exists()
    result = ccd(owner.root, "approve", "visits-by-ward", "--party", "alpha")
    assert result.exit_code == 0, result.stderr
    assert fetched("after").fetched().datasets[0].n_rows == 2


def test_to_insist_on_a_seal_that_is_not_declared_stores_nothing(owner):
    result = owner.ccd("put", owner.file(), "--dataset", "alpha/visits", "--policy", owner.policy(), "--seal")
    assert result.exit_code == 10
    assert "is not declared as sealed" in result.stderr
    assert owner.objects() == {}


def test_every_problem_of_a_file_is_told_and_nothing_is_stored(owner):
    text = "ward,kind,cost\nA,day,1.555\nNA,evening-secret-42,x\n"
    code, report = owner.json("put", owner.file(text), "--dataset", "alpha/visits", "--policy", owner.policy())
    assert code == 20
    told = [problem["what"] for problem in report["problems"]]
    assert told == [
        "alpha/visits: column ward, row 2: is NULL but declared not null",
        "alpha/visits: column cost, row 1: is no decimal(10,2): at most 10 digits, 2 of them after the point",
    ]
    assert "evening-secret-42" not in json.dumps(report)
    assert owner.objects() == {}


def test_a_policy_on_other_columns_or_by_another_key_stores_nothing(owner, tmp_path):
    policy = owner.policy()
    text = policy.read_text().replace("    kind: {type: varchar(20)}\n", "").replace("        kind: [filter]\n", "")
    policy.write_text(text)
    code, report = owner.json("put", owner.file(), "--dataset", "alpha/visits", "--policy", policy)
    assert code == 20
    assert (
        "the file's header [ward, kind, cost] is not the policy's columns [ward, cost]" in report["problems"][0]["what"]
    )
    other = tmp_path / "tls.key"
    other.write_bytes(new_identity("alpha", 30)[0])
    result = owner.ccd("put", owner.file(), "--dataset", "alpha/visits", "--policy", policy, "--key", other)
    assert result.exit_code == 10
    assert "is not the key" in result.stderr
    assert owner.objects() == {}


def test_nothing_is_overwritten_unasked_and_the_old_word_goes_first(owner):
    put = ("put", owner.file(), "--dataset", "alpha/visits", "--policy", owner.policy())
    assert owner.json(*put)[0] == 0
    before = owner.objects()
    code, report = owner.json(*put)
    assert code == 1
    assert "lies there already" in report["problems"][0]["what"]
    assert owner.objects() == before
    new = owner.file(GOOD + "C,day,2\n")
    code, report = owner.json("put", new, "--dataset", "alpha/visits", "--policy", owner.policy(version=2), "--replace")
    assert (code, report["rows"], report["policyVersion"]) == (0, 3, 2)
    assert owner.json("check", "alpha/visits")[1]["policyVersion"] == 2


def test_data_alone_is_replaced_under_the_policy_that_lies_there(owner):
    owner.json("put", owner.file(), "--dataset", "alpha/visits", "--policy", owner.policy())
    code, report = owner.json("put", owner.file(GOOD + "C,day,2\n"), "--dataset", "alpha/visits", "--replace")
    assert (code, report["stored"]) == (0, [f"{owner.container}/2024/visits.csv"])
    assert owner.json("check", "alpha/visits")[1]["rows"] == 3


def test_check_tells_all_that_speaks_against_what_is_stored(owner, tmp_path):
    owner.json("put", owner.file(), "--dataset", "alpha/visits", "--policy", owner.policy())
    owner.client.put_object(owner.container, "2024/visits.csv", b"ward,kind,cost\nNA,day,x\n")
    owner.client.put_object(owner.container, "2024/visits.csv.policy.yaml.sig", b"QUJD")
    code, report = owner.json("check", "alpha/visits")
    assert code == 10
    assert [problem["code"] for problem in report["problems"]] == [10, 20, 20]
    assert owner.fetched(tmp_path).outcome().code == 10
    assert owner.ccd("check", "alpha/visits", "--policy-only").exit_code == 10


def test_check_of_the_policy_alone_fetches_no_data(owner):
    owner.json("put", owner.file(), "--dataset", "alpha/visits", "--policy", owner.policy())
    owner.client.delete_object(owner.container, "2024/visits.csv")
    result = owner.ccd("check", "alpha/visits", "--policy-only")
    assert result.exit_code == 0, result.output
    assert "the data was not looked at" in result.stdout
    code, report = owner.json("check", "alpha/visits")
    assert code == 50
    assert report["problems"][0]["where"] == f"{owner.container}/2024/visits.csv"


def test_credentials_come_from_the_environment_as_for_swifts_own_tools(owner, monkeypatch):
    for path in (owner.secrets / "alpha-data").iterdir():
        monkeypatch.setenv(path.name, path.read_text())
        path.unlink()
    code, _ = owner.json("put", owner.file(), "--dataset", "alpha/visits", "--policy", owner.policy())
    assert code == 0
    monkeypatch.setenv("ST_KEY", "wrong-key-77")
    code, report = owner.json("check", "alpha/visits")
    assert code == 50
    assert "wrong-key-77" not in json.dumps(report)


def test_a_secret_of_ones_own_opens_the_store_in_the_place_of_the_workers(owner):
    (owner.secrets / "alpha-data").rename(owner.secrets / "steward")
    put = ("put", owner.file(), "--dataset", "alpha/visits", "--policy", owner.policy())
    assert owner.json(*put)[0] == 10
    assert owner.json(*put, "--credentials", "steward")[0] == 0


@pytest.mark.parametrize("name", ["visit", "bravo/beds"])
def test_an_unknown_dataset_is_told_with_the_known(owner, name):
    result = owner.ccd("check", name)
    assert result.exit_code == 10
    assert "alpha/visits" in result.stderr


def test_a_name_that_several_parties_use_needs_its_party(owner):
    result = owner.ccd("check", "visits")
    assert result.exit_code == 10
    assert "several parties" in result.stderr
