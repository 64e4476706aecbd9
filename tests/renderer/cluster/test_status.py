"""Runs put together from what the tree asks for and what a cluster tells; and watching it."""

import datetime
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from renderer.cluster.asked import Asked
from renderer.cluster.seen import JobSeen, PodSeen
from renderer.cluster.source import NoAccess
from renderer.cluster.status import RunStatus, all_status, run_status
from renderer.cluster.status_text import age
from renderer.commands.status import MOST_FAILURES, Patient
from renderer.errors import CommandError

NOW = datetime.datetime(2026, 6, 1, tzinfo=datetime.UTC)
ASKED = Asked(
    {"hospital-a": "alpha", "hospital-b": "bravo", "institute": "carol"},
    {"wage-0123456789": ("hospital-a", "hospital-b")},
)


def job(namespace: str, party: str, run_id: str = "wage-0123456789", end: str = "Complete") -> JobSeen:
    return JobSeen(namespace, f"{run_id}-{party}", run_id, party, NOW, end=end, attempts=1)


@dataclass
class Told:
    """A cluster that tells these Jobs and guards some namespaces."""

    told: list[JobSeen]
    guarded: set[str] = field(default_factory=set)
    title: str = "a cluster"

    def jobs(self, namespace: str, run_id: str | None = None) -> tuple[JobSeen, ...]:
        if namespace in self.guarded:
            raise NoAccess(namespace)
        return tuple(each for each in self.told if each.namespace == namespace and run_id in (None, each.run_id))

    def lines(self, job: JobSeen, pod: PodSeen, container: str, follow: bool) -> Iterator[str]:
        raise NotImplementedError


def phases(run: RunStatus) -> dict[str, str]:
    return {each.party: each.standing.phase for each in run.parties}


def test_a_run_has_the_parties_that_the_tree_gives_it() -> None:
    run = run_status(Told([job("hospital-a", "alpha")]), ASKED, "wage-0123456789")
    assert phases(run) == {"alpha": "succeeded", "bravo": "pending"}
    assert not run.is_over


def test_those_who_may_not_be_seen_hold_up_nobody() -> None:
    run = run_status(Told([job("hospital-a", "alpha")], {"hospital-b"}), ASKED, "wage-0123456789")
    assert phases(run) == {"alpha": "succeeded", "bravo": "no access"}
    assert run.is_over
    assert run.exit_code == 0


def test_a_run_that_left_the_tree_is_told_of_as_long_as_it_is_in_the_cluster() -> None:
    old = [job("hospital-a", "alpha", "old-0123456789"), job("institute", "carol", "old-0123456789", "Failed")]
    old_run, wage = all_status(Told(old), ASKED)
    assert (old_run.run_id, phases(old_run)) == ("old-0123456789", {"alpha": "succeeded", "carol": "failed"})
    assert phases(wage) == {"alpha": "pending", "bravo": "pending"}
    assert phases(run_status(Told(old), ASKED, "old-0123456789")) == phases(old_run)


def test_a_namespace_tells_of_its_own_party_alone() -> None:
    run = run_status(Told([job("hospital-a", "bravo")]), ASKED, "wage-0123456789")
    assert phases(run) == {"alpha": "pending", "bravo": "pending"}


def test_watching_outlasts_a_moment_without_an_answer_and_no_more() -> None:
    answers = iter([True, *[False] * MOST_FAILURES, True, *[False] * (MOST_FAILURES + 1)])

    def look() -> tuple[RunStatus, ...]:
        if not next(answers):
            raise CommandError("the cluster does not answer")
        return (RunStatus("wage-0123456789", ()),)

    patient, last = Patient(look), (RunStatus("seen-0123456789", ()),)
    assert patient(last)[0].run_id == "wage-0123456789"
    for _ in range(MOST_FAILURES):
        assert patient(last) is last
    assert patient(last)[0].run_id == "wage-0123456789"
    for _ in range(MOST_FAILURES):
        assert patient(last) is last
    with pytest.raises(CommandError):
        patient(last)


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("wage-0123456789", "wage-0123456789"),
        ("wage", "wage-0123456789"),
        ("workflows/wage.yaml", "wage-0123456789"),
        ("gone-0123456789", "gone-0123456789"),
    ],
)
def test_a_run_is_named_by_its_id_its_workflow_or_its_file(name: str, found: str) -> None:
    assert ASKED.run_named(name) == found


def test_ages_are_short() -> None:
    assert [age(seconds) for seconds in (59, 3600, 86399)] == ["59s", "1h", "23h59m"]
