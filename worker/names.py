"""How the objects of a run are called in a store."""


def manifest_name(run_id: str) -> str:
    """Return the object's name under which a finished run's manifest lies."""
    return f"{run_id}/manifest.json"


def pending_name(run_id: str) -> str:
    """Return the object's name under which the writer's manifest waits until the result is there."""
    return f"{run_id}/pending.json"


def attempts_prefix(run_id: str) -> str:
    """Return what the names of the manifests of all attempts begin with; their order is that of time."""
    return f"{run_id}/attempts/"


def settlement_name(run_id: str, attempt: str) -> str:
    """Return the object's name under which it lies how an attempt ended for what is spent."""
    return f"{run_id}/settled/{attempt}.json"


def result_name(run_id: str, suffix: str) -> str:
    """Return the object's name under which the answer lies."""
    return f"{run_id}/result.{suffix}"


def attempt_name(run_id: str, when: str, token: str) -> str:
    """Return the object's name for the manifest of an attempt that will be repeated."""
    return f"{attempts_prefix(run_id)}{when}-{token}.json"
