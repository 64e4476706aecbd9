"""The columns of a file, as the file itself, its policy and its party's document name them."""

from policy.document import Policy
from worker.runspec import DatasetSpec


def header_problems(policy: Policy, dataset: DatasetSpec, header: tuple[str, ...]) -> list[str]:
    """Return how file, policy and party document differ in the columns they name."""
    problems = []
    in_policy = tuple(policy.spec.columns)
    declared = tuple(column.name for column in dataset.columns)
    if header != in_policy:
        problems.append(f"the file's header {_list(header)} is not the policy's columns {_list(in_policy)}")
    if header != declared:
        problems.append(f"the file's header {_list(header)} is not the declared columns {_list(declared)}")
    return problems


def _list(names: tuple[str, ...]) -> str:
    return "[" + ", ".join(names) + "]"
