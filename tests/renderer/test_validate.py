"""What the published schemas let pass is still found before a cluster finds it."""

import pytest

from renderer.configmap import config_map
from renderer.job import job
from renderer.networkpolicy import allow_peers
from renderer.service import service
from renderer.serviceaccount import service_account
from renderer.spec import PlannedRun
from renderer.validate import check_object

MAKERS = {
    "job": job,
    "service": service,
    "networkpolicy": allow_peers,
    "configmap": config_map,
    "serviceaccount": service_account,
}
# (object, what stands there, what is put in its place, the field, a part of what is said)
CASES: list[tuple[str, str, str, str, str]] = [
    ("job", "restartPolicy: Never", "restartPolicy: Always", "restartPolicy", "cannot restart Always"),
    ("job", "restartPolicy: Never", "restartPolicy: OnFailure", "restartPolicy", "cannot restart OnFailure"),
    ("job", "action: FailJob", "action: Explode", "rules[0].action", "none of the words"),
    ("job", "operator: In", "operator: Is", "operator", "none of the words"),
    ("job", "type: RuntimeDefault", "type: Runtime", "seccompProfile.type", "none of the words"),
    ("job", "sizeLimit: 256Mi", "sizeLimit: 256 MB", "sizeLimit", "not a quantity"),
    ("job", "backoffLimit: 3", 'backoffLimit: "3"', "backoffLimit", "is not of type"),
    ("job", "backoffLimit: 3", "backoffLimt: 3", "spec", "backoffLimt"),
    ("job", "backoffLimit: 3", "completions: 1", "completions", "written twice"),
    ("job", "apiVersion: batch/v1", "apiVersion: batch/v2", "apiVersion", "no such version"),
    ("job", "apiVersion: batch/v1\nkind: Job", "apiVersion: v1\nkind: Secret", "kind", "not among the kinds"),
    ("job", '- name: "fetch"', '- name: "compute"', "initContainers[1].name", "name of an earlier one"),
    ("job", '- name: "fetch"', '- name: "Fetch"', "initContainers[0].name", "not a DNS label"),
    ("service", "protocol: TCP", "protocol: TLS", "ports[0].protocol", "none of the words"),
    ("service", "      port: 8443", "      port: 84430", "ports[0].port", "not a port"),
    ("networkpolicy", "[Ingress, Egress]", "[Ingress, Egres]", "policyTypes[1]", "none of the words"),
    ("networkpolicy", '"198.51.100.0/24"', '"198.51.100.1/24"', "cidr", "not an IP network"),
    ("networkpolicy", '"2001:db8::/32"', '"2001:db8/32"', "cidr", "not an IP network"),
    (
        "serviceaccount",
        'ccd.dev/party: "alpha"',
        'ccd.dev/party: "alpha beta"',
        "labels.ccd.dev/party",
        "label's value",
    ),
    ("serviceaccount", "ccd.dev/party:", "ccd.dev/par/ty:", "labels.ccd.dev/par/ty", "label's key"),
    ("serviceaccount", 'namespace: "hospital-a"', 'namespace: "hospital-b"', "namespace", "is not hospital-a"),
    ("serviceaccount", 'namespace: "hospital-a"', 'namespace: "Hospital"', "namespace", "not a namespace"),
    ("configmap", "kind: ConfigMap", "kind: Pod", "kind", "not among the kinds"),
]


@pytest.mark.parametrize("kind", MAKERS)
def test_what_is_rendered_is_valid(run: PlannedRun, kind: str) -> None:
    for member in run.members:
        assert check_object(MAKERS[kind](run, member), f"{kind}.yaml", member.namespace) == ()


@pytest.mark.parametrize(("kind", "old", "new", "field", "what"), CASES)
def test_what_kubernetes_would_refuse_is_found(
    run: PlannedRun, kind: str, old: str, new: str, field: str, what: str
) -> None:
    text = MAKERS[kind](run, run.members[0])
    assert old in text

    problems = check_object(text.replace(old, new, 1), f"{kind}.yaml", "hospital-a")

    assert [problem for problem in problems if problem.field.endswith(field) and what in problem.what], problems


@pytest.mark.parametrize("name", ["Upper", "1-service", "a" * 64, "under_score", ""])
def test_a_service_needs_a_dns_name(run: PlannedRun, name: str) -> None:
    text = service(run, run.members[0]).replace(f'name: "{run.run.run_id}-alpha"', f'name: "{name}"', 1)

    (problem,) = check_object(text, "service.yaml")

    assert problem.field == "metadata.name"
    assert problem.line == 7


def test_an_image_must_be_named_by_digest(run: PlannedRun) -> None:
    text = job(run, run.members[0]).replace(run.run.image, "worker:latest")

    assert {problem.what for problem in check_object(text, "job.yaml")} == {"is not named by its digest"}
