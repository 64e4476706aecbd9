"""Whether the grants of a policy release a use to a recipient, and if not, which clause falls short and how."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from policy.comparisons import in_words
from policy.document import Grant, Policy
from policy.uses import Use
from policy.verdict import Reason

Capabilities = frozenset[str]
_COMPUTED_ANYWAY: Capabilities = frozenset({"group_key"})  # groups may be by something computed, whatever the grant
# Of a column of which somebody holds no more, no value is known to them: numbers tell some if they are of what is computed.
_WITHOUT_VALUES: Capabilities = frozenset({"count", "count_distinct", "join_payload", "rank"})
_NUMBERS: Capabilities = frozenset({"count", "count_distinct"})


@dataclass(frozen=True)
class Need:
    """What a use needs: one of several sets of capabilities. `open` stands for all of them."""

    any_of: tuple[Capabilities, ...]  # the first is the one that is asked for when all are missing
    join_payload: bool = False  # that as well
    with_expressions: bool = False  # from grants that allow aggregates over expressions


@dataclass(frozen=True)
class Held:
    """What one recipient holds for one purpose: of one column, or of any column for a count of rows."""

    capabilities: Capabilities
    over_expressions: Capabilities
    clause: str

    def counting_for(self, need: Need) -> Capabilities:
        """Return what of it counts for a need."""
        if not need.with_expressions:
            return self.capabilities
        return self.over_expressions | (self.capabilities & _COMPUTED_ANYWAY)

    def releases(self, need: Need) -> bool:
        """Whether the need is met."""
        if "open" in self.capabilities:
            return True
        held = self.counting_for(need)
        payload = not need.join_payload or "join_payload" in self.capabilities
        return payload and any(wanted <= held for wanted in need.any_of)


NOTHING = Held(frozenset(), frozenset(), "")


def need_of(use: Use) -> Need:
    """Return what a recipient must hold to be let know of a use.

    >>> [sorted(wanted) for wanted in need_of(Use("alpha/visits", "days", "mean")).any_of]
    [['mean'], ['count', 'sum']]
    """
    # A sum of squares is part of a variance, and by itself for nobody.
    kind = {"plain": "open", "derived": "open", "squares": "open"}.get(use.kind, use.kind)
    any_of = [frozenset({kind})]
    if kind == "mean":
        # Who is told sum and count can divide.
        any_of.append(frozenset({"sum", "count"}))
    if kind == "count_distinct":
        # Who may group by the values can count the groups; where each is a row or person they are not shown, but counted.
        groups = frozenset({"group_key", "count"} if use.of_persons else {"group_key"})
        any_of = [frozenset({kind, "join_key"} if use.is_match else {kind}), groups]
    return Need(tuple(any_of), use.joined and kind != "open", use.over_expression)


def refuse(policy: Policy, use: Use, recipient: str, purpose: str, disclosure: str) -> Reason | None:
    """Return why `policy` does not let `recipient` know of a use, or None if it does.

    `disclosure` says where the recipient sees it, the flow's last step.
    """
    need, held = need_of(use), held_by(policy, use.column, recipient, purpose, use)
    if held.releases(need):
        return None
    at_all = held_by(policy, use.column, recipient, purpose)
    if at_all.releases(need):
        return _otherwise(policy, use, recipient, purpose, disclosure)
    missing = _missing(need, held)
    dataset, owner = use.dataset, use.dataset.split("/")[0]
    only_expressions = missing <= held.capabilities
    subject = f"{dataset}.{use.column}" if use.column is not None else f"a column of {dataset}"
    words = " and ".join(sorted(missing)) + (" over expressions" if need.with_expressions else "")
    return Reason(
        code="expressions-not-granted" if only_expressions else "not-granted",
        dataset=dataset,
        version=policy.metadata.version,
        clause=held.clause,
        says=_says(held, use, recipient, purpose),
        column=use.column,
        capability=sorted(missing)[0],
        recipient=recipient,
        flow=(*use.steps, f"{disclosure} to {recipient}"),
        where=use.at,
        what=f"{recipient} would learn {learnt(use)}",
        fix=f"take it out of the query, or ask {owner} to grant {recipient} {words} of {subject}",
    )


def _otherwise(policy: Policy, use: Use, recipient: str, purpose: str, disclosure: str) -> Reason:
    """Return the refusal of a column that may decide, but not in this way."""
    column, owner = use.column or "", use.dataset.split("/")[0]
    rules = [
        (clause, grant.filters[column])
        for clause, grant in _applying(policy, recipient, purpose)
        if column in grant.filters
    ]
    said = " or ".join(in_words(rule) for _, rule in rules)
    return Reason(
        code="comparison-not-granted",
        dataset=use.dataset,
        version=policy.metadata.version,
        clause=f"{rules[0][0]}.filters.{column}",
        says=f"lets {recipient} filter by {column} {said}, and in no other way",
        column=column,
        capability="filter",
        recipient=recipient,
        flow=(*use.steps, f"{disclosure} to {recipient}"),
        where=use.at,
        what=f"{recipient} would learn {learnt(use)} in a way that is not granted",
        fix=f"compare {column} itself, {said}; or ask {owner} to grant {recipient} more",
    )


def held_by(policy: Policy, column: str | None, recipient: str, purpose: str, use: Use | None = None) -> Held:
    """Return what `recipient` holds of a column for `purpose`: the union of all grants to it, or to all.

    With `use`, a grant to filter counts only if the use obeys its rule; without, it always does.
    """
    plain: set[str] = set()
    over_expressions: set[str] = set()
    clauses: list[str] = []
    for clause, grant in _applying(policy, recipient, purpose):
        granted = [_of_column(grant, column, use)] if column is not None else list(grant.columns.values())
        for capabilities in granted:
            plain.update(capabilities)
            over_expressions.update(capabilities if grant.expressions else ())
        names_it = column is not None and column in grant.columns
        clauses.append(f"{clause}.columns.{column}" if names_it else clause)
    # The clause that says most of this column.
    clause = max(clauses, key=len) if clauses else "spec.grants"
    return Held(frozenset(plain), frozenset(over_expressions), clause)


def knows(recipient: str, use: Use, holds: Callable[[str, str], Held]) -> bool:
    """Whether a recipient knows all columns that one must know to learn of a use: its own, and such as are open to it.

    To tell which values a column shares, less will do: whatever tells of the others' values. `holds`: what it holds of
    a dataset's column.
    """
    for dataset, column in use.to_knowing:
        if recipient == dataset.split("/")[0]:
            continue
        held = holds(dataset, column)
        telling = (held.capabilities - _WITHOUT_VALUES) | (held.over_expressions & _NUMBERS)
        if not (telling if use.is_match else held.capabilities & {"open"}):
            return False
    return True


def _of_column(grant: Grant, column: str, use: Use | None) -> tuple[str, ...]:
    rule = grant.filters.get(column)
    is_free = use is None or rule is None or rule in use.obeys
    return tuple(each for each in grant.columns.get(column, ()) if is_free or each != "filter")


def _applying(policy: Policy, recipient: str, purpose: str) -> Iterator[tuple[str, Grant]]:
    for index, grant in enumerate(policy.spec.grants):
        if {recipient, "*"} & set(grant.to) and {purpose, "*"} & set(grant.purposes):
            yield f"spec.grants[{index}]", grant


def _missing(need: Need, held: Held) -> Capabilities:
    capabilities = held.counting_for(need)
    if any(wanted <= capabilities for wanted in need.any_of):
        return frozenset({"join_payload"})
    return need.any_of[0] - capabilities


def _says(held: Held, use: Use, recipient: str, purpose: str) -> str:
    if held.clause == "spec.grants":
        return f"grants {recipient} nothing for {purpose}"
    if use.column is None:
        return f"grants {recipient} no count"
    if not held.capabilities:
        return f"grants {recipient} nothing of {use.column}"
    plainly = ", without `expressions: true`" if use.over_expression and not held.over_expressions else ""
    return f"grants {recipient} {', '.join(sorted(held.capabilities))}{plainly}"


def learnt(use: Use) -> str:
    """Return in words what somebody learns who is told of a use."""
    column = use.column
    match use.kind:
        case "plain":
            return f"{column} itself, row by row"
        case "derived":
            return f"what is computed from {column}, row by row"
        case "group_key":
            return f"groups made by {column}"
        case "filter":
            return f"an answer in which {column} decides which rows count"
        case "join_key":
            return f"an answer in which {column} decides which rows meet"
        case "rank":
            return f"an answer in which {column} decides the order or which rows stay"
        case "count" if column is None:
            return f"how many rows {use.dataset} has"
    over = f"an expression over {column}" if use.over_expression else column
    joined = " after a join" if use.joined else ""
    if use.kind == "count_distinct":
        among = ", and how many of them are among others that it knows" if use.is_match else ""
        return f"how many different values {over} has{joined}{among}"
    return f"{use.kind}({over}){joined}"
