"""What an owner could grant, one thing at a time: a capability, a comparison, the sight of a key. And policies with it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from policy.document import Capability, FilterRule, Grant, Listed, Policy

Sight = Literal["cleartext"]  # of a key: `spec.compute.cleartextTo`, and no grant


@dataclass(frozen=True, order=True)
class Permission:
    """One capability of one column, for one recipient."""

    dataset: str
    recipient: str
    with_expressions: bool
    column: str
    capability: Capability | Sight
    rule: str = ""  # of `filter`: the only way in which the column may decide, as JSON; empty: any

    @property
    def as_it_likes(self) -> "Permission":
        """The same without a rule."""
        return replace(self, rule="")

    @property
    def filter_rule(self) -> FilterRule | None:
        """In which way the column may decide; None: in any."""
        return FilterRule.model_validate_json(self.rule) if self.rule else None


def ruled(rule: FilterRule) -> str:
    """Return a rule as a permission holds it."""
    return rule.model_dump_json(exclude_defaults=True)


def grants_of(permissions: Iterable[Permission], dataset: str, purpose: str) -> tuple[Grant, ...]:
    """Return the permissions on a dataset as grants: recipients of the same share one."""
    shared: dict[str, tuple[Grant, list[str]]] = {}
    for (recipient, with_expressions, _), those in sorted(_by_grant(permissions, dataset).items()):
        columns: dict[str, list[Capability]] = {}
        for each in those:
            uses = columns.setdefault(each.column, [])
            if each.capability != "cleartext" and each.capability not in uses:
                uses.append(each.capability)
        made = Grant(
            to=(recipient,),
            purposes=(purpose,),
            columns={name: tuple(uses) for name, uses in columns.items()},
            expressions=with_expressions,
            filters=_filters(those),
        )
        shared.setdefault(made.model_dump_json(exclude={"to"}), (made, []))[1].append(recipient)
    return tuple(made.model_copy(update={"to": tuple(to)}) for made, to in shared.values())


def shown_of(permissions: Iterable[Permission], dataset: str) -> dict[str, tuple[str, ...]]:
    """Return who has to be shown which columns, as keys."""
    found: dict[str, tuple[str, ...]] = {}
    for each in sorted(permissions):
        if each.dataset == dataset and each.capability == "cleartext":
            found[each.column] = (*found.get(each.column, ()), each.recipient)
    return found


def granted(policies: Mapping[str, Policy], permissions: Iterable[Permission], purpose: str) -> dict[str, Policy]:
    """Return the policies with these permissions added."""
    given, found = tuple(permissions), {}
    for dataset, policy in policies.items():
        grants, compute = (*policy.spec.grants, *grants_of(given, dataset, purpose)), policy.spec.compute
        if shown := shown_of(given, dataset):
            both = {name: (*compute.cleartext_to.get(name, ()), *parties) for name, parties in shown.items()}
            compute = compute.model_copy(update={"cleartext_to": {**compute.cleartext_to, **both}})
        spec = policy.spec.model_copy(update={"grants": grants, "compute": compute})
        found[dataset] = policy.model_copy(update={"spec": spec})
    return found


def _by_grant(permissions: Iterable[Permission], dataset: str) -> dict[tuple[str, bool, str], list[Permission]]:
    """Return what can stand in one grant: a grant has one rule for a column, and free use needs none beside it."""
    own = sorted(each for each in permissions if each.dataset == dataset and each.capability != "cleartext")
    free = {(p.recipient, p.column) for p in own if p.capability == "filter" and not p.rule}
    steps: dict[tuple[str, str], set[str]] = {}
    for each in own:
        if (rule := each.filter_rule) is not None and rule.granularity is not None:
            steps.setdefault((each.recipient, each.column), set()).add(each.rule)
    found: dict[tuple[str, bool, str], list[Permission]] = {}
    for each in own:
        whose = each.recipient, each.column
        if each.rule and whose in free:
            continue
        of_several = each.rule if each.rule in steps.get(whose, ()) and len(steps[whose]) > 1 else ""
        found.setdefault((each.recipient, each.with_expressions, of_several), []).append(each)
    return found


def _filters(permissions: Iterable[Permission]) -> dict[str, FilterRule]:
    rules: dict[str, list[FilterRule]] = {}
    for each in permissions:
        if (rule := each.filter_rule) is not None:
            rules.setdefault(each.column, []).append(rule)
    found = {}
    for column, those in rules.items():
        values = tuple(sorted((value for rule in those for value in rule.values or ()), key=_in_order))
        granularity = next((rule.granularity for rule in those if rule.granularity is not None), None)
        found[column] = FilterRule(values=values or None, granularity=granularity)
    return found


def _in_order(value: Listed) -> tuple[bool, float, str]:
    """Numbers by their size, and before words."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return not is_number, float(value or 0) if is_number else 0.0, str(value)
