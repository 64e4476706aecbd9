"""The clauses of a policy that are about the run as a whole: columns, protocol, parties."""

from collections.abc import Iterator
from itertools import zip_longest

from conclave.ir.errors import TypeProblem
from conclave.ir.nodes import Scan
from conclave.ir.types import parse_type
from conclave.plan.steps import MpcSetting
from policy.document import Policy
from policy.verdict import Code, Reason


def check_clauses(policy: Policy, mpc: MpcSetting | None) -> Iterator[Reason]:
    """Yield what the policy's own clauses have against a run, whatever its query."""
    if mpc is not None:
        yield from _compute(policy, mpc)


def check_header(policy: Policy, scan: Scan) -> Iterator[Reason]:
    """Yield a reason if the policy's columns are not, in names, order and types, those that the scan declares."""
    own = [(name, _type_name(column.type)) for name, column in policy.spec.columns.items()]
    declared = [(field.name, str(field.type)) for field in scan.schema]
    for index, (mine, theirs) in enumerate(zip_longest(own, declared)):
        if mine != theirs:
            what = f"column {index + 1} of {scan.dataset} is declared as {_column(theirs)}, not {_column(mine)}"
            fix = "make the party document, the policy and the file's header say the same"
            says = f"column {index + 1} is {_column(mine)}"
            # Only the first: after a column too many, all others differ.
            yield _reason(policy, "header-mismatch", "spec.columns", says, what, fix)
            return


def _compute(policy: Policy, mpc: MpcSetting) -> Iterator[Reason]:
    protocols, parties = policy.spec.compute.protocols, policy.spec.compute.parties
    if protocols is not None and mpc.protocol not in protocols:
        says, fix = f"allows {_words(protocols)}", f"choose another protocol in spec.mpc: {_words(protocols)}"
        what = f"{policy.metadata.dataset} would be computed on by {mpc.protocol}"
        yield _reason(policy, "protocol-not-allowed", "spec.compute.protocols", says, what, fix)
    strangers = sorted(set(mpc.compute) - set(parties)) if parties is not None and "*" not in parties else []
    if parties is not None and strangers:
        says, fix = f"allows {_words(parties)}", "choose other compute parties in spec.mpc"
        what = f"{', '.join(strangers)} would hold shares of {policy.metadata.dataset}"
        yield _reason(policy, "party-not-allowed", "spec.compute.parties", says, what, fix)


def _reason(policy: Policy, code: Code, clause: str, says: str, what: str, fix: str) -> Reason:
    metadata = policy.metadata
    return Reason(code, metadata.dataset, what, fix, version=metadata.version, clause=clause, says=says)


def _type_name(text: str) -> str:
    try:
        return str(parse_type(text))
    except TypeProblem:
        return f"no type ({text})"


def _column(column: tuple[str, str] | None) -> str:
    return " ".join(column) if column else "nothing"


def _words(items: tuple[str, ...]) -> str:
    return ", ".join(items) or "none"
