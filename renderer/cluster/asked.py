"""Which runs the rendered tree asks for, and in whose namespaces: what a cluster should hold, before it is asked.

Read from the directories' names alone, so that a broken workflow does not keep anybody from looking at the others.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from conclave.ir.errors import TypeProblem
from policy.problem import DocumentError, Problem
from renderer import names
from renderer.documents import PARTIES, read_document, read_workspace
from renderer.errors import CALLED_WRONGLY, CommandError
from renderer.party import Party


@dataclass(frozen=True)
class Asked:
    """What the federation's directory says."""

    parties: Mapping[str, str]  # namespace -> party, in the order of the parties' names
    runs: Mapping[str, tuple[str, ...]]  # run id -> the namespaces of its members

    def namespaces_of(self, run_id: str) -> tuple[str, ...]:
        """Return the namespaces in which a run's Jobs are; for a run that is not in the tree, all parties'."""
        return self.runs.get(run_id) or tuple(self.parties)

    def run_named(self, text: str, current: Callable[[str], str | None] = lambda _: None) -> str:
        """Return the id of the run that `text` names: an id, a workflow's name, or its file.

        Of a workflow's several runs it is the one that is `current`.
        Raises:  CommandError if several runs and none of them current, or no run, have that name.
        """
        if text in self.runs:
            return text
        name = Path(text).stem if text.endswith((".yaml", ".yml")) else text
        found = [run_id for run_id in self.runs if names.workflow_of(run_id) == name]
        now = current(name) if len(found) > 1 else None
        if now in found:
            return now
        if len(found) > 1:
            raise CommandError(f"{name} has several runs: {', '.join(found)}", "name one of them", CALLED_WRONGLY)
        if not found and names.workflow_of(text) is None:
            known = ", ".join(self.runs) or "none yet"
            raise CommandError(f"there is no run {text} in {names.RENDERED}", f"the runs are: {known}", CALLED_WRONGLY)
        # A run that was retired from Git, or is on another branch, may still be in a cluster.
        return found[0] if found else text


def current_run(root: Path, workflow: str) -> str | None:
    """Return the id of the run that a workflow's document makes now; None if the documents do not make one."""
    try:
        return read_workspace(root, only=Path(workflow)).planned(workflow).run.run_id
    except (DocumentError, TypeProblem, KeyError, ValueError):
        return None  # whoever looks at what runs need not mend documents first


def read_asked(root: Path) -> Asked:
    """Return what the documents and the rendered tree in `root` ask for.

    Raises:  DocumentError if a party's document is not sound, or if there is none.
    """
    files = sorted((root / PARTIES).glob("*.yaml"))
    if not files:
        fix = "`ccd -C DIR` names the federation's directory; `ccd party init` lets the first party join a new one"
        what = "there are no parties here"
        raise DocumentError([Problem(str(root / PARTIES), 1, 1, "", what, fix)])
    parties = {
        party.spec.namespace: party.metadata.name for party in (read_document(root, f, Party).model for f in files)
    }
    runs: dict[str, list[str]] = {}
    for directory in sorted((root / names.RENDERED).glob("*/*")):
        namespace, run_id = directory.parent.name, directory.name
        if namespace in parties and names.workflow_of(run_id) is not None:
            runs.setdefault(run_id, []).append(namespace)
    return Asked(parties, {run_id: tuple(runs[run_id]) for run_id in sorted(runs)})
