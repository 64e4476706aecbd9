"""One Job: pods, one after the other, until one succeeds or there is no point in another."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

from renderer.local.failure import backoff_s, decide
from renderer.local.objects import Job
from renderer.local.observe import JobEnded, PodWaits
from renderer.local.pod import Pod, Surroundings, run_pod

LOST = 40  # the worker's code for a party that came too late: what a passed deadline means to the others


@dataclass(frozen=True)
class JobResult:
    """A Job's final state."""

    namespace: str
    job: str
    exit_code: int  # of the last pod's last container; 0 if the Job succeeded
    reason: str  # "" if it succeeded, else Kubernetes' word for why it failed

    @property
    def succeeded(self) -> bool:
        """Whether a pod did all its containers."""
        return not self.reason


async def run_job(job: Job, address: str, around: Surroundings) -> JobResult:
    """Run the Job to its end; all of its pods answer at `address`."""
    who = (job.metadata.namespace, job.metadata.name)
    try:
        async with asyncio.timeout(job.spec.active_deadline_seconds):
            result = JobResult(*who, *await _attempts(job, address, around))
    except TimeoutError:
        result = JobResult(*who, LOST, "DeadlineExceeded")
    around.observe(JobEnded(*who, result.succeeded, result.exit_code, result.reason))
    return result


async def _attempts(job: Job, address: str, around: Surroundings) -> tuple[int, str]:
    """Return the last exit code and the reason of the Job's failure, if it failed."""
    n_failures, attempt = 0, 0
    while True:
        attempt += 1
        exit_codes = await run_pod(Pod(job, attempt, address), around)
        code = last_code(exit_codes)
        if code == 0:
            return 0, ""
        action = decide(job.spec.pod_failure_policy, exit_codes)
        if action == "FailJob":
            return code, "PodFailurePolicy"
        if action == "Count":
            n_failures += 1
        if n_failures > job.spec.backoff_limit:
            return code, "BackoffLimitExceeded"
        wait_s = backoff_s(max(n_failures, 1))
        around.observe(PodWaits(job.metadata.namespace, job.metadata.name, attempt + 1, wait_s))
        await asyncio.sleep(wait_s)


def last_code(exit_codes: Mapping[str, int]) -> int:
    """Return the exit code that a pod ended with: its first failure's, after which no container ran."""
    return next((code for code in exit_codes.values() if code != 0), 0)
