"""What the local cluster did, told by `ccd status` and `ccd logs` as a real one would."""

import fcntl
import json
import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from renderer import names
from renderer.cluster.local import LocalRuns
from renderer.cluster.logs import Line, Wanted, follow_logs, read_logs
from renderer.cluster.phase import standing_of
from renderer.local.claim_store import ClaimStore
from renderer.local.cluster import Cluster
from renderer.local.load import load_run
from renderer.local.logs import LogFiles
from renderer.local.observe import ContainerLine, Event
from renderer.local.record import Records
from renderer.local.run import runs_directory
from renderer.local.secret_store import SecretStore
from tests.renderer.gitops import ccd
from tests.renderer.local.conftest import Lab
from tests.renderer.local.conftest import lab as lab

CONTAINERS = ("fetch", "compute", "publish")
SAY = "import json; open('dev/termination-log', 'w').write(json.dumps(dict(status={!r}, code={}, party='alpha', reason={!r})))"


class Federation:
    """A federation's directory whose one run has Jobs of tiny programs."""

    def __init__(self, root: Path, lab: Lab) -> None:
        self.root, self.lab = root, lab
        self.run_id = next((root / names.RENDERED / "hospital-a").iterdir()).name
        self.runs = LocalRuns(runs_directory(root))
        self.events: list[Event] = []

    def execute(self, scripts: dict[str, tuple[str, str, str]], watch=lambda event: None, **spec) -> None:
        """Run the Jobs as `ccd run` does, each party's three containers being `scripts`."""
        parties = {"alpha": "hospital-a", "bravo": "hospital-b", "carol": "institute"}
        for party, texts in scripts.items():
            job = self.lab.job(*texts, namespace=parties[party], **spec)
            job["metadata"]["name"] = names.object_name(self.run_id, party)
            pod = job["spec"]["template"]["spec"]
            for one, name in zip((*pod["initContainers"], *pod["containers"]), CONTAINERS, strict=True):
                one["name"] = name
            self.lab.write(job, f"{party}.yaml")
        objects = load_run(self.lab.root / "rendered", "tiny-0123456789")
        directory = runs_directory(self.root) / self.run_id
        directory.mkdir(parents=True, exist_ok=True)
        jobs = {job.metadata.name: job for job in objects.jobs}
        logs = LogFiles(directory, {name: name.rpartition("-")[2] for name in jobs})
        spaces = {name: job.metadata.namespace for name, job in jobs.items()}
        records = Records(logs, self.run_id, dict.fromkeys(jobs, CONTAINERS), spaces)

        def observe(event: Event) -> None:
            records(event)
            logs(event)
            watch(event)

        with (directory / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            records.begin()
            stores = SecretStore(self.lab.root / "secrets"), ClaimStore(self.lab.root / "volumes")
            Cluster(self.lab.pods, *stores, observe).run(objects)

    def wanted(self, **more) -> Wanted:
        return Wanted(self.runs, self.run_id, (("alpha", "hospital-a"),), **more)


@pytest.fixture
def local(repository: Path, lab: Lab, monkeypatch: pytest.MonkeyPatch) -> Iterator[Federation]:
    monkeypatch.setenv("KUBECONFIG", str(repository / "none"))
    monkeypatch.setenv("HOME", str(repository))
    return Federation(repository, lab)


GOOD = ("print('f')", "print('c')", "print('p')")


def test_the_status_of_each_party_is_told_with_its_reason(local: Federation) -> None:
    refused = ("pass", "pass", SAY.format("rejected", 30, "no grant\n  fix: ask") + "; raise SystemExit(30)")
    policy = {"rules": [{"action": "FailJob", "onExitCodes": {"operator": "In", "values": [30]}}]}
    local.execute({"alpha": refused, "bravo": GOOD}, podFailurePolicy=policy)

    shown = ccd(local.root, "status", "visits-by-ward", "--local")
    told = json.loads(ccd(local.root, "status", "visits-by-ward", "--json").stdout)  # no cluster: this machine

    assert shown.exit_code == 0, shown.output
    assert "no grant" in shown.output
    parties = {each["party"]: (each["phase"], each["verdict"], each["exitCode"]) for each in told["parties"]}
    assert parties == {
        "alpha": ("rejected", "rejected", 30),
        "bravo": ("succeeded", None, 0),
        "carol": ("pending", None, None),
    }
    assert (told["source"], told["over"], told["exitCode"]) == ("this machine", False, 30)


def test_watching_ends_with_the_worst_exit_code(local: Federation) -> None:
    lost = ("pass", "pass", "raise SystemExit(40)")
    local.execute({"alpha": GOOD, "bravo": lost, "carol": GOOD})

    result = ccd(local.root, "status", local.run_id, "--watch", "--json")

    assert result.exit_code == 40
    assert [json.loads(line)["over"] for line in result.stdout.splitlines()] == [True]


def test_all_runs_are_listed_those_that_never_ran_too(local: Federation) -> None:
    nothing = ccd(local.root, "status")
    assert nothing.exit_code == 1
    assert "nothing ran on this machine" in nothing.stderr

    local.execute({"alpha": GOOD})

    shown = ccd(local.root, "status")
    assert shown.exit_code == 0, shown.output
    assert "2 pending, 1 succeeded" in shown.output
    (run,) = json.loads(ccd(local.root, "status", "--json").stdout)["runs"]
    assert run["run"] == local.run_id


def test_a_job_whose_cluster_went_away_has_failed(local: Federation) -> None:
    def leave(event: Event) -> None:
        if isinstance(event, ContainerLine):
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        local.execute({"alpha": ("print('f', flush=True); import signal; signal.pause()", "pass", "pass")}, leave)

    (job,) = local.runs.jobs("hospital-a", local.run_id)
    assert (standing_of(job).phase, standing_of(job).exit_code) == ("failed", 40)


def test_phases_are_seen_while_the_job_runs(local: Federation) -> None:
    seen = []

    def look(event: Event) -> None:
        if isinstance(event, ContainerLine):
            (job,) = local.runs.jobs("hospital-a", local.run_id)
            seen.append((event.text, standing_of(job).phase, standing_of(job).attempts))

    local.execute({"alpha": GOOD}, look)
    assert seen == [("f", "fetching", 1), ("c", "computing", 1), ("p", "publishing", 1)]


def test_lines_are_printed_after_their_party_and_container(local: Federation) -> None:
    local.execute({"alpha": GOOD, "bravo": ("print('\\x1b[2Jx')", "pass", "pass")})

    result = ccd(local.root, "logs", "visits-by-ward", "--local")

    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        "alpha fetch   f",
        "alpha compute c",
        "alpha publish p",
        "bravo fetch   \\x1b[2Jx",
    ]
    assert result.stderr == "carol: its Job is not in the cluster\n"


def test_json_lines_hold_what_was_printed_and_nothing_else(local: Federation) -> None:
    local.execute({"alpha": ("print('\\x1b[2J')", "print('c')", "pass")})
    result = ccd(local.root, "logs", local.run_id, "--party", "alpha", "--container", "fetch", "--json")
    pod = f"{local.run_id}-alpha-1"
    assert [json.loads(line) for line in result.stdout.splitlines()] == [
        {"party": "alpha", "pod": pod, "container": "fetch", "line": "\x1b[2J"}
    ]


def test_previous_is_the_attempt_before_the_last(local: Federation) -> None:
    script = "import os; n = os.environ['HOME'].split('alpha-')[1][0]; print('attempt', n); raise SystemExit(40)"
    local.execute({"alpha": (script, "pass", "pass")}, backoffLimit=2)
    assert [each.text for each in read_logs(local.wanted()) if isinstance(each, Line)] == ["attempt 3"]
    assert [each.text for each in read_logs(local.wanted(previous=True)) if isinstance(each, Line)] == ["attempt 2"]


def test_a_second_call_of_the_same_run_does_not_show_the_first_ones_lines(local: Federation) -> None:
    local.execute({"alpha": ("print('first')", "pass", "pass")})
    local.execute({"alpha": ("print('second')", "pass", "pass")})
    assert [each.text for each in read_logs(local.wanted()) if isinstance(each, Line)] == ["second"]


def test_following_shows_each_line_once_over_attempts_until_the_job_is_over(local: Federation) -> None:
    began, lines = threading.Event(), []
    script = "import os; n = os.environ['HOME'].split('alpha-')[1][0]; print('attempt', n); raise SystemExit(40 if n == '1' else 0)"

    def follow() -> None:
        began.wait(300)
        lines.extend(each.text for each in follow_logs(local.wanted()) if isinstance(each, Line))

    thread = threading.Thread(target=follow, daemon=True)
    thread.start()
    local.execute({"alpha": (script, "print('c')", "print('p')")}, lambda event: began.set(), backoffLimit=1)
    thread.join(300)
    assert not thread.is_alive()
    assert lines == ["attempt 1", "attempt 2", "c", "p"]


def test_what_cannot_be_is_said(local: Federation) -> None:
    local.execute({"alpha": GOOD})
    for arguments, says in (
        (("logs", "nothing"), "there is no run nothing"),
        (("logs", local.run_id, "--party", "dora"), "dora is no party of this run"),
        (("logs", local.run_id, "-c", "sidecar"), "they are: fetch, compute, publish"),
        (("logs", local.run_id, "--follow", "--previous"), "nothing to follow"),
        (("status", "visits-by-ward-0000000000"), "knows nothing of the run visits-by-ward-0000000000"),
        (("status", "--local", "--context", "prod"), "--local is this machine"),
        (("status", "--kubeconfig", str(local.root / "CODEOWNERS")), "cannot be read as a configuration: "),
        (("status", "--context", "prod"), "no Kubernetes cluster is configured"),
    ):
        result = ccd(local.root, *arguments)
        assert result.exit_code in (1, 2), result.output
        assert says in result.stderr, result.stderr
