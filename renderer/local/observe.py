"""What the local cluster tells those who watch: a progress display, a log, a test."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class ContainerStarted:
    """A process begins."""

    namespace: str
    job: str
    attempt: int  # from 1
    container: str
    pid: int


@dataclass(frozen=True)
class ContainerLine:
    """A process wrote a line."""

    namespace: str
    job: str
    attempt: int
    container: str
    text: str


@dataclass(frozen=True)
class ContainerEnded:
    """A process ended."""

    namespace: str
    job: str
    attempt: int
    container: str
    exit_code: int
    message: str  # its termination message


@dataclass(frozen=True)
class PodWaits:
    """A pod failed and the next one waits for its turn."""

    namespace: str
    job: str
    attempt: int  # the next one's
    wait_s: float


@dataclass(frozen=True)
class JobEnded:
    """A Job has its final state."""

    namespace: str
    job: str
    succeeded: bool
    exit_code: int
    reason: str  # Kubernetes' word: "", PodFailurePolicy, BackoffLimitExceeded, DeadlineExceeded


Event = ContainerStarted | ContainerLine | ContainerEnded | PodWaits | JobEnded
Observer = Callable[[Event], None]
