"""`ccd-worker filed`: what a run has left in a store, brought to somebody's own machine by the code that put it there.

Nothing of it is judged here: whoever asked verifies it before anything is shown.
"""

import tempfile
from pathlib import Path

from worker.dataspec import FiledReport, FiledRequest
from worker.endpoints.store import Store
from worker.endpoints.swift import SwiftStore
from worker.environment import Means
from worker.errors import Terminated
from worker.failure import explain
from worker.names import attempts_prefix, manifest_name, result_name


def bring(request: FiledRequest, means: Means) -> FiledReport:
    """Fetch what is asked and say what there was."""
    with tempfile.TemporaryDirectory(prefix="ccd-filed-") as private:
        try:
            secrets = means.store_secrets(Path(private))
            store = SwiftStore(secrets, means.instead or request.credentials, account=request.account)
            return _bring(request, store)
        except Terminated:
            raise
        except Exception as error:
            outcome = explain(error, "")
            return FiledReport(code=outcome.code, problems=outcome.reasons)


def _bring(request: FiledRequest, store: Store) -> FiledReport:
    """Fetch the run's manifest, or that of its last attempt, and with a final one the result."""
    container, directory = request.container, Path(request.directory)
    name, result = manifest_name(request.run_id), None
    is_final = store.exists(container, name)
    if not is_final:
        attempts = store.names(container, attempts_prefix(request.run_id))
        if not attempts:
            return FiledReport(code=0)
        name = attempts[-1]
    store.download(container, name, directory / "manifest")
    if is_final and request.suffix is not None:
        wanted = result_name(request.run_id, request.suffix)
        if store.exists(container, wanted):
            store.download(container, wanted, directory / "result")
            result = wanted
    return FiledReport(code=0, manifest=name, result=result)
