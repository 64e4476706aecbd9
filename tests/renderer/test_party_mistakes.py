"""What is wrong with a party's document, or the federation's, is said with file, line, column and what to do."""

import datetime
from pathlib import Path

import pytest

from policy.identity import new_identity
from policy.problem import DocumentError
from renderer.documents import read_workspace
from tests.renderer.conftest import NOW, edit
from tests.renderer.mistakes import ALPHA, BRAVO, CAROL, Case, assert_said, findings

CASES: dict[str, Case] = {
    "fields that are none": (
        BRAVO,
        "backend: swift",
        "backend: files\n      volume: stays",
        [
            "parties/bravo.yaml:22:5: spec.datasets.visits.path: is missing "
            "(fix: add path: a file, from the volume's top, such as 2024/visits.csv)",
            "parties/bravo.yaml:24:7: spec.datasets.visits.volume: must be a map of fields "
            "(fix: the fields here are claim)",
            *(
                f"parties/bravo.yaml:{line}:7: spec.datasets.visits.{field}: there is no such field here (fix: the fields "
                "here are backend, columns, compression, format, keys, mostRows, nullText, path, sealed, text, volume)"
                for line, field in ((25, "container"), (26, "object"), (27, "credentials"))
            ),
        ],
    ),
    "a type that is none": (
        CAROL,
        "  helper: true",
        "  helper: true\n  datasets:\n    d: {backend: swift, container: c, object: o, credentials: s, "
        "columns: {x: {type: money}}}",
        [
            "parties/carol.yaml:22:80: spec.datasets.d.columns.x.type: unknown type 'money' (fix: use one of "
            "tinyint, smallint, integer, bigint, int, double, boolean, date, varchar, decimal(p,s), varchar(n))"
        ],
    ),
    "a namespace twice": (
        BRAVO,
        "namespace: hospital-b",
        "namespace: hospital-a",
        [
            "parties/bravo.yaml:7:3: spec.namespace: is already the namespace of alpha "
            "(fix: every party has its own, so that its Secrets are its own)"
        ],
    ),
    "a namespace of the cluster": (
        BRAVO,
        "namespace: hospital-b",
        "namespace: kube-system",
        [
            "parties/bravo.yaml:7:3: spec.namespace: is a namespace of the cluster itself "
            "(fix: choose one that only this party owns)"
        ],
    ),
    "an identity among the store's Secrets": (
        BRAVO,
        "secret: bravo-key",
        "secret: bravo-store",
        [
            "parties/bravo.yaml:20:5: spec.identity.secret: is also the name of a store's Secret, so containers that "
            "read stores would get the identity key (fix: give the identity a Secret of its own)"
        ],
    ),
    "a network that is none": (
        BRAVO,
        "203.0.113.0/24",
        "203.0.113.7/24",
        [
            "parties/bravo.yaml:35:8: spec.egress[0].cidr: is not an IP network "
            "(fix: write it as 192.0.2.0/24, its host bits zero)"
        ],
    ),
    "an image by tag": (
        "federation.yaml",
        "worker@sha256:00000000000000000000000000000000000000000000000000000000000000ff",
        "worker:latest",
        [
            "federation.yaml:8:3: spec.image: must match the pattern ^[a-z0-9][a-z0-9._:/-]*@sha256:[0-9a-f]{64}$ "
            "(fix: write name@sha256:<64 hex digits>: a tag could be moved to another image after the review)"
        ],
    ),
}


@pytest.mark.parametrize("title", CASES)
def test_a_mistake_in_a_party_is_said_with_its_line(title: str, federation: Path) -> None:
    assert_said(federation, CASES[title])


def test_mistakes_in_several_files_are_said_at_once(federation: Path) -> None:
    edit(
        federation,
        ALPHA,
        "backend: swift\n      container: clinic\n      object: beds",
        "backend: s3\n      object: beds",
    )
    edit(federation, CAROL, "kind: Party", "kind: Partei")

    files = {problem.file for problem in findings(federation).problems}

    assert files == {"workflows/parties/alpha.yaml", "workflows/parties/carol.yaml"}


def test_a_private_key_is_refused_and_not_repeated(federation: Path) -> None:
    key, _ = new_identity("carol", 30)
    secret = key.decode().splitlines()[1]
    edit(federation, CAROL, "  helper: true", f"  helper: true\n  # {secret}\n  # -----BEGIN PRIVATE KEY-----")

    with pytest.raises(DocumentError) as error:
        read_workspace(federation)

    assert "private key" in str(error.value)
    assert secret not in str(error.value)


def test_a_swapped_certificate_is_refused(federation: Path) -> None:
    bravo = (federation / "workflows" / BRAVO).read_text()
    carol = federation / "workflows" / CAROL
    lines = carol.read_text().splitlines(keepends=True)
    start = lines.index("    certificate: |\n")
    stop = next(i for i, line in enumerate(lines) if "END CERTIFICATE" in line) + 1
    other = bravo[bravo.index("    certificate: |\n") : bravo.index("    secret: bravo-key")]
    carol.write_text("".join([*lines[:start], other, *lines[stop:]]))

    (problem,) = findings(federation).problems

    assert problem.what == "is the certificate of bravo, not of carol"
    assert problem.line == start + 1


@pytest.mark.parametrize(
    ("moment", "problems", "warnings"),
    [
        (datetime.datetime(2024, 6, 1, tzinfo=datetime.UTC), 3, 0),
        (NOW, 0, 0),
        (datetime.datetime(2034, 12, 20, tzinfo=datetime.UTC), 0, 3),
        (datetime.datetime(2035, 6, 1, tzinfo=datetime.UTC), 3, 0),
    ],
)
def test_certificates_are_held_to_their_days(
    federation: Path, moment: datetime.datetime, problems: int, warnings: int
) -> None:
    found = findings(federation, moment)

    assert (len(found.problems), len(found.warnings)) == (problems, warnings)
