"""Which of the owners' rules on conditions a use of a column obeys: noted where it is compared, and kept from there on."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from conclave.ir.expressions import Expression
from policy.comparisons import is_allowed, is_coarse
from policy.document import FilterRule, Policy
from policy.personal import Source
from policy.uses import Use, Value

Rules = Mapping[Source, tuple[FilterRule, ...]]


def rules_of(policies: Mapping[str, Policy]) -> Rules:
    """Return the rules on conditions that any grant has, by column."""
    found: dict[Source, dict[FilterRule, None]] = {}
    for dataset, policy in policies.items():
        for grant in policy.spec.grants:
            for column, rule in grant.filters.items():
                found.setdefault((dataset, column), {})[rule] = None
    return {column: tuple(rules) for column, rules in found.items()}


def held_to_rules(value: Value, column: Value, condition: Expression) -> Value:
    """Return what a condition compares with a constant, noting which rules on its column it obeys.

    What is computed of it further can tell no more apart than the condition does.
    """
    own = {(use.dataset, use.column) for use in column.uses if use.kind == "plain" or _is_label(use)}
    computed = {(use.dataset, use.column) for use in column.uses if use.kind != "plain" and not _is_label(use)}
    uses = []
    for use in value.uses:
        if use.all_rules and (use.dataset, use.column) in own - computed:
            use = replace(use, obeys=frozenset(rule for rule in use.all_rules if is_allowed(rule, condition)))
        uses.append(use)
    return Value(tuple(uses), value.influences)


def noting_parts(uses: Iterable[Use], expression: Expression) -> tuple[Use, ...]:
    """Return the uses of columns with rules, noting which rules a part of a date obeys; what else is computed obeys none."""
    return tuple(
        replace(
            use, obeys=use.obeys | {rule for rule in use.rules if use.kind == "plain" and is_coarse(rule, expression)}
        )
        for use in uses
        if use.is_of_rows and use.rules
    )


def _is_label(use: Use) -> bool:
    return use.kind == "group_key" and not use.computed
