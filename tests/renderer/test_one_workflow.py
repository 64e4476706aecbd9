"""Whoever asks about one workflow is told of that one, whatever is wrong with others."""

from pathlib import Path

import pytest

from policy.problem import DocumentError
from renderer.check import load_workflow
from tests.renderer.conftest import edit
from tests.renderer.gitops import ccd

WORKFLOW = "visits-by-ward"
ASKED = (("plan", WORKFLOW), ("plan", f"workflows/{WORKFLOW}.yaml", "--json"), ("policy", "suggest", WORKFLOW))


def add(root: Path, name: str, text: str | None = None) -> None:
    """Add a workflow: this text, or the sample one under another name."""
    sample = (root / f"workflows/{WORKFLOW}.yaml").read_text()
    (root / f"workflows/{name}.yaml").write_text(text or sample.replace(f"name: {WORKFLOW}", f"name: {name}"))


@pytest.mark.parametrize("asked", ASKED, ids=" ".join)
def test_a_mistake_of_others_keeps_nobody_from_this_one(repository: Path, asked: tuple[str, ...]) -> None:
    alone = ccd(repository, *asked)
    add(repository, "no-yaml", "a: [")
    add(repository, "no-sql")
    edit(repository, "no-sql.yaml", "SELECT ward,", "SELECT wrad,")
    add(repository, "no-party")
    edit(repository, "no-party.yaml", "bravo/visits]", "dora/visits]")
    (repository / "workflows/policies").mkdir()
    (repository / "workflows/policies/alpha.beds.policy.yaml").write_text("kind: Policy\n")
    (repository / "workflows/approvals/alpha").mkdir(parents=True)
    (repository / "workflows/approvals/alpha/no-sql-0123456789.yaml").write_text("kind: Approval\n")

    among = ccd(repository, *asked)

    assert (alone.exit_code, among.exit_code) == (0, 0), among.output
    assert among.output == alone.output
    assert ccd(repository, "validate").exit_code == 10


def test_a_party_without_a_part_in_it_is_not_waited_for(repository: Path) -> None:
    text = (repository / "workflows/parties/carol.yaml").read_text()
    other = text.replace("name: carol", "name: dora").replace("namespace: institute", "namespace: dora")
    (repository / "workflows/parties/dora.yaml").write_text(other)  # with carol's certificate

    assert ccd(repository, "plan", WORKFLOW).exit_code == 0
    refused = ccd(repository, "validate")
    assert "is the certificate of carol, not of dora" in refused.stderr


@pytest.mark.parametrize(
    ("file", "old", "new", "says"),
    [
        (f"{WORKFLOW}.yaml", "bravo/visits]", "bravo/wards]", "bravo has no dataset wards"),
        (f"{WORKFLOW}.yaml", "SELECT ward,", "SELECT wrad,", "no column wrad here"),
        ("parties/alpha.yaml", "beds: {type: integer}", "beds: {type: int64}", "int64"),
        ("parties/carol.yaml", "kind: Party", "kind: Partei", "must be 'Party'"),
        ("federation.yaml", "kind: Federation", "kind: Union", "must be 'Federation'"),
    ],
)
def test_what_is_wrong_with_it_its_parties_or_what_all_share_is_said(
    federation: Path, file: str, old: str, new: str, says: str
) -> None:
    edit(federation, file, old, new)

    with pytest.raises(DocumentError) as error:
        load_workflow(federation, Path(WORKFLOW))

    assert says in str(error.value)
    assert {problem.file for problem in error.value.problems} == {f"workflows/{file}"}


def test_a_name_that_is_nearly_right_is_told(repository: Path) -> None:
    add(repository, "no-yaml", "a: [")

    near, far = ccd(repository, "plan", "visit-by-ward"), ccd(repository, "plan", "workflows/wages.yaml")

    assert (near.exit_code, far.exit_code) == (10, 10)
    assert near.stderr.endswith("is not a workflow of this federation (fix: did you mean visits-by-ward?)\n")
    assert "its workflows are: workflows/no-yaml.yaml, workflows/visits-by-ward.yaml" in far.stderr
