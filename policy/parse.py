"""Read a policy and check what its schema alone cannot say: types, references to columns, bounds, dates."""

import math
import re
from collections.abc import Iterator
from itertools import islice

from conclave.ir.errors import TypeProblem
from conclave.ir.types import is_numeric, parse_type
from policy.comparisons import rule_problem
from policy.document import FilterRule, Grant, Policy, PolicyColumn, PolicySpec
from policy.limits import limit_problems
from policy.load import load_with_lines
from policy.nearest import did_you_mean
from policy.problem import DocumentError, Path, Problem
from policy.protections import clamp_of, listed_of
from policy.yaml import Lines

MOST_PROBLEMS = 100  # that are said of one policy: a peer's may be made to have thousands
LEAST_EPSILON = 2.0**-63  # of which the noise of a count alone would not fit
_PARTY = re.compile(r"\*|[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")


def parse_policy(text: str, file: str) -> Policy:
    """Return the policy in `text`; `file` is only named in errors.

    Raises:  DocumentError with everything that is wrong, up to MOST_PROBLEMS.
    """
    policy, lines = load_with_lines(text, file, Policy)
    problems = list(islice(_problems(policy, lines), MOST_PROBLEMS))
    if problems:
        raise DocumentError(problems)
    return policy


_REGISTER = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_NO_REGISTERS = (
    "yes",
    "no",
    "on",
    "off",
    "y",
    "n",
    "true",
    "false",
    "null",
)  # which other readers take for something else


def _problems(policy: Policy, lines: Lines) -> Iterator[Problem]:
    spec = policy.spec
    if not spec.columns:
        yield lines.problem(("spec", "columns"), "names no column", "list the file's header, in order")
    for name, column in spec.columns.items():
        yield from _column_problems(column, ("spec", "columns", name), lines)
    for index, grant in enumerate(spec.grants):
        yield from _grant_problems(grant, spec.columns, ("spec", "grants", index), lines)
    compute: Path = ("spec", "compute")
    yield from _party_problems(spec.compute.parties or (), (*compute, "parties"), lines)
    for name, parties in spec.compute.cleartext_to.items():
        yield from _column_reference(name, spec.columns, (*compute, "cleartextTo", name), lines)
        yield from _party_problems(parties, (*compute, "cleartextTo", name), lines)
    yield from _party_problems(spec.compute.sizes_to, (*compute, "sizesTo"), lines)
    if spec.minimum and not any(column.subject for column in spec.columns.values()):
        what = "counts subjects, but no column says whom the rows are about"
        yield lines.problem(("spec", "minimum"), what, "mark that column with subject: true")
    yield from _noise_problems(spec, lines)
    for path, what, fix in limit_problems(policy):
        yield lines.problem(path, what, fix)


def _column_problems(column: PolicyColumn, path: Path, lines: Lines) -> Iterator[Problem]:
    try:
        kind = parse_type(column.type)
    except TypeProblem as problem:
        yield lines.problem((*path, "type"), problem.what, problem.fix)
        return
    register = column.subject
    if isinstance(register, str) and (register in _NO_REGISTERS or not _REGISTER.fullmatch(register)):
        what, fix = (
            "this is no name of what numbers people",
            "write true or false, or a name of small letters, digits and -",
        )
        yield lines.problem((*path, "subject"), what, fix)
    yield from _value_problems(column, path, lines)
    if column.bounds is None:
        return
    low, high = column.bounds
    if not is_numeric(kind):
        yield lines.problem((*path, "bounds"), f"a {kind} column has no bounds", "leave them out")
    elif not (math.isfinite(low) and math.isfinite(high)):
        yield lines.problem((*path, "bounds"), "a bound is no number", "write [lower, upper], both of them numbers")
    elif low > high:
        yield lines.problem((*path, "bounds"), "the lower bound is above the upper one", "write [lower, upper]")
    elif clamp_of(path[-1] if isinstance(path[-1], str) else "", column) is None:
        yield lines.problem((*path, "bounds"), f"there is no {kind} within them", "write wider ones")


def _value_problems(column: PolicyColumn, path: Path, lines: Lines) -> Iterator[Problem]:
    for index, value in enumerate(column.values or ()):
        try:
            listed_of("", column.model_copy(update={"values": (value,)}))
        except (TypeProblem, ValueError):
            fix = "list whole numbers, strings, true and false, or days as 'YYYY-MM-DD', as the type has it"
            yield lines.problem((*path, "values", index), f"is no {column.type}", fix)
        if value in (column.values or ())[:index]:
            yield lines.problem((*path, "values", index), "is written twice", "keep one")


def _noise_problems(spec: PolicySpec, lines: Lines) -> Iterator[Problem]:
    noise, subjects = spec.noise, [name for name, column in spec.columns.items() if column.subject]
    if noise is None:
        return
    path: Path = ("spec", "noise")
    if noise.epsilon < LEAST_EPSILON:
        what = "asks for more noise than the 64-bit words of MPC hold"
        yield lines.problem((*path, "epsilon"), what, "0.1 is strict, 1 usual")
    if spec.minimum is not None:
        what = "stands beside a minimum, whose exact count of subjects tells what the noise is to hide"
        yield lines.problem(path, what, "keep one of the two")
    if noise.unit == "row" and noise.rows is not None:
        yield lines.problem((*path, "rows"), "limits the rows of a subject, and the unit is a row", "leave it out")
    if noise.unit == "subject" and len(subjects) != 1:
        what = f"hides one subject, and {len(subjects) or 'no'} columns say whom rows are about"
        yield lines.problem(path, what, "mark one column with subject: true, or write unit: row")
    if noise.unit == "subject" and noise.rows is None:
        fix = "write rows: 1, or how many rows of a subject are to count; others are not read"
        yield lines.problem(path, "does not say how many rows of one subject count", fix)


def _grant_problems(grant: Grant, columns: dict[str, PolicyColumn], path: Path, lines: Lines) -> Iterator[Problem]:
    yield from _party_problems(grant.to, (*path, "to"), lines)
    yield from _repeats(grant.purposes, (*path, "purposes"), lines)
    for name, capabilities in grant.columns.items():
        yield from _column_reference(name, columns, (*path, "columns", name), lines)
        yield from _repeats(capabilities, (*path, "columns", name), lines)
        if not capabilities:
            what = "grants nothing"
            yield lines.problem((*path, "columns", name), what, "name a capability, or leave the column out")
    for name, rule in grant.filters.items():
        yield from _filter_problems(name, rule, grant, columns, (*path, "filters", name), lines)
    if not grant.columns:
        yield lines.problem((*path, "columns"), "grants nothing", "name columns, or leave the grant out")


def _filter_problems(
    name: str, rule: FilterRule, grant: Grant, columns: dict[str, PolicyColumn], path: Path, lines: Lines
) -> Iterator[Problem]:
    held = grant.columns.get(name, ())
    if "open" in held:
        what = "says how a column may decide that the same grant opens"
        yield lines.problem(path, what, "who may see it can filter it; leave the rule out, or grant less than open")
    elif "filter" not in held:
        yield lines.problem(path, "says how a column may decide that may not", "grant it filter in this grant, too")
    if name in columns:
        problem = rule_problem(rule, columns[name].type)
        if problem is not None:
            fix = (
                "write values: [...] of the column's type, or granularity: a number, or day, week, month, quarter, year"
            )
            yield lines.problem(path, problem, fix)


def _party_problems(parties: tuple[str, ...], path: Path, lines: Lines) -> Iterator[Problem]:
    for index, party in enumerate(parties):
        if not _PARTY.fullmatch(party):
            fix = "lower-case letters, digits and '-'; or \"*\" for everybody"
            yield lines.problem((*path, index), "is no party's name", fix)
    yield from _repeats(parties, path, lines)


def _column_reference(name: str, columns: dict[str, PolicyColumn], path: Path, lines: Lines) -> Iterator[Problem]:
    if name not in columns:
        fix = did_you_mean(name, columns) or f"spec.columns has {', '.join(columns)}"
        yield lines.problem(path, "is no column of this policy", fix)


def _repeats(items: tuple[str, ...], path: Path, lines: Lines) -> Iterator[Problem]:
    for index, item in enumerate(items):
        if item in items[:index]:
            yield lines.problem((*path, index), "is written twice", "keep one")
