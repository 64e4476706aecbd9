"""How long `ccd render` and `ccd validate` take: `python -m tests.bench.render [WORKFLOWS] [PARTIES] [--json]`.

Writes a federation into a temporary directory and runs the commands in processes of their own, as people do. The first
render writes everything; the second finds everything current; the third follows a change of one workflow.

Each round has a directory of its own, and nothing is removed before the end: a file system such as ext4 leaves a
removed file's inode alone for some seconds, and who writes thousands of files just then pays for the search for others.
The modules are compiled before anything is measured, as they are wherever `ccd` was installed.

On a machine that others use, too, seconds of the clock say little; processor time says more, and the ratio most: beside
each command runs a peer that reads and writes the same files' objects with libyaml, in C, and checks nothing. It stands
for what any tool pays that takes these manifests as objects.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from policy.identity import new_identity

FEDERATION = """\
---
apiVersion: ccd.dev/v1alpha1
kind: Federation
metadata: {{name: bench}}
spec:
  repository: https://git.example.org/bench/federation.git
  image: registry.example.org/ccd/worker@sha256:{digest}
"""
PARTY = """\
---
apiVersion: ccd.dev/v1alpha1
kind: Party
metadata: {{name: {name}}}
spec:
  namespace: owner-{name}
  identity:
    certificate: |
{certificate}
  reviewers: ["@{name}/stewards"]
  datasets:
    visits:
      backend: swift
      container: clinic
      object: visits.csv
      credentials: swift-data
      columns:
        ward: {{type: varchar(8), nullable: false}}
        kind: {{type: varchar(20)}}
        cost: {{type: "decimal(10,2)"}}
  outputs: {{credentials: swift-output}}
  records: {{container: records, credentials: swift-records}}
  egress:
    - {{cidr: 192.0.2.0/24, port: 443}}
"""
WORKFLOW = """\
---
apiVersion: ccd.dev/v1alpha1
kind: Workflow
metadata: {{name: {name}}}
spec:
  purpose: planning
  tables:
    visits:
{datasets}
  query: |
    SELECT ward, COUNT(*) AS n, SUM(cost) AS cost
    FROM visits
    WHERE cost > {number}
    GROUP BY ward
  outputs:
    recipients: [{writer}]
    writer: {writer}
    container: answers
"""


def write_federation(root: Path, n_workflows: int, n_parties: int) -> None:
    """Write `n_workflows` workflows, each over the data of all parties."""
    parties = [f"party{index}" for index in range(n_parties)]
    (root / "workflows/parties").mkdir(parents=True)
    (root / "workflows/federation.yaml").write_text(FEDERATION.format(digest="c0ffee00" * 8))
    for name in parties:
        certificate = "".join(f"      {line}\n" for line in new_identity(name, 365)[1].strip().splitlines())
        text = PARTY.format(name=name, certificate=certificate.rstrip("\n"))
        (root / f"workflows/parties/{name}.yaml").write_text(text)
    datasets = "\n".join(f"      - {name}/visits" for name in parties)
    for number in range(n_workflows):
        text = WORKFLOW.format(name=f"work{number}", number=number, datasets=datasets, writer=parties[0])
        (root / f"workflows/work{number}.yaml").write_text(text)


CCD = "from renderer.cli import main; main()"
PEER = """
import pathlib, sys, yaml
for file in sorted(pathlib.Path(sys.argv[1], "argocd").rglob("*.yaml")):
    yaml.dump(yaml.load(file.read_bytes(), yaml.CSafeLoader), Dumper=yaml.CSafeDumper, sort_keys=False)
"""
_ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


@dataclass(frozen=True)
class Cost:
    """What one process took."""

    wall_s: float
    cpu_s: float  # of user and system


@dataclass(frozen=True)
class Row:
    """A command, at the medians of its runs."""

    command: str
    wall_s: float
    cpu_s: float
    ratio: float  # of its processor time to the peer's


def cost_of(*arguments: str) -> Cost:
    """Run a Python program as a process of its own."""
    os.sync()  # what was written and removed before is not this one's
    before, started = os.times(), time.perf_counter()
    subprocess.run([sys.executable, "-c", *arguments], check=True, stdout=subprocess.DEVNULL, env=_ENVIRONMENT)
    after, ended = os.times(), time.perf_counter()
    cpu_s = after.children_user + after.children_system - before.children_user - before.children_system
    return Cost(ended - started, cpu_s)


def measure(directory: Path, repeat: int) -> list[Row]:
    """Run each command `repeat` times on copies of the federation in `directory`, and the peer beside it."""
    found: dict[str, list[Cost]] = {}
    cost_of(CCD, "-C", str(directory), "validate", "--help")
    for number in range(repeat):
        root = directory.with_name(f"{directory.name}-{number}")
        shutil.copytree(directory, root)
        changed = root / "workflows/work0.yaml"
        runs = {
            "render, all new": ["render"],
            "render, all current": ["render", "--check"],
            "validate": ["validate"],
            "render, one changed": ["render"],
        }
        for name, arguments in runs.items():
            if name == "render, one changed":
                changed.write_text(f"{changed.read_text()}  run: 2\n")
            found.setdefault(name, []).append(cost_of(CCD, "-C", str(root), *arguments))
        found.setdefault("peer: libyaml, no checks", []).append(cost_of(PEER, str(root)))
    costs = {name: _median(runs) for name, runs in found.items()}
    peer = costs["peer: libyaml, no checks"]
    return [Row(name, cost.wall_s, cost.cpu_s, cost.cpu_s / peer.cpu_s) for name, cost in costs.items()]


def _median(costs: list[Cost]) -> Cost:
    return Cost(statistics.median(c.wall_s for c in costs), statistics.median(c.cpu_s for c in costs))


def main() -> None:
    """Print a line for each command."""
    parser = argparse.ArgumentParser(description="ccd render and ccd validate over many workflows")
    parser.add_argument("workflows", type=int, nargs="?", default=200)
    parser.add_argument("parties", type=int, nargs="?", default=8)
    parser.add_argument("--repeat", type=int, default=1, help="runs to take the median of (default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of a table")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="ccd-bench-") as directory:
        root = Path(directory) / "federation"
        write_federation(root, options.workflows, options.parties)
        rows = measure(root, options.repeat)
    if options.json:
        facts = {"workflows": options.workflows, "parties": options.parties, "load": os.getloadavg()}
        print(json.dumps({**facts, "commands": [asdict(row) for row in rows]}, indent=2))
        return
    print(f"{options.workflows} workflows, {options.parties} parties each; load {os.getloadavg()[0]:.1f}")
    print(f"{'':26}{'seconds':>9}{'cpu s':>9}{'ratio':>8}")
    for row in rows:
        print(f"{row.command:26}{row.wall_s:9.2f}{row.cpu_s:9.2f}{row.ratio:8.2f}")


if __name__ == "__main__":
    main()
