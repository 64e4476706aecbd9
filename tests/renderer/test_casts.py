"""What is filled into a cast is what the templates make, and what differs between runs is never taken from another."""

from dataclasses import replace

import pytest

from renderer.casts import Casts, Make
from renderer.documents import Workspace
from renderer.layout import OBJECTS
from renderer.spec import Member, PlannedRun


class Counting:
    """Makers that count how often a template is filled."""

    def __init__(self) -> None:
        self.n = 0
        self.makers = {name: self._counted(make) for name, make in OBJECTS.items()}

    def _counted(self, make: Make) -> Make:
        def counted(run: PlannedRun, member: Member) -> str:
            self.n += 1
            return make(run, member)

        return counted


@pytest.fixture
def run(workspace: Workspace) -> PlannedRun:
    return workspace.planned("visits-by-ward")


def like(run: PlannedRun, number: int, **changes: object) -> PlannedRun:
    """Return another run of the same members."""
    words = {"run_id": f"other-{number:010}", "workflow": "other", "purpose": f"purpose {number}\n zz-first zz-last"}
    return PlannedRun(run.run.model_copy(update={**words, **changes}), run.members, run.job_seconds, run.bill_to)


def made(run: PlannedRun, member: Member) -> list[tuple[str, str]]:
    return [(name, make(run, member)) for name, make in OBJECTS.items()]


def test_a_cast_gives_what_the_templates_give(run: PlannedRun) -> None:
    counting = Counting()
    casts = Casts(counting.makers)
    runs = [run, *(like(run, number) for number in range(5))]

    for each in runs:
        for member in each.members:
            assert list(casts.texts(each, member)) == made(each, member)

    # Two runs each on its own, and the second once more for the cast.
    assert counting.n == 3 * len(run.members) * len(OBJECTS)


def test_what_else_is_asked_of_a_run_is_not_taken_from_another(run: PlannedRun) -> None:
    casts = Casts(OBJECTS)
    image = run.run.image[:-4] + "beef"
    others = [
        like(run, 1, image=image),
        replace(like(run, 2), job_seconds=run.job_seconds + 1),
        replace(like(run, 3), bill_to="somebody"),
        replace(like(run, 4), members=tuple(replace(member, namespace="elsewhere") for member in run.members)),
        replace(like(run, 5), members=run.members[:2]),
    ]
    for each in [run, like(run, 6), *others, *reversed(others), *others]:
        for member in each.members:
            assert list(casts.texts(each, member)) == made(each, member)


def test_a_document_that_says_a_casts_words_keeps_them(run: PlannedRun) -> None:
    namespaces = ["zz-the-run-of-a-cast", "zz-the-workflow-of-a-cast", "zz-first"]
    members = tuple(replace(member, namespace=name) for member, name in zip(run.members, namespaces * 2, strict=False))
    casts = Casts(OBJECTS)
    for number in range(4):
        each = replace(like(run, number), members=members)
        for member in members:
            assert list(casts.texts(each, member)) == made(each, member)


def test_an_object_of_more_than_its_cast_knows_is_told_at_once(run: PlannedRun) -> None:
    casts = Casts({"purpose": lambda run, member: run.run.purpose})
    member = run.members[0]
    assert list(casts.texts(run, member)) == [("purpose", run.run.purpose)]
    with pytest.raises(AttributeError, match="purpose"):
        list(casts.texts(like(run, 1), member))
