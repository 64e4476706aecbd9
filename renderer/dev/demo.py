"""`ccd demo` without its printing: a sample federation with data in its stores, made once and then kept."""

import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from renderer.check import load_workspace
from renderer.dev.federation import lay_out
from renderer.dev.flights import split_flights
from renderer.dev.session import require_state
from renderer.dev.state import read_state, write_state
from renderer.dev.upload import upload

WORKFLOW = Path("workflows/market-concentration.yaml")
Tell = Callable[[str], None]


def ensure_federation(root: Path, tell: Tell) -> None:
    """Lay the sample federation out at `root` unless it is there."""
    if read_state(root) is None:
        lay_out(root)
        tell(f"laid out a federation in {root}, with fresh keys and three commits")


def ensure_data(root: Path, auth_url: str, tell: Tell) -> None:
    """Upload flights and signed policies, each airport's to its own account, unless that was completed before."""
    state = require_state(root)
    if state.uploaded:
        return
    with tempfile.TemporaryDirectory() as directory:
        files = split_flights(Path(directory))
        data = {f"{party}/flights": path for party, path in files.items()}
        upload(root, load_workspace(root), auth_url, data)
    write_state(root, replace(state, uploaded=True))
    tell("uploaded each airport's flights and signed policy to its own Swift account")
