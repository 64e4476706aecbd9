"""No text from a document can become structure in a manifest."""

import json
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from renderer.configmap import config_map
from renderer.networkpolicy import allow_peers
from renderer.render import yaml_scalar
from renderer.spec import PlannedRun
from renderer.validate import check_object

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
HOSTILE = st.one_of(
    TEXT,
    st.sampled_from(
        [
            '"',
            '"}\nkind: Secret',
            "a: b",
            "- x",
            "#",
            "{{ 1 }}",
            "\x85",
            "\u2028",
            "\ufeff",
            "%",
            "\U0001f6eb",
            "\\u0041",
        ]
    ),
    st.text(st.sampled_from("\"'\\\n\r\t :{}[]#&*!|>%@`\x00\x85\u2028\ufeff\ufffe")),
)


def read(text: str) -> object:
    return YAML(typ="safe", pure=True).load(text)


@given(HOSTILE)
def test_a_scalar_is_read_back_as_it_was(text: str) -> None:
    assert read(f"a: {yaml_scalar(text)}\nb: 1\n") == {"a": text, "b": 1}
    assert read(f"[{yaml_scalar(text)}]") == [text]


@settings(max_examples=25)  # each is a whole manifest
@given(purpose=HOSTILE, query=HOSTILE)
def test_a_run_spec_is_read_back_as_it_was(run: PlannedRun, purpose: str, query: str) -> None:
    hostile = replace(run, run=run.run.model_copy(update={"purpose": purpose, "query": query}))
    member = hostile.members[0]

    text = config_map(hostile, member)

    assert check_object(text, "configmap.yaml", member.namespace) == ()
    document = read(text)
    assert isinstance(document, dict)
    assert list(document["data"]) == ["run.json"]
    spec = json.loads(document["data"]["run.json"])
    assert (spec["run"]["purpose"], spec["run"]["query"]) == (purpose, query)


def test_a_namespace_that_got_past_the_models_stays_a_scalar(run: PlannedRun) -> None:
    evil = 'x"\n          podSelector: {}'
    hostile = replace(run, members=tuple(replace(member, namespace=evil) for member in run.members))

    document = read(allow_peers(hostile, hostile.members[0]))

    assert isinstance(document, dict)
    peers = [source for rule in document["spec"]["ingress"] for source in rule["from"]]
    assert [peer["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"] for peer in peers] == [evil] * 2
    assert all(peer["podSelector"]["matchLabels"] for peer in peers)
