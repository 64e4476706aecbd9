"""docs/policy.md shows the policies in examples/, and every query in it is decided as it says."""

import re
from pathlib import Path
from typing import get_args

import pytest

from conclave.compile import compile_query
from conclave.ir.nodes import Scan
from conclave.ir.types import Field, parse_type
from policy.document import Capability
from policy.explain import explain
from policy.parse import parse_policy
from policy.protections import protections_of
from policy.verify import Request, verify

EXAMPLES = sorted((Path(__file__).parent / "examples").glob("*.yaml"))
DOCS = (Path(__file__).parents[2] / "docs" / "policy.md").read_text(encoding="utf-8")
QUERY = re.compile(
    r"```sql\n-- (?P<word>accepted|refused) by (?P<policies>[a-z -]+?)"
    r"(?: to (?P<to>[a-z ]+?))?(?: for (?P<purpose>[a-z-]+))?\n(?P<sql>.*?)```",
    re.DOTALL,
)
QUERIES = [match.groupdict() for match in QUERY.finditer(DOCS)]


def read(name):
    file = Path(__file__).parent / "examples" / f"{name}.yaml"
    return parse_policy(file.read_text(encoding="utf-8"), file.name)


def scan_of(policy):
    owner, table = policy.metadata.dataset.split("/")
    fields = (Field(name, parse_type(column.type)) for name, column in policy.spec.columns.items())
    return Scan(table, policy.metadata.dataset, owner, tuple(fields))


def verdict_on(query):
    policies = [read(name) for name in query["policies"].split()]
    grant = policies[0].spec.grants[0]
    recipients = tuple((query["to"] or grant.to[0]).split())
    tables = {policy.metadata.dataset.split("/")[1]: scan_of(policy) for policy in policies}
    asked = protections_of({policy.metadata.dataset: policy for policy in policies})
    plan = compile_query(query["sql"], tables, recipients, ("ewr", "jfk", "lga"), asked)
    request = Request(query["purpose"] or grant.purposes[0])
    return verify(plan, {policy.metadata.dataset: policy for policy in policies}, request)


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: file.stem)
def test_the_docs_show_the_example(file):
    assert f"```yaml\n{file.read_text(encoding='utf-8')}```" in DOCS


@pytest.mark.parametrize("query", QUERIES, ids=lambda query: f"{query['word']} by {query['policies']}")
def test_a_query_in_the_docs_is_decided_as_they_say(query):
    verdict = verdict_on(query)
    assert verdict.decision == {"accepted": "accept", "refused": "reject"}[query["word"]], explain(verdict)


def test_every_query_in_the_docs_is_read():
    assert len(QUERIES) == DOCS.count("```sql") >= 10


def test_ten_examples_and_more_come_in_the_order_of_their_table_each_with_what_it_accepts():
    table = re.findall(r"^\| \d+ \| \[.*?\]\(#(.+?)\)", DOCS, re.MULTILINE)
    named = ["delays", "filter", "conditions", "expressions", "distinct", "recipients", "join-left join-right", "reserved", "minimum",
             "plain", "padding", "noise"]  # fmt: skip
    assert len(table) == len(named) >= 10
    assert {name for names in named for name in names.split()} == {file.stem for file in EXAMPLES}
    places = [DOCS.index(f"-- accepted by {name}") for name in named]
    assert places == sorted(places)
    headings = [re.sub(r"[^a-z -]", "", line.lstrip("# ").lower()).replace(" ", "-") for line in
                re.findall(r"^##+ .*$", DOCS, re.MULTILINE)]  # fmt: skip
    at = [headings.index(anchor) for anchor in table]
    assert at == sorted(at)


def test_the_refusal_in_the_docs_is_what_is_printed():
    refused = next(query for query in QUERIES if "SUM(arr_delay) AS total" in query["sql"])
    printed = explain(verdict_on(refused), lambda at: "workflows/delays.yaml:12:25").split("\n", 1)[1]
    assert f"```\n{printed}\n```" in DOCS


def test_the_noise_in_the_docs_is_what_a_plan_says():
    query = next(query for query in QUERIES if query["policies"] == "noise" and query["word"] == "accepted")
    printed = [o.what for o in verdict_on(query).obligations if o.what.startswith("stays, with noise")]
    assert f"```\n{printed[0]}\n```" in DOCS


def test_the_docs_name_every_capability():
    table = DOCS.split("## Capabilities")[1].split("###")[0]
    assert all(f"`{capability}`" in table for capability in get_args(Capability))


def test_the_acceptance_in_the_docs_is_what_is_printed():
    accepted = next(query for query in QUERIES if query["policies"] == "padding")
    assert f"```\n{explain(verdict_on(accepted))}\n```" in DOCS
