"""What is filled into a cast is what the templates make, and what differs between runs is never taken from another."""

from dataclasses import replace

import pytest

from renderer.casts import Casts, Make, Words, words_of
from renderer.documents import Workspace
from renderer.layout import OBJECTS
from renderer.spec import Member, PlannedRun
from renderer.validate import ObjectChecker


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


def texts(casts: Casts, run: PlannedRun, member: Member) -> list[tuple[str, str]]:
    return [(name, text) for name, text, _ in casts.texts(run, member)]


def made(run: PlannedRun, member: Member) -> list[tuple[str, str]]:
    return [(name, make(run, member)) for name, make in OBJECTS.items()]


def test_a_cast_gives_what_the_templates_give(run: PlannedRun) -> None:
    counting = Counting()
    casts = Casts(counting.makers)
    runs = [run, *(like(run, number) for number in range(5))]

    for each in runs:
        for member in each.members:
            assert texts(casts, each, member) == made(each, member)

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
            assert texts(casts, each, member) == made(each, member)


def test_a_document_that_says_a_casts_words_keeps_them(run: PlannedRun) -> None:
    namespaces = ["zz-the-run-of-a-cast", "zz-the-workflow-of-a-cast", "zz-first"]
    members = tuple(replace(member, namespace=name) for member, name in zip(run.members, namespaces * 2, strict=False))
    casts = Casts(OBJECTS)
    for number in range(4):
        each = replace(like(run, number), members=members)
        for member in members:
            assert texts(casts, each, member) == made(each, member)


def test_an_object_of_more_than_its_cast_knows_is_told_at_once(run: PlannedRun) -> None:
    casts = Casts({"purpose": lambda run, member: run.run.purpose})
    member = run.members[0]
    assert texts(casts, run, member) == [("purpose", run.run.purpose)]
    with pytest.raises(AttributeError, match="purpose"):
        list(casts.texts(like(run, 1), member))


@pytest.mark.parametrize("bad", ["UPPER", "a" * 64, "-a", "a.b"])
def test_a_filled_object_is_held_to_the_rules_that_it_is_held_to_when_read(run: PlannedRun, bad: str) -> None:
    casts, checker, n_found = Casts(OBJECTS), ObjectChecker(), 0
    member = run.members[0]
    broken = like(run, 3, run_id=bad)
    for each in [run, like(run, 1), like(run, 2), broken, like(run, 4), broken]:
        for name, text, cast in casts.texts(each, member):
            expected = ObjectChecker().check(text, name, member.namespace)
            found = checker.check_filled(cast, words_of(each), text, name, member.namespace) if cast else None
            assert (checker.check(text, name, member.namespace) if found is None else found) == expected
            n_found += bool(expected)
    assert n_found


def test_a_filled_object_of_another_namespace_is_found(run: PlannedRun) -> None:
    casts, checker = Casts(OBJECTS), ObjectChecker()
    member = run.members[0]
    for number in range(4):
        each = like(run, number)
        for name, text, cast in casts.texts(each, member):
            if cast:
                assert checker.check_filled(cast, words_of(each), text, name, member.namespace) == ()
                (problem,) = checker.check_filled(cast, words_of(each), text, name, "elsewhere")
                assert problem.field == "metadata.namespace"


@pytest.mark.parametrize("text", ['{\n"\x7f"}', '{\r\n  "a": 1}', '{\u2028"a": 1}'])
def test_a_run_that_only_a_reader_can_judge_is_read(run: PlannedRun, text: str) -> None:
    assert Words("a-0123456789", "a", run.run_text).are_plain
    assert not Words("a-0123456789", "a", text).are_plain
    assert not Words('a"', "a", run.run_text).are_plain
    assert not Words("a", "a\nb: c", run.run_text).are_plain
