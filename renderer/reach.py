"""Whether a party's workers can reach what its datasets lie on: the NetworkPolicy opens what `egress` says, no more.

A host's name says nothing here of its addresses: only a lookup would, and its answer may be another one tomorrow. So a
name is held against the ports that are open, and an address against the networks.
"""

import ipaddress
import urllib.parse
from collections.abc import Iterator

from policy.problem import Path, Problem
from renderer.dataset import DataverseDataset, SparkEngine
from renderer.documents import Document
from renderer.party import Egress, Party
from worker.runspec import SPARK_PORT

_PORTS = {"https": 443, "http": 80, "sc": SPARK_PORT}


def check_reach(party: Document[Party]) -> Iterator[Problem]:
    """Yield a problem for each site that the party's workers would be kept from."""
    spec = party.model.spec
    if isinstance(spec.engine, SparkEngine):
        host, port = _host_and_port(spec.engine.spark.endpoint)
        if not any(_opens(egress, host, port) for egress in spec.egress):
            what = "is not within the party's egress, so its workers could not reach it"
            fix = f"add its network to spec.egress, with port {port}"
            yield party.problem(("spec", "engine", "spark", "endpoint"), what, fix)
    for name, dataset in spec.datasets.items():
        if not isinstance(dataset, DataverseDataset):
            continue
        at: Path = ("spec", "datasets", name)
        sites: list[tuple[Path, str]] = [((*at, "url"), dataset.url)]
        sites += [((*at, "storage", index), site) for index, site in enumerate(dataset.storage)]
        for path, site in sites:
            host, port = _host_and_port(site)
            if not any(_opens(egress, host, port) for egress in spec.egress):
                what = "is not within the party's egress, so its workers could not reach it"
                yield party.problem(path, what, f"add its network to spec.egress, with port {port}")


def _host_and_port(site: str) -> tuple[str, int]:
    parts = urllib.parse.urlsplit(site)
    return parts.hostname or "", parts.port or _PORTS[parts.scheme]


def _opens(egress: Egress, host: str, port: int) -> bool:
    try:
        address = ipaddress.ip_address("127.0.0.1" if host == "localhost" else host)
    except ValueError:
        return egress.port == port
    return egress.port == port and address in ipaddress.ip_network(egress.cidr)
