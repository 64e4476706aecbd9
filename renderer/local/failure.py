"""What a pod's failure means for its Job: Kubernetes' podFailurePolicy and back-off, as pure functions."""

from collections.abc import Mapping
from typing import Literal

from renderer.local.objects import OnExitCodes, PodFailurePolicy

Action = Literal["FailJob", "Count", "Ignore"]
FIRST_BACKOFF_S = 10.0  # Kubernetes' own, doubled with every failure
LONGEST_BACKOFF_S = 360.0
LOCAL_SPEEDUP = 20.0  # a person is waiting, and the peers are on the same machine: 0.5 s instead of 10 s


def decide(policy: PodFailurePolicy, exit_codes: Mapping[str, int]) -> Action:
    """Return what follows from the exit codes of a failed pod's containers, by container name.

    The first rule that matches any container decides; without one the failure counts toward backoffLimit.
    """
    for rule in policy.rules:
        if rule.on_exit_codes is not None and _matches(rule.on_exit_codes, exit_codes):
            return rule.action
    return "Count"


def _matches(rule: OnExitCodes, exit_codes: Mapping[str, int]) -> bool:
    for container, code in exit_codes.items():
        if code == 0 or rule.container_name not in (None, container):
            continue
        if (code in rule.values) == (rule.operator == "In"):
            return True
    return False


def backoff_s(n_failures: int) -> float:
    """Return how long to wait before the next pod, after that many failures in a row.

    >>> [backoff_s(n) for n in (1, 2, 3, 20)]
    [0.5, 1.0, 2.0, 18.0]
    """
    doubled: float = FIRST_BACKOFF_S * 2 ** min(n_failures - 1, 10)
    return min(doubled, LONGEST_BACKOFF_S) / LOCAL_SPEEDUP
