"""What a run is made of beside its question, as a tree: where data lies and how it is declared, where answers and records
go, what each party's Job is given. Two of them are compared branch by branch, so that nothing differs unsaid.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from policy.identity import BadIdentity, load_certificate
from renderer.spec import PlannedRun

# Said by `renderer.review` in words of their own.
_SAID: dict[str, bool | set[str]] = {
    "run_id": True,
    "workflow": True,
    "purpose": True,
    "query": True,
    "tables": True,
    "members": True,
    "image": True,
    "outputs": {"recipients", "writer", "container"},
    "mpc": {"protocol", "compute"},
}
_NAMES = ("name", "dataset")  # the field that tells the items of a list apart


def made_of(planned: PlannedRun, number: int) -> dict[str, Any]:
    """Return the tree; `number` is the workflow's `spec.run`."""
    run = planned.run.model_dump(mode="json", by_alias=True, exclude=_SAID)
    members = {member.name: _tree(member.facts) for member in planned.members}
    for member in members.values():
        (member["own"].get("output") or {}).pop("readers", None)
    rest = {"run": number, "jobSeconds": planned.job_seconds, "billTo": planned.bill_to}
    return {**_tree(run), **rest, **members}


def identities(planned: PlannedRun) -> dict[str, str]:
    """Return by what each member is known: the SHA-256 of its certificate, in hex."""
    return {member.name: _fingerprint(member.certificate) for member in planned.run.members}


def opened_to(planned: PlannedRun) -> tuple[str, ...]:
    """Return the accounts that the writer's container is opened to."""
    return tuple(reader for member in planned.members if member.own.output for reader in member.own.output.readers)


def differences(before: Any, now: Any, path: str = "") -> Iterator[tuple[str, str, str]]:
    """Yield (where, before, now) of each leaf that differs; a branch that only one of them has is one."""
    if before == now:
        return
    if isinstance(before, Mapping) and isinstance(now, Mapping):
        for name in sorted(before.keys() | now.keys()):
            yield from differences(before.get(name), now.get(name), f"{path}.{name}" if path else name)
    else:
        yield path, _shown(before), _shown(now)


def shown_own(tree: Mapping[str, Any], party: str) -> dict[str, str]:
    """Return where one party's data lies, and where its worker writes, each in a line."""
    own = tree[party]["own"]
    return {f"own {name}": _shown(own.get(name)) for name in ("sources", "records", "output")}


def _tree(value: Any) -> Any:
    """Return JSON with lists of named things as maps, which say the order, too."""
    if isinstance(value, Mapping):
        return {name: _tree(item) for name, item in value.items()}
    if not isinstance(value, list):
        return value
    name = next(
        (name for name in _NAMES if value and all(isinstance(each, Mapping) and name in each for each in value)), None
    )
    if name is None:
        return [_tree(each) for each in value]
    named = {each[name]: _tree({key: item for key, item in each.items() if key != name}) for each in value}
    return {**named, "order": [each[name] for each in value]}


def _shown(value: Any) -> str:
    match value:
        case None:
            return "none"
        case Mapping():
            return "{" + ", ".join(f"{name}: {_shown(item)}" for name, item in value.items() if item is not None) + "}"
        case list():
            return "[" + ", ".join(map(_shown, value)) + "]"
    return str(value)


def _fingerprint(certificate: str) -> str:
    try:
        return load_certificate(certificate).fingerprint
    except BadIdentity:
        return "no identity"
