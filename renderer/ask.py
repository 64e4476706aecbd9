"""Asking a worker, as a process of its own: the renderer reaches no store and holds no credential.

The worker's program does, beside this interpreter as in a cluster. What it is told is on its stdin, what it says a JSON
report on its stdout, and how far it is on its stderr.
"""

import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from renderer.errors import BUG, CommandError
from renderer.local.process import die_with_parent
from worker.runspec import Model

WORKER = "ccd-worker"
# With any of these set, OpenStack's and Swift's own tools would go by the environment too.
ENVIRONMENT = ("ST_AUTH", "OS_AUTH_URL", "OS_CLOUD")
Report = TypeVar("Report", bound=Model)


def ask_worker(
    command: str,
    options: Sequence[str],
    request: Model,
    report: type[Report],
    on_line: Callable[[str], None] = lambda line: None,
) -> Report:
    """Return what `ccd-worker COMMAND` reports.

    Raises:  CommandError if it ends without a report.
    """
    program = Path(sys.executable).parent / WORKER
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(  # noqa: S603 - our own program; what it is told is on its stdin
            [*die_with_parent(), str(program), command, *options],
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=subprocess.PIPE,
        )
        assert process.stdin is not None
        assert process.stderr is not None
        try:
            process.stdin.write(request.model_dump_json(by_alias=True).encode())
            process.stdin.close()
            for line in process.stderr:
                on_line(line.decode(errors="replace"))
            process.wait()
        except BaseException:
            process.terminate()
            process.wait()
            raise
        output.seek(0)
        try:
            return report.model_validate_json(output.read())
        except ValidationError:
            what = f"the worker ended with {process.returncode} and without a report"
            raise CommandError(what, "run it again; if it stays so, report it", BUG) from None


def uses_environment(environment: Mapping[str, str]) -> bool:
    """Whether somebody's own tools would find credentials in the environment."""
    return any(environment.get(name) for name in ENVIRONMENT)
