"""The conformance corpus: in each folder of corpus/ a workflow, its policies, and the verdict that they must have.

`expected.yaml` says why, the verdict, and every reason as "code dataset.column capability" (without what it lacks).
`claimed.yaml`, where there is one, are the columns that the party documents declare ("bigint unique"); else they are the
policies'.
"""

from pathlib import Path

import pytest

from conclave.compile import compile_query
from conclave.ir.errors import UnsupportedQuery
from conclave.ir.nodes import Aggregate, Concat, Scan
from conclave.ir.types import Field, parse_type
from conclave.ir.walk import nodes_in
from conclave.plan.steps import Plan
from policy.document import Policy
from policy.load import load_with_lines
from policy.parse import parse_policy
from policy.protections import protections_of
from policy.verdict import Reason, Verdict
from policy.verify import Request, verify
from policy.yaml import read_yaml
from renderer.workflow import Workflow

FOLDER = Path(__file__).parent / "corpus"
CASES = sorted(FOLDER.iterdir())
UNSUPPORTED = "unsupported-query"
CLASSES = (
    "ccd", "scql", "scql-doc", "aws", "case", "differencing", "minimum", "order", "limit", "rows", "hybrid", "compute",
    "union", "window", "division", "constant", "filter", "noise", "sizes", "matches",
)  # fmt: skip


def read(file: Path):
    value, _ = read_yaml(file.read_text(encoding="utf-8"), file.name)
    return value


def policies_of(case: Path) -> dict[str, Policy]:
    """The policy that lies beside each dataset, whatever dataset it says it is on."""
    files = sorted(case.glob("*.policy.yaml"))
    return {
        f.name.removesuffix(".policy.yaml").replace(".", "/", 1): parse_policy(f.read_text(), f.name) for f in files
    }


def tables_of(workflow: Workflow, case: Path, policies: dict[str, Policy]):
    claimed = read(case / "claimed.yaml") if (case / "claimed.yaml").exists() else {}
    tables = {}
    for table, datasets in workflow.spec.tables.items():
        scans = []
        for dataset in datasets:
            columns = claimed.get(dataset)
            if columns is None:
                known = policies.get(dataset) or parse_policy(STAYS, "stays")
                columns = {name: column.type for name, column in known.spec.columns.items()}
            fields = tuple(Field(name, parse_type(kind.removesuffix(" unique"))) for name, kind in columns.items())
            unique = frozenset(name for name, kind in columns.items() if kind.endswith(" unique"))
            said = [(name.split("."), most) for name, most in workflow.spec.mpc.most_matches.items()]
            most = frozenset((column, times) for (of, column), times in said if of == table)
            scans.append(Scan(table, dataset, dataset.split("/")[0], fields, unique, most_matches=most))
        tables[table] = scans[0] if len(scans) == 1 else Concat(tuple(scans))
    return tables


STAYS = """\
apiVersion: ccd.dev/v1alpha1
kind: Policy
metadata: {dataset: hospital/stays, version: 1}
spec:
  columns: {patient: {type: bigint}, ward: {type: varchar(7)}, days: {type: integer}, cost: {type: integer}}
"""


def spelled(reason: Reason) -> str:
    about = f"{reason.dataset}.{reason.column}" if reason.column else reason.dataset
    return " ".join(part for part in (reason.code, about, reason.capability) if part)


def judged(case: Path) -> tuple[Verdict, Plan] | None:
    """The whole verdict, and the plan that it is on; none if SQL or MPC has no such query."""
    workflow, _ = load_with_lines((case / "workflow.yaml").read_text(), "workflow.yaml", Workflow)
    spec, policies = workflow.spec, policies_of(case)
    tables = tables_of(workflow, case, policies)
    datasets = tuple(dataset for each in spec.tables.values() for dataset in each)
    try:
        recipients, compute = spec.outputs.recipients, spec.mpc.compute
        shown = {tuple(name.split(".")): parties for name, parties in spec.mpc.cleartext.items()}
        counted = frozenset(spec.mpc.disclose_sizes)
        plan = compile_query(spec.query, tables, recipients, compute, protections_of(policies), shown, counted)
    except UnsupportedQuery:
        return None
    return verify(plan, policies, Request(spec.purpose, datasets)), plan


def verdict_on(case: Path):
    found = judged(case)
    if found is None:
        return "reject", {UNSUPPORTED}, None
    verdict, plan = found
    return verdict.decision, {spelled(reason) for reason in verdict.reasons}, plan


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_verdict_is_as_expected(case):
    decision, reasons, plan = verdict_on(case)
    expected = read(case / "expected.yaml")
    assert (decision, sorted(reasons)) == (expected["verdict"], sorted(expected["reasons"])), expected["why"]
    if decision == "accept" and any(p.spec.minimum for p in policies_of(case).values()):
        outside = set(plan.query.recipients) - {dataset.split("/")[0] for dataset in policies_of(case)}
        guards = [guard for node in nodes_in(plan.query) if isinstance(node, Aggregate) for guard in node.guards]
        most = max(p.spec.minimum.subjects for p in policies_of(case).values() if p.spec.minimum)
        assert {guard.least for guard in guards} >= {most} or not outside, "an accepted minimum is in the plan"


def test_the_corpus_has_its_classes():
    assert len(CASES) >= 60
    assert all(any(case.name.startswith(prefix) for case in CASES) for prefix in CLASSES)
    verdicts = [read(case / "expected.yaml")["verdict"] for case in CASES]
    assert min(verdicts.count("accept"), verdicts.count("reject")) >= 20
