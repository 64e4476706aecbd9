"""Federations of any number of owners, each with a few rows of one table, and a helper where they are fewer than three."""

import contextlib
import csv
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import duckdb

from policy.identity import new_identity
from renderer.check import load_workspace
from renderer.dev.ports import free_ports
from renderer.dev.session import running_swift
from renderer.dev.state import STEWARD, DevState, store_secrets, users_path, write_credentials, write_state
from renderer.dev.swift_users import SwiftUser, SwiftUsers, write_users
from renderer.dev.upload import put_policy
from renderer.local.private_files import write_private
from tests.e2e.conftest import Federation

# In alphabetical order, as compute parties are chosen: the first three, if there are as many.
NAMES = ("alpha", "bravo", "carol", "delta", "echo", "foxtrot", "golf", "hotel")
HELPER = "zulu"
COLUMNS = "{ward: {type: varchar(8), nullable: false}, cost: {type: integer}}"
QUERY = """\
    SELECT ward, COUNT(*) AS n, SUM(cost) AS cost, MAX(cost) AS most
    FROM visits
    GROUP BY ward
    ORDER BY ward"""
WORKFLOW = Path("workflows/wards.yaml")
ROWS = 30  # of each owner
FEDERATION = f"""\
---
apiVersion: ccd.dev/v1alpha1
kind: Federation
metadata: {{name: wards}}
spec:
  repository: https://git.example.org/wards/federation.git
  image: registry.example.org/ccd/worker@sha256:{"c0ffee00" * 8}
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
  outputs: {{credentials: swift-output}}
  records: {{container: ccd-records, credentials: swift-records}}
  egress:
    - {{cidr: 127.0.0.1/32, port: {port}}}
{role}
"""
DATASET = f"""\
  datasets:
    visits:
      backend: swift
      container: visits
      object: visits.csv
      credentials: swift-data
      columns: {COLUMNS}"""
ASKED = """\
---
apiVersion: ccd.dev/v1alpha1
kind: Workflow
metadata: {{name: wards}}
spec:
  purpose: planning
  tables:
    visits: [{datasets}]
  query: |
{query}
  outputs:
    recipients: [{recipient}]
    writer: {recipient}
    container: results
"""
POLICY = """\
---
apiVersion: ccd.dev/v1alpha1
kind: Policy
metadata: {{dataset: {owner}/visits, version: 1}}
spec:
  columns: {{ward: {{type: varchar(8)}}, cost: {{type: integer}}}}
  grants:
    - to: [{recipient}]
      purposes: [planning]
      columns: {{ward: [group_key, count], cost: [sum, max]}}
  compute:
    protocols: [replicated3]
    parties: [{compute}]
"""


@dataclass
class Owners(Federation):
    """Some owners, of whom one receives the answer to `QUERY`."""

    owners: tuple[str, ...] = ()
    compute: tuple[str, ...] = ()
    recipient: str = ""

    @property
    def members(self) -> tuple[str, ...]:
        """Everybody with a worker in the run."""
        return tuple(sorted({*self.owners, *self.compute}))

    def pooled(self) -> list[dict]:
        """What DuckDB answers that is given everybody's rows."""
        with duckdb.connect() as connection:
            files = [str(self.root / "data" / f"{owner}.csv") for owner in self.owners]
            connection.execute(
                "CREATE TABLE visits AS FROM read_csv($f, columns = {ward: 'VARCHAR', cost: 'INTEGER'})", {"f": files}
            )
            cursor = connection.execute(QUERY)
            names = [column[0] for column in cursor.description]
            return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


@contextlib.contextmanager
def owners_at(root: Path, n_owners: int, recipient: str, deadlines: str = "") -> Iterator[Owners]:
    """Write everything that `n_owners` commit and store, and let their Swift run."""
    owners = NAMES[:n_owners]
    compute = (*owners, HELPER)[:3]
    members = {*owners, *compute}
    (root / "workflows" / "parties").mkdir(parents=True)
    (root / "workflows" / "federation.yaml").write_text(FEDERATION)
    (port,) = free_ports(1)
    keys = {name: _join(root, name, port) for name in members}
    datasets = ", ".join(f"{owner}/visits" for owner in owners)
    (root / WORKFLOW).write_text(ASKED.format(datasets=datasets, query=QUERY, recipient=recipient) + deadlines)
    for name, key in keys.items():
        write_private(root / "secrets" / f"owner-{name}" / "ccd-identity" / "tls.key", key)
    parties = load_workspace(root).party_models
    users = SwiftUsers(
        tuple(
            SwiftUser(f"owner-{name}", user, secrets.token_urlsafe(24), admin=user == STEWARD)
            for name, party in parties.items()
            for user in (STEWARD, *store_secrets(party))
        )
    )
    write_users(users, users_path(root))
    write_credentials(root, parties, users, port)
    write_state(root, DevState(port=port))
    with running_swift(root) as auth_url:
        made = Owners(root, auth_url, owners=owners, compute=compute, recipient=recipient)
        for index, name in enumerate(sorted(members)):
            _store(made, name, index)
        made.render()
        yield made


def _join(root: Path, name: str, port: int) -> bytes:
    key, certificate = new_identity(name, days=1)
    text = "".join(f"      {line}\n" for line in certificate.strip().splitlines()).rstrip("\n")
    role = "  helper: true" if name == HELPER else DATASET
    path = root / "workflows" / "parties" / f"{name}.yaml"
    path.write_text(PARTY.format(name=name, certificate=text, port=port, role=role))
    return key


def _store(made: Owners, name: str, index: int) -> None:
    """Let the party make its containers, and an owner put its rows and its signed policy there."""
    steward, account = made.steward(name), f"owner-{name}"
    for container, user in {"ccd-records": "swift-records", "results": "swift-output"}.items():
        access = f"{account}:{user}"
        steward.put_container(container, {"X-Container-Read": access, "X-Container-Write": access})
    if name not in made.owners:
        return
    path = made.root / "data" / f"{name}.csv"
    path.parent.mkdir(exist_ok=True)
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["ward", "cost"])
        # Some wards everybody has, one is this owner's alone; some costs are unknown, some are negative.
        rows.writerows(_row(index, number) for number in range(ROWS))
    steward.put_container("visits", {"X-Container-Read": f"{account}:swift-data"})
    steward.put_object("visits", "visits.csv", path.read_bytes())
    policy = POLICY.format(owner=name, recipient=made.recipient, compute=", ".join(made.compute))
    put_policy(made.root, steward, made.party(name), "visits", policy)


def _row(index: int, number: int) -> tuple[str, int | str]:
    ward = f"own-{index}" if number % 7 == 0 else f"ward-{number % 5}"
    return ward, "" if number % 6 == 5 else (number * 7919 + index * 104729) % 2001 - 1000
