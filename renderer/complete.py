"""What a shell offers where a workflow or a run is to be named: as the directory lists them, since a key press waits.

No document is read: whoever mends a broken one still gets its name.
"""

from pathlib import Path

import typer

from renderer import names
from renderer.documents import FEDERATION, WORKFLOWS


def workflows(context: typer.Context, incomplete: str) -> list[str]:
    """Return the names of the federation's workflows that begin so."""
    files = (_root(context) / WORKFLOWS).glob("*.yaml")
    found = sorted(file.stem for file in files if file.name != Path(FEDERATION).name)
    return [name for name in found if name.startswith(incomplete)]


def runs(context: typer.Context, incomplete: str) -> list[str]:
    """Return the names of workflows, and the ids of runs in the rendered tree, that begin so."""
    directories = (_root(context) / names.RENDERED).glob("*/*")
    found = {path.name for path in directories if names.workflow_of(path.name) is not None}
    return [*workflows(context, incomplete), *sorted(run for run in found if run.startswith(incomplete))]


def _root(context: typer.Context) -> Path:
    """Return the federation's directory. A shell that completes runs no command, nor what comes before one."""
    return Path(context.find_root().params.get("directory") or ".")
