"""What each owner would have to grant for a workflow to be accepted, as policies that it could take over.

Nobody but the owner can grant it: what is written here is for its owner to read, change, sign and put beside the data.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from conclave.ir.types import parse_type
from policy.document import Grant, Policy, PolicyColumn, PolicyMetadata, PolicySpec
from policy.parse import parse_policy
from policy.permissions import granted
from policy.suggest import Suggestion, suggest
from policy.verify import Request
from renderer.documents import Workspace
from renderer.plan import compile_run
from renderer.published import SUFFIX, policies_of, read_published
from worker.runspec import Run

_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
_WORDS = frozenset(
    {"y", "n", "yes", "no", "on", "off", "true", "false", "null", "none"}
)  # what YAML may read otherwise


@dataclass(frozen=True)
class Suggested:
    """What would have to be granted of each dataset of a run."""

    run: Run
    known: Mapping[str, Policy]  # what is known of the owners' policies
    policies: Mapping[str, Policy]  # these, and an empty one for each of the others
    suggestion: Suggestion

    def grants(self, dataset: str) -> tuple[Grant, ...]:
        """Return what would have to be added to a dataset's policy."""
        return self.suggestion.grants(dataset, self.run.purpose)

    def shown(self, dataset: str) -> dict[str, tuple[str, ...]]:
        """Return who would have to be shown which of a dataset's columns, as keys."""
        return self.suggestion.shown(dataset)

    def merged(self) -> dict[str, Policy]:
        """Return the policies with all of it in them, the changed ones as their next versions."""
        found = granted(self.policies, self.suggestion.permissions, self.run.purpose)
        for dataset, policy in found.items():
            if dataset in self.known and (self.grants(dataset) or self.shown(dataset)):
                metadata = policy.metadata.model_copy(update={"version": policy.metadata.version + 1})
                found[dataset] = policy.model_copy(update={"metadata": metadata})
        return found

    def to_json(self) -> dict[str, Any]:
        """Return what `--json` prints."""
        return {
            "workflow": self.run.workflow,
            "purpose": self.run.purpose,
            "datasets": [
                {
                    "dataset": dataset,
                    "owner": dataset.partition("/")[0],
                    "policy": self.known[dataset].metadata.version if dataset in self.known else None,
                    "grants": [grant.model_dump(mode="json", by_alias=True) for grant in self.grants(dataset)],
                    "cleartextTo": {column: list(parties) for column, parties in self.shown(dataset).items()},
                }
                for dataset in sorted(self.policies)
            ],
            "left": [reason.to_json() for reason in self.suggestion.left],
        }


def suggested(workspace: Workspace, run: Run, given: Mapping[str, Policy]) -> Suggested:
    """Return what a run needs beyond the policies that are given, or else published.

    Raises:  QueryProblem for a query that cannot be compiled.
    """
    names = [dataset.name for dataset in run.datasets]
    public = policies_of(read_published(workspace, names))
    known = {name: (given if name in given else public)[name] for name in names if name in given or name in public}
    policies = {name: known.get(name) or _empty(run, name) for name in names}
    plan = compile_run(run, policies)
    return Suggested(run, known, policies, suggest(plan, policies, Request(run.purpose, tuple(names))))


def text_of(found: Suggested) -> str:
    """Return what each owner would have to grant, as YAML: whole policies where none is known."""
    return "---\n" + "---\n".join(_block(found, dataset) for dataset in sorted(found.policies))


def _block(found: Suggested, dataset: str) -> str:
    owner, grants, shown = dataset.partition("/")[0], found.grants(dataset), found.shown(dataset)
    if dataset not in found.known:
        head = f"# {owner}: no policy of {dataset} is known here. This one grants what the workflow needs, no more."
        return f"{head}\n{policy_text(found.merged()[dataset])}"
    if not grants and not shown:
        return f"# {owner}: the policy of {dataset} has all that this workflow needs of it.\n"
    places = [*(["spec.grants"] if grants else []), *(["spec.compute.cleartextTo"] if shown else [])]
    version = found.known[dataset].metadata.version
    head = f"# {owner}: add to {' and '.join(places)} of the policy of {dataset}, v{version}; raise its version; sign it anew."
    lines = ["grants:", *_grant_lines(grants, "  ")] if grants else []
    lines += [f"compute: {_flow({'cleartextTo': shown})}"] if shown else []
    return "\n".join([head, *lines]) + "\n"


def write(found: Suggested, directory: Path) -> list[Path]:
    """Write each dataset's policy with all of it in it, and return the files."""
    directory.mkdir(parents=True, exist_ok=True)
    files = []
    for dataset, policy in sorted(found.merged().items()):
        file = directory / f"{dataset.replace('/', '.')}{SUFFIX}"
        file.write_text(f"---\n{policy_text(policy)}", encoding="utf-8")
        files.append(file)
    return files


def policy_text(policy: Policy) -> str:
    """Return a policy as people write it.

    It is read again here, so that it says what was meant.
    """
    spec = policy.spec.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    columns = spec.pop("columns")
    spec.pop("grants", None)
    lines = ["apiVersion: ccd.dev/v1alpha1", "kind: Policy"]
    lines += [f"metadata: {_flow(policy.metadata.model_dump(mode='json'))}", "spec:", "  columns:"]
    lines += [f"    {_scalar(name)}: {_flow(column)}" for name, column in columns.items()]
    if policy.spec.grants:
        lines += ["  grants:", *_grant_lines(policy.spec.grants, "    ")]
    lines += [f"  {name}: {_flow(value)}" for name, value in spec.items()]
    text = "\n".join(lines) + "\n"
    assert parse_policy(text, "suggestion") == policy
    return text


def _grant_lines(grants: tuple[Grant, ...], indent: str) -> Iterator[str]:
    for grant in grants:
        yield f"{indent}- to: {_flow(grant.to)}"
        yield f"{indent}  purposes: {_flow(grant.purposes)}"
        yield f"{indent}  columns:"
        dumped = grant.model_dump(mode="json", by_alias=True, exclude_defaults=True)
        for name, uses in dumped.pop("columns").items():
            yield f"{indent}    {_scalar(name)}: {_flow(uses)}"
        for name in sorted(dumped.keys() - {"to", "purposes"}):
            yield f"{indent}  {name}: {_flow(dumped[name])}"


def _flow(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_scalar(name)}: {_flow(item)}" for name, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_flow, value)) + "]"
    return _scalar(value)


def _scalar(value: Any) -> str:
    if isinstance(value, str) and _PLAIN.fullmatch(value) and value.lower() not in _WORDS:
        return value
    return json.dumps(value)  # YAML 1.2 reads JSON


def _empty(run: Run, name: str) -> Policy:
    columns = next(dataset.columns for dataset in run.datasets if dataset.name == name)
    return Policy(
        api_version="ccd.dev/v1alpha1",
        kind="Policy",
        metadata=PolicyMetadata(dataset=name, version=1),
        spec=PolicySpec(columns={column.name: PolicyColumn(type=str(parse_type(column.type))) for column in columns}),
    )
