"""Checks of Kubernetes objects without a cluster: the published schemas, strictly, and what these let pass."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from policy.problem import DocumentError, Problem
from policy.yaml import Lines
from renderer.appproject import KINDS
from renderer.casts import Cast, Words, cast_of
from renderer.kubernetes_schema import VERSION, UnknownKindError, structure_problem
from renderer.object_rules import Finding, StringRules, broken_rules
from renderer.quick_yaml import read_quickly
from renderer.shape import Mould, mould_of, shape_of


@dataclass(frozen=True)
class _Sound:
    """A shape of which nothing but strings can be wrong."""

    mould: Mould
    rules: StringRules


@dataclass(frozen=True)
class _SoundCast:
    """A cast of which a text was sound: only the strings with a run's words in them are still to be looked at."""

    sound: _Sound
    strings: tuple[tuple[str, str, str], ...]  # what stands before a word, which one, and what after it

    def holds(self, words: Words, namespace: str | None) -> bool:
        """Whether the text with these words is sound, too."""
        said = words.of_names
        self.sound.mould.fill(tuple([before + said[word] + after for before, word, after in self.strings]))
        return words.are_plain and self.sound.rules.hold(namespace)


class ObjectChecker:
    """Checks rendered objects, and reads the structure of each shape once."""

    def __init__(self) -> None:
        self._sound: dict[str, _Sound] = {}
        self._casts: dict[Cast, _SoundCast | None] = {}

    def check_filled(
        self, cast: Cast, words: Words, text: str, file: str, namespace: str | None = None
    ) -> tuple[Problem, ...]:
        """Return what `check` does of the text that the cast makes with these words."""
        known = self._casts.get(cast)
        if known and known.holds(words, namespace):
            return ()
        problems = self.check(text, file, namespace)
        if not problems and cast not in self._casts:
            self._casts[cast] = self._sound_cast(cast, words, text)
        return problems

    def _sound_cast(self, cast: Cast, words: Words, text: str) -> _SoundCast | None:
        """Return what is still to be looked at in a sound text's like; None if words stand elsewhere than in strings."""
        shape, its = shape_of(cast.pattern), shape_of(text)
        known = self._sound.get(its.key) if its else None
        if not (shape and its and known) or shape.key != its.key:
            return None
        known.mould.fill(its.strings)
        holes = zip(known.mould.holes, map(cast_of, shape.strings), strict=True)
        opened = [(hole, string) for hole, string in holes if string.words]
        if any(len(string.words) > 1 or "\\" in string.pattern for _, string in opened):
            return None
        mould = known.mould.copy(tuple(hole for hole, _ in opened))
        strings = tuple((string.pieces[0], string.words[0], string.pieces[1]) for _, string in opened)
        if any(word not in words.of_names for _, word, _ in strings):
            return None
        return _SoundCast(_Sound(mould, StringRules(mould.value, mould.holes)), strings)

    def check(self, text: str, file: str, namespace: str | None = None) -> tuple[Problem, ...]:
        """Return what is wrong with one object; with `namespace`, also if it is for another one."""
        shape = shape_of(text)
        known = self._sound.get(shape.key) if shape else None
        # The schemas know types, and a string in the place of another one has its type.
        if shape and known:
            known.mould.fill(shape.strings)
            if known.rules.hold(namespace):
                return ()
        try:
            value, lines = read_quickly(text, file)
        except DocumentError as error:
            return tuple(error.problems)
        if not isinstance(value, dict):
            return (lines.problem((), "is not a Kubernetes object"),)
        kind = _group_and_kind(value)
        if kind not in KINDS:
            what = f"{kind[1] or 'no kind'} of {kind[0] or 'the core group'} is not among the kinds that a run has"
            return (lines.problem(("kind",), what),)
        findings = [*_schema(value)]
        findings += broken_rules(value, namespace, is_typed=not findings)
        if shape and not findings and (mould := mould_of(text, value, lines)):
            self._sound[shape.key] = _Sound(mould, StringRules(mould.value, mould.holes))
        return _problems(findings, lines)


def check_object(text: str, file: str, namespace: str | None = None) -> tuple[Problem, ...]:
    """Return what is wrong with one rendered object; with `namespace`, also if it is for another one."""
    return ObjectChecker().check(text, file, namespace)


def _problems(findings: list[Finding], lines: Lines) -> tuple[Problem, ...]:
    problems = {lines.problem(path, what, fix) for path, what, fix in findings}
    return tuple(sorted(problems, key=lambda problem: (problem.line, problem.column, problem.field, problem.what)))


def _group_and_kind(value: dict[str, Any]) -> tuple[str, str]:
    group, _, _ = str(value.get("apiVersion", "")).rpartition("/")
    return group, str(value.get("kind", ""))


def _schema(value: dict[str, Any]) -> Iterator[Finding]:
    try:
        problem = structure_problem(value)
    except UnknownKindError:
        yield ("apiVersion",), f"there is no such version of it in Kubernetes {VERSION}", None
        return
    if problem is not None:
        yield *problem, None
