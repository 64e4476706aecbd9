"""Every run that was ever merged into a branch, retired ones included: as its workers were told, out of Git's history."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

from renderer import names
from renderer.committed import run_in_config_map
from renderer.git import Repository
from renderer.merged import run_of
from renderer.progress import Watch, unwatched
from renderer.spread import Spread
from worker.runspec import Run

_PLACE = re.compile(rf"{re.escape(str(names.RENDERED))}/[-a-z0-9]+/[-a-z0-9]+/configmap\.yaml")
_ANYWHERE = f":(glob){names.RENDERED}/*/*/configmap.yaml"


@dataclass(frozen=True)
class PastRun:
    """A run that was merged."""

    run_id: str
    commit: str  # with which its author brought it in
    author: str
    date: str
    run: Run | None  # None: this version cannot read it


@dataclass(frozen=True)
class _Arrival:
    commit: str
    author: str
    date: str


def past_runs(repository: Repository, tip: str, watch: Watch = unwatched) -> tuple[PastRun, ...]:
    """Return the runs that the branch that ends at `tip` has held, by run id.

    A run counts once the branch itself has held it, were it for one commit only: Argo CD applies whatever lies there.
    """
    arrived = {run: (arrival, path) for arrival, path, run in _added(repository, tip, "--first-parent", "-m")}
    # The merge that brought a run in names who merged it; the commit before, who wrote it.
    written = {run: arrival for arrival, _, run in _added(repository, tip, "--full-history")}
    texts = repository.contents([f"{arrival.commit}:{path}" for arrival, path in arrived.values()])
    told = [(run, written.get(run, arrived[run][0]), text) for run, text in zip(arrived, texts, strict=True)]
    return tuple(sorted(watch("merged runs read", Spread(_past_run, told)), key=lambda past: past.run_id))


def _past_run(told: tuple[str, _Arrival, bytes]) -> PastRun:
    run_id, arrival, text = told
    run = run_in_config_map(text)
    is_its_own = run is not None and run.run_id == run_id
    return PastRun(run_id, arrival.commit, arrival.author, arrival.date, run if is_its_own else None)


def _added(repository: Repository, tip: str, *options: str) -> Iterator[tuple[_Arrival, str, str]]:
    """Yield (commit, path, run) of each ConfigMap that was added, the first last: so that it stays in a mapping."""
    form = "--format=%x00%H%x01%an <%ae>%x01%cI"
    how = ("--diff-filter=A", "--no-renames", "--name-only", form, *options)
    for entry in repository.git("log", *how, "--end-of-options", tip, "--", _ANYWHERE).split("\0")[1:]:
        facts, _, paths = entry.partition("\n")
        commit, author, date = facts.split("\x01")
        for path in filter(_PLACE.fullmatch, paths.splitlines()):
            run = run_of(PurePosixPath(path))
            if run is not None:
                yield _Arrival(commit, author, date), path, run
