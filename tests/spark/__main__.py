"""Run pytest, with the arguments given, where Spark's client is: `python -m tests.spark -q -m spark`."""

import os
import sys

from tests.spark.environment import NoSpark, client_python, java, server_jars


def main() -> None:
    """Become pytest; without Java, say so, and fail only in CI."""
    try:
        java()
        python = client_python()
        server_jars()
    except NoSpark as missing:
        print(missing, file=sys.stderr)
        sys.exit(1 if os.environ.get("CI") else 0)
    os.execv(python, [str(python), "-m", "pytest", *sys.argv[1:]])


main()
