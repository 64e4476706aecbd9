"""Make a root file system the worker's: `strip` removes what a worker never uses, `warm` compiles what it does.

`spu` does both to the environment with SPU, where there is one.

Runs inside the build, with the base's own Python and nothing else.
"""

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

# Debian's packages through which its Python makes virtual environments with pip.
DEBIAN_PIP = ("python3-venv", "python3.11-venv", "python3-pip-whl", "python3-setuptools-whl")
BASE_PIP = ("pip", "setuptools", "wheel", "ensurepip", "_distutils_hack", "pkg_resources")
# Of the libraries: their own tests, what one compiles against, and the parts of Arrow that speak over networks.
UNUSED = (
    "*/tests",
    "*/test",
    "pyarrow/include",
    "pyarrow/src",
    "pyarrow/*flight*",
    "pyarrow/*s3*",
    "pyarrow/*.pyx",
    "pyarrow/includes",
    "numpy/_core/include",
    "numpy/_core/lib/*.a",
    "numpy/random/lib/*.a",
    "numba/cuda",
)
# Of SPU's: what is for processors and programs that it never has.
UNUSED_BY_SPU = ("*/tests", "scipy/*/tests", "jax/experimental/jax2tf", "jaxlib/include", "numpy/core/include")
# Scripts of libraries; a worker has one command.
KEPT_SCRIPTS = ("python", "python3", "python3.11", "ccd-worker")
LEVELS = ("x86-64-v2", "x86-64-v3")  # as in conclave/mpc/compiled.py
TRACES = (
    "var/cache",
    "var/log",
    "var/lib/apt/lists",
    "etc/apt",
    "root/.cache",
    "tmp",
    "etc/machine-id",
    "usr/share/python-wheels",
)


def strip(prefix: Path) -> None:
    """Remove pip, the libraries' tests and headers, and what the base's installation left behind."""
    debian = _installed(DEBIAN_PIP) if shutil.which("dpkg-query") else []
    if debian:
        subprocess.run(["dpkg", "--purge", *debian], check=True)  # noqa: S603, S607
    stdlib = Path(sysconfig.get_path("stdlib"))
    for place in (stdlib, Path(sysconfig.get_path("purelib"))):
        for name in BASE_PIP:
            _remove(*place.glob(name), *place.glob(f"{name}-*.dist-info"), *place.glob(f"{name}-*.egg-info"))
    for script in Path(sys.executable).parent.glob("pip*"):
        _remove(script)
    libraries = _libraries(prefix)
    for pattern in UNUSED:
        _remove(*libraries.glob(pattern))
    _remove(*(path for path in (prefix / "bin").iterdir() if path.name not in KEPT_SCRIPTS))
    for trace in TRACES:
        place = Path("/", trace)
        if place.is_dir():
            _remove(*place.iterdir())
        elif place.exists():
            place.write_bytes(b"")
    for place in (Path("/usr"), prefix):
        _remove(*list(place.rglob("__pycache__")))


def warm(prefix: Path) -> None:
    """Compile the worker: its loops to machine code for each level of processors, its modules to byte code."""
    for level in LEVELS:
        settings = {"NUMBA_CPU_NAME": level, "PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1"}
        warming = [str(prefix / "bin/python"), "-m", "conclave.mpc.warm"]
        subprocess.run(warming, check=True, env=os.environ | settings)  # noqa: S603
    for place in (sysconfig.get_path("stdlib"), str(prefix)):
        _compile(place)


def spu(prefix: Path) -> None:
    """Remove what SPU's process never uses, see that it loads, and compile it to byte code."""
    libraries = _libraries(prefix)
    for pattern in UNUSED_BY_SPU:
        _remove(*libraries.glob(pattern))
    _remove(*(path for path in (prefix / "bin").iterdir() if path.name not in KEPT_SCRIPTS))
    loading = [str(prefix / "bin/python"), "-I", "-c", "import jax, spu.utils.frontend"]
    if subprocess.run(loading, check=False).returncode:  # noqa: S603
        raise SystemExit("SPU does not load on this base; it needs libgomp.so.1, Debian's package libgomp1")
    _remove(*list(prefix.rglob("__pycache__")))
    _compile(str(prefix))


def _compile(place: str) -> None:
    # Byte code that is believed without a look at its source, since an image may give all files another time. The
    # names of sets' members are hashed, so the order in them has to be fixed as well; one process, for the same reason.
    command = [sys.executable, "-m", "compileall", "-q", "-f", "--invalidation-mode", "unchecked-hash", place]
    subprocess.run(command, check=True, env=os.environ | {"PYTHONHASHSEED": "0"})  # noqa: S603


def _installed(names: tuple[str, ...]) -> list[str]:
    listed = subprocess.run(
        ["dpkg-query", "--show", "--showformat", "${Package} ${db:Status-Abbrev}\n"],  # noqa: S607
        check=True,
        capture_output=True,
        text=True,
    ).stdout.splitlines()
    return [name for name in names if any(line.split()[:2] == [name, "ii"] for line in listed)]


def _libraries(prefix: Path) -> Path:
    return next(prefix.glob("lib/python3.*/site-packages"))


def _remove(*paths: Path) -> None:
    for path in paths:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


if __name__ == "__main__":
    {"strip": strip, "warm": warm, "spu": spu}[sys.argv[1]](Path(sys.argv[2]))
