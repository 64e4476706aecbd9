"""How long `ccd render` and `ccd validate` take: `python -m tests.bench.render [WORKFLOWS] [PARTIES]`.

Writes a federation into a temporary directory and runs the commands in processes of their own, as people do. The first
render writes everything; the second finds everything current; the third follows a change of one workflow.
"""

import argparse
import subprocess
import sys
import tempfile
import time
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


def timed(root: Path, *arguments: str) -> float:
    """Return the seconds that `ccd` takes as a process of its own."""
    started = time.perf_counter()
    program = "from renderer.cli import main; main()"
    subprocess.run([sys.executable, "-c", program, "-C", str(root), *arguments], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - started


def main() -> None:
    """Print a line for each command."""
    parser = argparse.ArgumentParser(description="ccd render and ccd validate over many workflows")
    parser.add_argument("workflows", type=int, nargs="?", default=200)
    parser.add_argument("parties", type=int, nargs="?", default=8)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="ccd-bench-") as directory:
        root = Path(directory)
        write_federation(root, options.workflows, options.parties)
        print(f"{options.workflows} workflows, {options.parties} parties each")
        print(f"render, all new        {timed(root, 'render'):6.2f} s", flush=True)
        print(f"render, all current    {timed(root, 'render', '--check'):6.2f} s", flush=True)
        print(f"validate               {timed(root, 'validate'):6.2f} s", flush=True)
        path = root / "workflows/work0.yaml"
        path.write_text(path.read_text() + "  run: 2\n")
        print(f"render, one changed    {timed(root, 'render'):6.2f} s", flush=True)


if __name__ == "__main__":
    main()
