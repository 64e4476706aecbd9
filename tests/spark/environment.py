"""Spark's client and its server's jars, each made once into the user's cache, under the digest of its lock.

The client goes into an environment of its own, on top of this one: the other tests do without it, as does whoever has no
Spark. The jars are some 400 MB to download.
"""

import contextlib
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
_PIP = ("-m", "pip", "--quiet", "--disable-pip-version-check", "--no-input")
_PROGRAMS = {"ccd": "renderer.cli", "ccd-worker": "worker.cli"}
_CLIENT, _SERVER = ROOT / "image" / "spark.lock", HERE / "server.lock"


class NoSpark(Exception):
    """Spark is neither there nor can it be brought here."""


def client_python() -> Path:
    """Return the Python that has the client beside all that this one has.

    Raises:  NoSpark.
    """
    # On top of this very environment, so it is another one's for another clone.
    python = _made("client", _CLIENT, _make_client, sys.prefix + sys.version) / "bin" / "python"
    for name, module in _PROGRAMS.items():  # as a run on this machine starts them: beside the interpreter
        program = python.with_name(name)
        if not program.exists():
            program.write_text(f"#!{python}\nimport sys\n\nfrom {module} import main\n\nsys.exit(main())\n")
            program.chmod(0o755)
    return python


def server_jars() -> Path:
    """Return the directory with the server's jars.

    Raises:  NoSpark.
    """
    return _made("server", _SERVER, _make_server)


def java() -> Path:
    """Return Java of 17 or later.

    Raises:  NoSpark.
    """
    homes = [Path(os.environ["JAVA_HOME"]) / "bin" / "java"] if os.environ.get("JAVA_HOME") else []
    found = shutil.which("java")
    for program in [*homes, *([Path(found)] if found else [])]:
        said = subprocess.run([program, "-XshowSettings:properties", "-version"], capture_output=True, text=True)
        for line in said.stderr.splitlines():
            name, _, value = line.strip().partition(" = ")
            if name == "java.specification.version" and float(value) >= 17:
                return program
    raise NoSpark("Spark's server needs Java 17 or later: install openjdk-17-jre-headless, or set JAVA_HOME")


def _made(what: str, lock: Path, make: Callable[[Path, Path], None], where: str = "") -> Path:
    """Return the directory that `make` made once for these bytes of the lock."""
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "ccd-spark"
    digest = hashlib.sha256(lock.read_bytes() + where.encode()).hexdigest()[:16]
    made = cache / f"{what}-{digest}"
    with _locked(cache / f"{what}.lock"):
        if not (made / "made").exists():
            shutil.rmtree(made, ignore_errors=True)
            try:
                make(made, lock)
            except (subprocess.CalledProcessError, OSError, tarfile.TarError) as error:
                raise NoSpark(f"Spark's {what} cannot be brought here ({type(error).__name__})") from error
            (made / "made").touch()
    return made


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _make_client(target: Path, lock: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", target], check=True)
    python = target / "bin" / "python"
    # First, so that what this environment has is neither brought again nor there in another version.
    own = sysconfig.get_path("purelib", vars={"base": str(target), "platbase": str(target)})
    Path(own, "beside.pth").write_text(f"import site; site.addsitedir({sysconfig.get_path('purelib')!r})\n")
    subprocess.run([python, *_PIP, "install", "--require-hashes", "--requirement", lock], check=True)


def _make_server(target: Path, lock: Path) -> None:
    print("bringing Spark's server here (once; 450 MB)", file=sys.stderr, flush=True)
    target.mkdir(parents=True)
    with tempfile.TemporaryDirectory(dir=target) as directory:
        options = [
            "--no-deps",
            "--no-binary",
            "pyspark",
            "--no-build-isolation",
            "--require-hashes",
            "--dest",
            directory,
        ]
        subprocess.run([sys.executable, *_PIP, "download", *options, "--requirement", lock], check=True)
        [archive] = Path(directory).glob("*.tar.gz")
        with tarfile.open(archive) as files:
            for member in files:
                parts = Path(member.name).parts
                if member.isfile() and parts[1:3] == ("deps", "jars") and len(parts) == 4:
                    member.name = parts[-1]
                    files.extract(member, target, filter="data")
