"""Checks of Kubernetes objects without a cluster: the published schemas, strictly, and what these let pass."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from policy.problem import DocumentError, Problem
from policy.yaml import Lines
from renderer.appproject import KINDS
from renderer.kubernetes_schema import VERSION, UnknownKindError, structure_problem
from renderer.object_rules import Finding, StringRules, broken_rules
from renderer.quick_yaml import read_quickly
from renderer.shape import Mould, mould_of, shape_of


@dataclass(frozen=True)
class _Sound:
    """A shape of which nothing but strings can be wrong."""

    mould: Mould
    rules: StringRules


class ObjectChecker:
    """Checks rendered objects, and reads the structure of each shape once."""

    def __init__(self) -> None:
        self._sound: dict[str, _Sound] = {}

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
