"""What is said of a run before it begins, by `ccd plan` and `ccd run`: with what published policies ask to be built in,
and of whose policies nothing is known.
"""

import json
from pathlib import Path

import pytest

from conclave.plan.wire import digest
from renderer.commands.run import announced
from renderer.local.run import prepare_run
from renderer.plan import compile_run
from renderer.published import unknown
from tests.renderer.conftest import edit
from tests.renderer.gitops import ccd, publish_policy

WORKFLOW = "workflows/visits-by-ward.yaml"
BOTH = "alpha/visits", "bravo/visits"
NOTE_ON_BRAVO = (
    "The policy of bravo/visits is not published. A minimum, bounds, padding or noise that it asks for will be in the plan"
    " that runs, and is not in this one."
)


def publish(root: Path, *datasets: str) -> None:
    for dataset in datasets:
        publish_policy(root, dataset, "sum")
        edit(
            root,
            f"policies/{dataset.replace('/', '.')}.policy.yaml",
            '"decimal(10,2)"}',
            '"decimal(10,2)", bounds: [0, 77]}',
        )


def before_the_run(root: Path) -> tuple[str, str]:
    """What `ccd run` prints of the plan, and the plan's digest."""
    local = prepare_run(root, Path(WORKFLOW))
    plan = compile_run(local.planned.run, local.policies)
    return announced(plan, local), digest(plan)


@pytest.mark.parametrize(
    ("published", "note"),
    [
        (
            (),
            "The policies of alpha/visits, bravo/visits are not published. A minimum, bounds, padding or noise that they ask",
        ),
        (("alpha/visits",), NOTE_ON_BRAVO),
        (BOTH, None),
    ],
    ids=["none", "one", "both"],
)
def test_whose_policies_are_unknown_is_said_before_a_run_and_in_a_review(repository: Path, published, note) -> None:
    publish(repository, *published)
    said = [
        before_the_run(repository)[0],
        ccd(repository, "plan", WORKFLOW).stdout,
        ccd(repository, "plan", WORKFLOW, "--format", "markdown").stdout,
    ]
    for text in said:
        assert "what the answer tells of whose columns" in text.lower()
        assert (note in text) if note else ("not published" not in text)


def test_a_run_shows_the_plan_with_what_published_policies_ask_for(repository: Path) -> None:
    plain, its_digest = before_the_run(repository)
    publish(repository, *BOTH)
    bounded, another = before_the_run(repository)

    assert another != its_digest
    assert "77" in bounded
    assert "77" not in plain
    assert json.loads(ccd(repository, "plan", WORKFLOW, "--json").stdout)["planDigest"] == another


def test_nothing_is_said_where_all_is_known():
    assert unknown(BOTH, BOTH) is None
    assert unknown((), ()) is None
    assert unknown(BOTH, ["alpha/visits"]) == NOTE_ON_BRAVO
