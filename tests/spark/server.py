"""A real Spark Connect server on loopback: one JVM that asks for a token, on a port that it chooses."""

import contextlib
import os
import re
import secrets
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.spark.environment import NoSpark, java, server_jars

_STARTED = re.compile(r"Spark Connect server started at: [^\s:]+:(\d+)")
_DEADLINE_S = 180.0
_CONF = {
    "spark.ui.enabled": "false",
    "spark.connect.grpc.binding.port": "0",
    "spark.connect.grpc.binding.address": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.driver.host": "127.0.0.1",
    "spark.sql.shuffle.partitions": "2",
    "spark.default.parallelism": "2",
    "spark.sql.files.maxPartitionBytes": "64k",  # so that a small file, too, is read in pieces
}
# What Spark opens of Java's own packages for itself, when its own scripts start it.
_OPENED = (
    "lang", "lang.invoke", "lang.reflect", "io", "net", "nio", "util", "util.concurrent", "util.concurrent.atomic",
)  # fmt: skip
_OPENED_MORE = ("jdk.internal.ref", "sun.nio.ch", "sun.nio.cs", "sun.security.action", "sun.util.calendar")


@dataclass(frozen=True)
class SparkServer:
    """A server that runs, and what it asks for."""

    port: int
    token: str = field(repr=False)
    log: Path


@contextlib.contextmanager
def start_spark(root: Path) -> Iterator[SparkServer]:
    """Run a server whose files are in `root`.

    Raises:  NoSpark.
    """
    token, log = secrets.token_urlsafe(16), root / "server.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            _command(),
            cwd=root,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env={**os.environ, "SPARK_CONNECT_AUTHENTICATE_TOKEN": token, "SPARK_LOCAL_DIRS": str(root)},
        )
        try:
            yield SparkServer(_port(process, log), token, log)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _command() -> list[str]:
    packages = [*(f"java.base/java.{each}" for each in _OPENED), *(f"java.base/{each}" for each in _OPENED_MORE)]
    # It dies with the tests, however they end.
    return [
        *("setpriv", "--pdeathsig", "KILL"),
        str(java()),
        "-Xmx1g",
        "-XX:+UseSerialGC",
        "-XX:TieredStopAtLevel=1",
        *(f"--add-opens={package}=ALL-UNNAMED" for package in packages),
        "-Djdk.reflect.useDirectMethodHandle=false",
        "-Dio.netty.tryReflectionSetAccessible=true",
        "-cp",
        f"{server_jars()}/*",
        "org.apache.spark.deploy.SparkSubmit",
        "--master",
        "local[2]",
        *(part for name, value in _CONF.items() for part in ("--conf", f"{name}={value}")),
        "--class",
        "org.apache.spark.sql.connect.service.SparkConnectServer",
        "spark-internal",
    ]


def _port(process: subprocess.Popen[bytes], log: Path) -> int:
    ends = time.monotonic() + _DEADLINE_S
    while time.monotonic() < ends:
        found = _STARTED.search(log.read_text(errors="replace"))
        if found:
            return int(found[1])
        if process.poll() is not None:
            break
        time.sleep(0.1)
    raise NoSpark(f"Spark's server did not start: {log.read_text(errors='replace')[-2000:]}")
