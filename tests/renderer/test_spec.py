"""Run specs are a pure function of the documents, and the run id is a function of all that is rendered."""

import shutil
from pathlib import Path

import pytest

from conclave.ir.walk import scans_in
from policy.problem import DocumentError
from policy.yaml import read_yaml
from renderer import names
from renderer.check import load_workspace
from renderer.documents import Workspace, read_workspace
from renderer.job import secrets_of_compute, secrets_of_fetch, secrets_of_publish
from renderer.layout import rendered_files
from renderer.networkpolicy import allow_peers
from renderer.spec import PlannedRun, choose_compute
from tests.renderer.conftest import FEDERATION, NOW, edit, plan
from tests.renderer.mistakes import DATAVERSE_PLACE, SWIFT_PLACE
from worker.runspec import DataverseSource, RunSpec, tables_of


def test_members_are_owners_recipients_and_compute_parties_by_name(run: PlannedRun) -> None:
    assert [member.name for member in run.run.members] == ["alpha", "bravo", "carol"]
    assert [member.name for member in run.members] == ["alpha", "bravo", "carol"]
    assert run.run.mpc.compute == ("alpha", "bravo", "carol")


def test_hosts_are_services_in_the_members_namespaces(run: PlannedRun) -> None:
    hosts = {member.name: member.host for member in run.run.members}

    assert hosts["bravo"] == f"{run.run.run_id}-bravo.hospital-b.svc"


def test_each_party_is_told_only_its_own_sources_and_places(run: PlannedRun) -> None:
    alpha, bravo, carol = (member.own for member in run.members)

    assert [source.dataset for source in alpha.sources] == ["alpha/visits"]  # its beds are not asked for
    assert alpha.output is not None
    assert (alpha.output.container, alpha.output.credentials) == ("answers", "alpha-output")
    assert bravo.output is None
    assert bravo.records is not None
    assert (carol.sources, carol.output, carol.records) == ((), None, None)


def test_the_writer_is_told_with_which_accounts_the_other_recipients_read(federation: Path, run: PlannedRun) -> None:
    assert "readers" not in run.run_spec(run.members[0]).model_dump_json()
    for party, account in (("alpha", "0a:*"), ("bravo", "0b:*"), ("carol", "0c:ann")):
        edit(federation, f"parties/{party}.yaml", "spec:\n", f'spec:\n  readsAs: "{account}"\n')

    alpha, bravo, _ = (member.own for member in plan(read_workspace(federation)).members)

    assert alpha.output is not None
    assert alpha.output.readers == ("0c:ann",)  # it writes itself, and bravo is no recipient
    assert bravo.records is not None
    assert bravo.records.readers == ()


def test_keys_of_several_columns_reach_the_scans_in_one_order_whoever_wrote_them(federation: Path) -> None:
    before = plan(read_workspace(federation)).run
    assert "keys" not in before.model_dump_json()  # a run of before there were any is called as it was
    ids = []
    for columns in ("[ward, kind]", "[kind, ward]"):
        workspace = federation / columns.strip("[]").replace(", ", "-")
        shutil.copytree(FEDERATION, workspace)
        keys = f"\n      keys: [{{columns: {columns}}}, {{columns: {columns}, unique: table}}]"
        edit(workspace, "parties/alpha.yaml", "nullText: NA", f"nullText: NA{keys}")
        run = plan(read_workspace(workspace)).run
        ids.append(run.run_id)
        visits = next(scan for scan in scans_in(tables_of(run)["visits"]) if scan.owner == "alpha")
        assert visits.keys == visits.keys_in_table == {("kind", "ward")}
    assert ids[0] == ids[1] != before.run_id


@pytest.mark.parametrize("account", [".r:*", "*:*", "*", "a,b", "a:b:c", "-a", ""])
def test_an_account_that_would_open_a_result_to_everybody_is_no_account(federation: Path, account: str) -> None:
    edit(federation, "parties/carol.yaml", "spec:\n", f'spec:\n  readsAs: "{account}"\n')

    with pytest.raises(DocumentError, match=r"carol.yaml:\d+:\d+: spec.readsAs"):
        plan(read_workspace(federation))


def test_the_shared_part_is_the_same_for_everyone(run: PlannedRun) -> None:
    assert len({run.run_spec(member).run.model_dump_json() for member in run.members}) == 1


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("visits-by-ward.yaml", "purpose: planning", "purpose: research"),
        ("visits-by-ward.yaml", "GROUP BY ward", "GROUP BY  ward"),
        ("visits-by-ward.yaml", "deadlines: {jobSeconds: 600}", "deadlines: {jobSeconds: 601}"),
        ("visits-by-ward.yaml", "deadlines: {jobSeconds: 600}", "deadlines: {jobSeconds: 600}\n  run: 2"),
        ("visits-by-ward.yaml", "format: json", "format: csv"),
        ("federation.yaml", "0000ff", "0000fe"),
        ("parties/alpha.yaml", "namespace: hospital-a", "namespace: hospital-c"),
        ("parties/alpha.yaml", "object: 2024/visits.csv", "object: 2025/visits.csv"),
        ("parties/alpha.yaml", "cpu: 2", "cpu: 3"),
        ("parties/bravo.yaml", "port: 443", "port: 8443"),
        ("parties/bravo.yaml", "secret: bravo-key", "secret: bravo-key-2"),
    ],
)
def test_the_run_id_changes_with_everything_that_is_rendered(
    federation: Path, run: PlannedRun, file: str, old: str, new: str
) -> None:
    edit(federation, file, old, new)

    changed = plan(read_workspace(federation)).run.run_id

    assert changed != run.run.run_id
    assert changed.startswith("visits-by-ward-")


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("visits-by-ward.yaml", "  query: |", "  # a comment\n  query: |"),
        ("visits-by-ward.yaml", "[carol, alpha]", "[alpha, carol]"),
        ("parties/alpha.yaml", "@alpha/stewards", "@alpha/board"),
        ("parties/alpha.yaml", "beds: {type: integer}", "beds: {type: bigint}"),  # a dataset of no concern here
        ("federation.yaml", "wards/federation.git", "wards/moved.git"),
    ],
)
def test_the_run_id_stays_when_nothing_that_runs_changes(
    federation: Path, run: PlannedRun, file: str, old: str, new: str
) -> None:
    edit(federation, file, old, new)

    assert plan(read_workspace(federation)).run.run_id == run.run.run_id


ELSEWHERE = "  dns: {namespace: openshift-dns, podLabels: {app: dns}, port: 5353}\n"


def test_a_party_s_own_name_servers_come_before_the_federation_s(federation: Path, run: PlannedRun) -> None:
    before = {member.name: member.dns for member in run.members}
    with (federation / "workflows/federation.yaml").open("a") as file:
        file.write(ELSEWHERE)
    shared = plan(read_workspace(federation))
    with (federation / "workflows/parties/bravo.yaml").open("a") as file:
        file.write("  dns: {namespace: kube-system, podLabels: {k8s-app: kube-dns}}\n")
    own = plan(read_workspace(federation))

    assert {dns.port for dns in before.values()} == {53}
    assert {member.name: member.dns.port for member in shared.members} == {"alpha": 5353, "bravo": 5353, "carol": 5353}
    assert {member.name: member.dns.port for member in own.members} == {"alpha": 5353, "bravo": 53, "carol": 5353}
    # A NetworkPolicy is part of what was reviewed.
    assert len({run.run.run_id, shared.run.run_id, own.run.run_id}) == 3


def test_the_usual_name_servers_need_not_be_said(federation: Path, run: PlannedRun) -> None:
    with (federation / "workflows/federation.yaml").open("a") as file:
        file.write("  dns: {namespace: kube-system, podLabels: {k8s-app: kube-dns}, port: 53}\n")

    assert plan(read_workspace(federation)) == run


def test_every_pod_of_a_namespace_and_a_node_s_cache_can_be_name_servers(federation: Path) -> None:
    with (federation / "workflows/federation.yaml").open("a") as file:
        file.write("  dns: {namespace: dns, podLabels: {}, addresses: [{cidr: 169.254.20.10/32}]}\n")
    planned = plan(read_workspace(federation))
    policy = read_yaml(allow_peers(planned, planned.members[0]), "networkpolicy-peers.yaml")[0]
    pods, cache = policy["spec"]["egress"][2:4]

    assert pods["to"][0]["podSelector"] == {"matchLabels": {}}
    assert cache["to"] == [{"ipBlock": {"cidr": "169.254.20.10/32"}}]
    assert pods["ports"] == cache["ports"] == [{"protocol": name, "port": 53} for name in ("UDP", "TCP")]


def test_planning_twice_gives_the_same(run: PlannedRun) -> None:
    assert plan(read_workspace(FEDERATION)) == run


def test_compute_parties_are_owners_then_helping_recipients_then_helpers(workspace: Workspace) -> None:
    workflow = workspace.workflows["visits-by-ward"].model
    carol = workspace.party_models["carol"]
    parties = {**workspace.party_models, "abel": carol, "zoe": carol}

    assert choose_compute(workflow, parties) == ("alpha", "bravo", "carol")  # abel is first by name, carol receives
    assert choose_compute(workflow, {name: parties[name] for name in ("alpha", "bravo")}) == ("alpha", "bravo")


def test_who_pays_is_a_label_of_every_object_and_part_of_the_runs_name(federation: Path) -> None:
    before = plan(read_workspace(federation))
    edit(federation, "visits-by-ward.yaml", "  deadlines:", "  billTo: grant-4711\n  deadlines:")
    workspace = read_workspace(federation)
    files = [file for file in rendered_files(workspace) if names.RENDERED in file.path.parents]

    assert plan(workspace).run.run_id != before.run.run_id
    assert all('ccd.dev/bill-to: "grant-4711"' in file.text for file in files)


def test_a_dataset_in_dataverse_is_told_whole_and_its_token_is_fetchs_alone(federation: Path) -> None:
    lines = [
        DATAVERSE_PLACE,
        "form: archival",
        "format: tab",
        "storage: [https://s3.example.org]",
        "credentials: bravo-token",
    ]
    edit(federation, "parties/bravo.yaml", SWIFT_PLACE, "\n      ".join(lines))
    planned = plan(load_workspace(federation, NOW))
    (member,) = (member for member in planned.members if member.name == "bravo")

    (source,) = member.own.sources
    assert isinstance(source, DataverseSource)
    assert (source.url, source.persistent_id, source.version, source.file) == (
        "https://data.example.org",
        "doi:10.5072/FK2/ABC",
        "1.0",
        "2024/visits.csv",
    )
    assert (source.form, source.storage, source.credentials) == (
        "archival",
        ("https://s3.example.org",),
        "bravo-token",
    )
    assert "bravo-token" in secrets_of_fetch(member.own)
    assert "bravo-token" not in secrets_of_compute(member.own) | secrets_of_publish(member.own)
    text = planned.run_spec(member).model_dump_json(by_alias=True)
    assert RunSpec.model_validate_json(text) == planned.run_spec(member)


@pytest.mark.parametrize("file", ["42", "'42'"])
def test_a_number_is_a_file_number_and_a_text_its_name(federation: Path, file: str) -> None:
    edit(federation, "parties/bravo.yaml", SWIFT_PLACE, DATAVERSE_PLACE.replace("2024/visits.csv", file))
    planned = plan(load_workspace(federation, NOW))

    (source,) = next(member for member in planned.members if member.name == "bravo").own.sources

    assert isinstance(source, DataverseSource)
    assert source.file == (42 if file == "42" else "42")
