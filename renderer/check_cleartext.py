"""What a workflow shows on the way: keys, columns that are there, to parties that compute; sizes, of its tables."""

from collections.abc import Iterator

from policy.problem import Path, Problem
from renderer.documents import Document, Workspace
from renderer.spec import choose_compute
from renderer.workflow import Workflow


def check_cleartext(workflow: Document[Workflow], workspace: Workspace) -> Iterator[Problem]:
    """Yield what is wrong with `spec.mpc.cleartext`, of a workflow whose tables and compute parties are right."""
    spec = workflow.model.spec
    compute = spec.mpc.compute or choose_compute(workflow.model, workspace.party_models)
    for name, parties in spec.mpc.cleartext.items():
        path: Path = ("spec", "mpc", "cleartext", name)
        yield from _unknown(name, path, workflow, workspace)
        if name.partition(".")[0] not in spec.tables:
            continue
        for index, party in enumerate(parties):
            if party in parties[:index]:
                yield workflow.problem((*path, index), f"{party} is listed twice", "keep one")
            elif party not in compute:
                fix = f"name one of the compute parties, or all: {', '.join(compute)}"
                yield workflow.problem((*path, index), f"{party} does not compute, so it is shown no keys", fix)


def _unknown(name: str, path: Path, workflow: Document[Workflow], workspace: Workspace) -> Iterator[Problem]:
    """Yield what is wrong with the name of a table's column."""
    tables = workflow.model.spec.tables
    table, _, column = name.partition(".")
    if table not in tables:
        yield workflow.problem(path, f"there is no table {table}", f"the tables are: {', '.join(tables)}")
        return
    owner, _, dataset = tables[table][0].partition("/")
    columns = workspace.parties[owner].model.spec.datasets[dataset].columns
    if column not in columns:
        yield workflow.problem(path, f"{table} has no column {column}", f"its columns are: {', '.join(columns)}")


def check_matches(workflow: Document[Workflow], workspace: Workspace) -> Iterator[Problem]:
    """Yield what is wrong with `spec.mpc.mostMatches`."""
    for name in workflow.model.spec.mpc.most_matches:
        yield from _unknown(name, ("spec", "mpc", "mostMatches", name), workflow, workspace)


def check_sizes(workflow: Document[Workflow]) -> Iterator[Problem]:
    """Yield what is wrong with `spec.mpc.discloseSizes`."""
    spec = workflow.model.spec
    for index, table in enumerate(spec.mpc.disclose_sizes):
        path: Path = ("spec", "mpc", "discloseSizes", index)
        if table not in spec.tables:
            yield workflow.problem(path, f"there is no table {table}", f"the tables are: {', '.join(spec.tables)}")
        elif table in spec.mpc.disclose_sizes[:index]:
            yield workflow.problem(path, f"{table} is listed twice", "keep one")
