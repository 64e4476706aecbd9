"""From Jobs and pods to phases: a table of what Kubernetes reports, and what a person is told."""

import datetime
import json
from dataclasses import replace

import pytest

from renderer.cluster.phase import Standing, exit_code_of, standing_of, worst_code
from renderer.cluster.seen import ContainerSeen, JobSeen, PodSeen

BEGAN = datetime.datetime(2026, 6, 1, 12, tzinfo=datetime.UTC)
WAITS = ContainerSeen("", "waiting", reason="PodInitializing")
RUNS = ContainerSeen("", "running")


def word(status: str, code: int, reason: str = "") -> str:
    return json.dumps({"status": status, "code": code, "party": "alpha", "reason": reason})


def ended(code: int, message: str = "", reason: str = "") -> ContainerSeen:
    return ContainerSeen("", "ended", code, message, reason or ("Error" if code else "Completed"))


def pod(*containers: ContainerSeen, attempt: int = 1, **facts) -> PodSeen:
    named = tuple(
        replace(one, name=name) for one, name in zip(containers, ("fetch", "compute", "publish"), strict=True)
    )
    return PodSeen(f"job-{attempt}", BEGAN + datetime.timedelta(minutes=attempt), named, **facts)


def job(*pods: PodSeen, **facts) -> JobSeen:
    return JobSeen("hospital-a", "run-alpha", "run", "alpha", BEGAN, pods=pods, **facts)


GOOD = word("succeeded", 0)
FETCHED, COMPUTED = ended(0, GOOD), ended(0, GOOD)
LOST = word("failed", 40, "bravo did not come\n  fix: see its log")
REFUSED = word("rejected", 30, "alpha does not grant avg(wage)")

CASES = {
    "no job": (None, Standing("pending", reason="its Job is not in the cluster yet")),
    "job without a pod": (job(), Standing("pending", reason="the Job has no pod yet")),
    "suspended": (job(is_suspended=True), Standing("pending", reason="the Job is suspended")),
    "no node": (
        job(pod(WAITS, WAITS, WAITS, reason="Unschedulable", message="0/3 nodes are available")),
        Standing("pending", reason="Unschedulable: 0/3 nodes are available", attempts=1),
    ),
    "no image": (
        job(pod(ContainerSeen("", "waiting", message="not found", reason="ImagePullBackOff"), WAITS, WAITS)),
        Standing("pending", reason="ImagePullBackOff: not found", attempts=1),
    ),
    "being created": (job(pod(WAITS, WAITS, WAITS)), Standing("pending", attempts=1)),
    "its pods are not to be seen": (
        job(attempts=1, may_read_pods=False),
        Standing("no access", reason="it is under way; you may not read its pods", attempts=1),
    ),
    "its pods are not to be seen, but its end is": (
        job(end="Complete", attempts=1, may_read_pods=False),
        Standing("succeeded", exit_code=0, attempts=1),
    ),
    "fetching": (job(pod(RUNS, WAITS, WAITS)), Standing("fetching", attempts=1)),
    "between fetch and compute": (job(pod(FETCHED, WAITS, WAITS)), Standing("computing", attempts=1)),
    "computing": (job(pod(FETCHED, RUNS, WAITS)), Standing("computing", attempts=1)),
    "compute's Secret is missing": (
        job(
            pod(FETCHED, ContainerSeen("", reason="CreateContainerConfigError", message='secret "k" not found'), WAITS)
        ),
        Standing("computing", reason='CreateContainerConfigError: secret "k" not found', attempts=1),
    ),
    "publishing": (job(pod(FETCHED, COMPUTED, RUNS)), Standing("publishing", attempts=1)),
    "published, the job does not know yet": (
        job(pod(FETCHED, COMPUTED, ended(0, GOOD), is_over=True)),
        Standing("publishing", attempts=1),
    ),
    "succeeded": (
        job(pod(FETCHED, COMPUTED, ended(0, GOOD), is_over=True), end="Complete"),
        Standing("succeeded", "succeeded", 0, attempts=1),
    ),
    "succeeded, its pod is gone": (
        job(end="Complete", attempts=1),
        Standing("succeeded", exit_code=0, attempts=1),
    ),
    "done already": (
        job(pod(FETCHED, COMPUTED, ended(0, word("done already", 0)), is_over=True), end="Complete"),
        Standing("done already", "done already", 0, attempts=1),
    ),
    "rejected": (
        job(
            pod(FETCHED, COMPUTED, ended(30, REFUSED), is_over=True),
            end="Failed",
            reason="PodFailurePolicy",
            message="Container publish for pod a/b failed with exit code 30 matching FailJob rule at index 0",
        ),
        Standing("rejected", "rejected", 30, "alpha does not grant avg(wage)", 1),
    ),
    "rejected, its pod is gone": (
        job(
            end="Failed",
            attempts=1,
            reason="PodFailurePolicy",
            message="Container publish for pod a/b failed with exit code 30 matching FailJob rule at index 0",
        ),
        Standing(
            "rejected",
            exit_code=30,
            reason="PodFailurePolicy: Container publish for pod a/b failed with exit code 30 matching FailJob rule "
            "at index 0",
            attempts=1,
        ),
    ),
    "a bad document, found by fetch": (
        job(
            pod(ended(10, word("failed", 10, "no tls.key")), WAITS, WAITS, is_over=True),
            end="Failed",
            reason="PodFailurePolicy",
        ),
        Standing("failed", "failed", 10, "no tls.key", 1),
    ),
    "lost a peer, tries again": (
        job(pod(FETCHED, COMPUTED, ended(40, LOST), is_over=True)),
        Standing("retrying", "failed", 40, "bravo did not come\n  fix: see its log", 1),
    ),
    "failed pod was removed, the next is not there": (
        job(attempts=1),
        Standing("retrying", reason="the next attempt has not begun", attempts=1),
    ),
    "second attempt computes": (
        job(pod(FETCHED, COMPUTED, ended(40, LOST), is_over=True), pod(FETCHED, RUNS, WAITS, attempt=2)),
        Standing("computing", attempts=2),
    ),
    "tried too often": (
        job(
            pod(FETCHED, COMPUTED, ended(50, word("failed", 50, "the store answered 503")), is_over=True),
            end="Failed",
            attempts=4,
            reason="BackoffLimitExceeded",
            message="Job has reached the specified backoff limit",
        ),
        Standing("failed", "failed", 50, "the store answered 503", 4),
    ),
    "out of memory": (
        job(pod(FETCHED, ended(137, reason="OOMKilled"), WAITS, is_over=True)),
        Standing("retrying", "", 137, "compute: OOMKilled", 1),
    ),
    "evicted": (
        job(pod(FETCHED, WAITS, WAITS, is_over=True, reason="Evicted", message="The node was low on memory")),
        Standing("retrying", "", None, "Evicted: The node was low on memory", 1),
    ),
    "too late": (
        job(end="Failed", attempts=1, reason="DeadlineExceeded", message="Job was active longer than specified"),
        Standing("failed", "", 40, "DeadlineExceeded: Job was active longer than specified", 1),
    ),
    "the local cluster went away": (
        job(pod(FETCHED, RUNS, WAITS), end="Failed", reason="Interrupted", message="`ccd run` ended before the Job"),
        Standing("failed", "", 40, "Interrupted: `ccd run` ended before the Job", 1),
    ),
    "a last word that is none": (
        job(pod(FETCHED, COMPUTED, ended(70, '{"status": 7}'), is_over=True), end="Failed", reason="PodFailurePolicy"),
        Standing("failed", "", 70, "PodFailurePolicy", 1),
    ),
}


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_party_stands_where_its_job_and_pods_say(case: str) -> None:
    seen, expected = CASES[case]
    assert standing_of(seen) == expected


@pytest.mark.parametrize(
    ("codes", "worst"),
    [
        ([0, 0], 0),
        ([0, 40, 30], 30),
        ([40, 50], 50),
        ([40, 70], 70),
        ([20, 10], 10),
        ([40, 137], 40),
        ([137, 0], 70),
        ([None], 70),
        ([], 0),
    ],
)
def test_a_runs_exit_code_is_the_worst_of_its_parties(codes: list[int | None], worst: int) -> None:
    ends = [Standing("succeeded" if code == 0 else "failed", exit_code=code) for code in codes]
    others = [Standing("computing"), Standing("no access"), Standing("retrying", exit_code=30)]
    assert worst_code([*ends, *others]) == worst


def test_a_pod_without_all_its_exit_codes_has_none() -> None:
    assert exit_code_of(pod(FETCHED, RUNS, WAITS)) is None
    assert exit_code_of(pod(FETCHED, COMPUTED, ended(0))) == 0
