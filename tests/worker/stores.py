"""Uploading a party's data, policy and signature to a real Swift, and mounting its credentials."""

import secrets
from collections.abc import Sequence
from pathlib import Path

import swiftclient

from policy.identity import load_private_key
from policy.parse import parse_policy
from policy.signature import sign
from renderer.dev.swift import SwiftProcess
from renderer.dev.swift_users import SwiftUsers
from tests.worker.conftest import Federation
from worker.runspec import Place

POLICY = """\
apiVersion: ccd.dev/v1alpha1
kind: Policy
metadata: {dataset: DATASET, version: 3}
spec:
  columns:
    carrier: {type: varchar(2)}
    delay: {type: integer}
  grants:
    - to: [carol]
      purposes: [research]
      columns:
        carrier: [open, group_key, rank]
        delay: [sum, count, mean]
"""
ROWS = {
    "alpha": [("AA", 10), ("UA", -3), ("AA", 7)],
    "bravo": [("UA", 5), ("DL", 0), ("AA", 1000)],
}


class World:
    """Three parties' accounts in one Swift; containers have fresh names, since a session shares it."""

    def __init__(self, federation: Federation, swift: SwiftProcess, users: SwiftUsers) -> None:
        self.federation, self.swift, self.users = federation, swift, users
        self.token = secrets.token_hex(4)
        self.data, self.answers, self.records = (f"{n}-{self.token}" for n in ("data", "answers", "records"))
        for party in ("alpha", "bravo", "carol"):
            self.mount(party)
        for party, rows in ROWS.items():
            self.upload_data(party, csv_of(rows))
            self.upload_policy(party, POLICY.replace("DATASET", f"{party}/flights"))

    def client(self, party: str) -> swiftclient.Connection:
        user = self.users.of(f"{party}:steward")
        return swiftclient.Connection(authurl=self.swift.url, user=user.login, key=user.key, auth_version="1")

    def upload_data(self, party: str, text: str) -> None:
        client = self.client(party)
        client.put_container(self.data)
        client.put_object(self.data, "flights.csv", text.encode())

    def upload_policy(self, party: str, text: str, signer: str | None = None) -> None:
        key = load_private_key(self.federation.keys[signer or party])
        client = self.client(party)
        client.put_object(self.data, "flights.csv.policy.yaml", text.encode())
        signature = sign(key, "policy", parse_policy(text, "policy"))
        client.put_object(self.data, "flights.csv.policy.yaml.sig", signature + "\n")

    def objects(self, party: str, container: str) -> dict[str, bytes]:
        client = self.client(party)
        try:
            _, listing = client.get_container(container)
        except swiftclient.ClientException:
            return {}
        return {item["name"]: client.get_object(container, item["name"])[1] for item in listing}

    def spec(self, party: str):
        spec = self.federation.spec(party)
        sources = tuple(source.model_copy(update={"container": self.data}) for source in spec.own.sources)
        place = {"records": Place(container=self.records, credentials="store")}
        if party == self.federation.run.outputs.writer:
            place["output"] = Place(container=self.answers, credentials="store")
        return self.federation.spec(party, sources=sources, **place)

    def secrets(self, party: str) -> Path:
        return self.federation.secrets(party)

    def mount(self, party: str, login: str | None = None, port: int | None = None) -> None:
        """Give the party's worker its credentials; at another port than Swift's, there is a proxy."""
        user = self.users.of(login or f"{party}:steward")
        url = self.swift.url.replace(f":{self.swift.port}/", f":{port or self.swift.port}/")
        directory = self.secrets(party) / "store"
        directory.mkdir(parents=True, exist_ok=True)
        for name, value in {"ST_AUTH": url, "ST_USER": user.login, "ST_KEY": user.key}.items():
            (directory / name).write_text(value)


def csv_of(rows: Sequence[tuple[str, int]], header: str = "carrier,delay") -> str:
    return "\n".join([header, *(f"{carrier},{delay}" for carrier, delay in rows)]) + "\n"
