"""Where the programs of a cluster come from: `KUBEBUILDER_ASSETS`, or built by Go from pinned modules.

A folder beside this file is one Go module: its `go.mod` and `go.sum` pin what is built, its `binaries.toml` names the
programs and their packages. What was built lies in the user's cache, under the digest of those files, so that a clone
never builds twice what another has built. `python -m tests.cluster.binaries [FOLDER...]` builds ahead of the tests.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ASSETS = "KUBEBUILDER_ASSETS"
HERE = Path(__file__).parent
PINS = ("binaries.toml", "go.mod", "go.sum")
# No symbols, no paths of this machine, no state of our own repository: smaller, and the same for everybody.
GO_BUILD = ("go", "build", "-trimpath", "-buildvcs=false")


class NoBinaries(Exception):
    """A program is neither there nor can it be built."""


def binary(module: str, name: str) -> Path:
    """Return the program `name` of the module in the folder `module`; it is built if it has to be.

    Raises:  NoBinaries with what to do.
    """
    given = _given(name)
    if given is not None:
        return given
    [built] = build(module, [name])
    return built


def build(module: str, names: Iterable[str] | None = None) -> list[Path]:
    """Build the module's programs, or those of `names`, unless the cache has them; return where they are.

    Raises:  NoBinaries if there is no Go, or if the build fails.
    """
    folder = HERE / module
    recipe = tomllib.loads((folder / "binaries.toml").read_text())
    packages: dict[str, str] = recipe["binaries"]
    wanted = sorted(packages) if names is None else list(names)
    cache = _cache_of(folder)
    with _locked(cache):
        missing = {name: packages[name] for name in wanted if not (cache / name).exists()}
        if missing:
            _require_go(missing)
            _compile(folder, missing, _linker_flags(folder, recipe), cache)
    return [cache / name for name in wanted]


def module_directory(folder: str, module: str) -> Path:
    """Return where Go keeps the files of a module that the one in `folder` pins.

    Raises:  NoBinaries.
    """
    _require_go([module])
    _go(HERE / folder, "go", "mod", "download", module)
    return Path(_go(HERE / folder, "go", "list", "-m", "-f", "{{.Dir}}", module).strip())


def modules() -> list[str]:
    """Return the folders that are Go modules with programs to build."""
    return sorted(file.parent.name for file in HERE.glob("*/binaries.toml"))


def _given(name: str) -> Path | None:
    directory = os.environ.get(ASSETS)
    if not directory or not (Path(directory) / name).is_file():
        return None
    return Path(directory) / name


def _cache_of(folder: Path) -> Path:
    digest = hashlib.sha256()
    for name in PINS:
        digest.update((folder / name).read_bytes())
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return home / "ccd" / "cluster" / f"{folder.name}-{digest.hexdigest()[:16]}"


@contextmanager
def _locked(cache: Path) -> Iterator[None]:
    # Two test runs at once: the second waits, and finds the first one's work.
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _linker_flags(folder: Path, recipe: dict[str, Any]) -> str:
    variables = dict(recipe.get("variables", {}))
    for variable, module in recipe.get("versions", {}).items():
        variables[variable] = _go(folder, "go", "list", "-m", "-f", "{{.Version}}", module).strip()
    return " ".join(["-s", "-w", *(f"-X {name}={value}" for name, value in sorted(variables.items()))])


def _require_go(names: Iterable[str]) -> None:
    if shutil.which("go") is None:
        raise NoBinaries(
            f"{', '.join(names)}: not found (fix: install Go, which builds them once; or, with setup-envtest from"
            f" sigs.k8s.io/controller-runtime, `export {ASSETS}=$(setup-envtest use --print path)`)"
        )


def _compile(folder: Path, packages: dict[str, str], flags: str, cache: Path) -> None:
    started = time.monotonic()
    with tempfile.TemporaryDirectory(dir=cache) as directory:
        for name, package in packages.items():
            print(f"building {name} from {package} (once; minutes)", file=sys.stderr, flush=True)
            _go(folder, *GO_BUILD, "-ldflags", flags, "-o", f"{directory}/{name}", package)
            # Whole or not at all: an interrupted build leaves nothing that looks like a program.
            os.replace(f"{directory}/{name}", cache / name)
            print(f"built {name} after {time.monotonic() - started:.0f} s", file=sys.stderr, flush=True)


def _go(folder: Path, *command: str) -> str:
    # GOFLAGS may ask for -mod=mod elsewhere; here go.mod and go.sum are the truth, and are never written.
    environment = {**os.environ, "GOFLAGS": "-mod=readonly", "GOWORK": "off", "CGO_ENABLED": "0"}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise NoBinaries(f"{' '.join(command)} failed in {folder}:\n{done.stderr[-4000:]}")
    return done.stdout


def in_ci() -> bool:
    """Whether something missing is a failure and no reason to skip."""
    return os.environ.get("CI", "").lower() in ("1", "true", "yes")


def main(arguments: list[str]) -> int:
    """Build all modules, or those that are named."""
    try:
        for module in arguments or modules():
            recipe = tomllib.loads((HERE / module / "binaries.toml").read_text())
            missing = [name for name in recipe["binaries"] if _given(name) is None]
            for path in build(module, missing):
                print(path)
    except NoBinaries as error:
        print(error, file=sys.stderr)
        return 1 if in_ci() else 0  # the tests then say the same, and skip
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
