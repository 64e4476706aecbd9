"""Which cluster is asked: the one that is named, else the one that kubectl would speak to, else this machine."""

from pathlib import Path

from renderer.cluster.kube import has_kubeconfig, is_in_pod, open_kube
from renderer.cluster.local import LocalRuns
from renderer.cluster.source import Source
from renderer.errors import CommandError
from renderer.local.run import runs_directory


def choose_source(root: Path, local: bool, kubeconfig: Path | None, context: str | None) -> Source:
    """Return where to look for runs.

    Raises:  CommandError if there is nowhere to look, or if the options contradict each other.
    """
    runs = runs_directory(root)
    if local:
        if kubeconfig is not None or context is not None:
            raise CommandError("--local is this machine, and --context and --kubeconfig a cluster", "name one", 2)
        return LocalRuns(runs)
    if kubeconfig is not None or context is not None or has_kubeconfig() or is_in_pod():
        return open_kube(kubeconfig, context)
    if runs.is_dir():
        return LocalRuns(runs)
    fix = "name a cluster with --kubeconfig, or run a workflow here with `ccd run`"
    raise CommandError("no Kubernetes cluster is configured, and nothing ran on this machine", fix)
