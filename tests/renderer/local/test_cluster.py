import json
import os
import stat
import typing

import pytest

from renderer.local.claim_store import MissingClaimsError
from renderer.local.failure import backoff_s
from renderer.local.load import ManifestError
from renderer.local.observe import ContainerEnded, ContainerStarted, PodWaits
from renderer.local.run import SOURCE_KEYS
from renderer.local.secret_store import MissingSecretsError
from worker.runspec import Source

FAIL_ON_30 = {"rules": [{"action": "FailJob", "onExitCodes": {"operator": "In", "values": [10, 20, 30, 70]}}]}


def test_containers_run_in_a_row_until_one_fails(lab):
    result = lab.run_job(lab.job("print('one')", "raise SystemExit(3)", "print('three')"))
    assert (result.exit_code, result.reason) == (3, "BackoffLimitExceeded")
    assert lab.lines() == ["one"]
    assert [(event.container, event.exit_code) for event in lab.of(ContainerEnded)] == [("c0", 0), ("c1", 3)]


def test_a_job_whose_containers_all_end_with_0_succeeds(lab):
    result = lab.run_job(lab.job("pass", "print('done')"))
    assert result.succeeded
    assert result.exit_code == 0


def test_an_exit_code_of_the_failure_policy_fails_the_job_without_another_attempt(lab):
    result = lab.run_job(lab.job("raise SystemExit(30)", backoffLimit=3, podFailurePolicy=FAIL_ON_30))
    assert (result.exit_code, result.reason) == (30, "PodFailurePolicy")
    assert len(lab.of(ContainerStarted)) == 1


def test_other_exit_codes_are_retried_after_growing_waits_until_the_limit(lab):
    result = lab.run_job(lab.job("raise SystemExit(40)", backoffLimit=2, podFailurePolicy=FAIL_ON_30))
    assert (result.exit_code, result.reason) == (40, "BackoffLimitExceeded")
    assert [event.attempt for event in lab.of(ContainerStarted)] == [1, 2, 3]
    assert [event.wait_s for event in lab.of(PodWaits)] == [backoff_s(1), backoff_s(2)]


def test_ignored_failures_do_not_count(lab):
    policy = {"rules": [{"action": "Ignore", "onExitCodes": {"operator": "NotIn", "values": [9]}}]}
    # The attempt's number is in the pod's name: ignored twice, then a failure that counts.
    script = "import os; raise SystemExit(9 if os.environ['NAME'].endswith('-3') else 8)"
    job = lab.job(script, podFailurePolicy=policy)
    job["spec"]["template"]["spec"]["containers"][0]["env"] = [
        {"name": "NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}
    ]
    result = lab.run_job(job)
    assert (result.exit_code, result.reason) == (9, "BackoffLimitExceeded")
    assert len(lab.of(ContainerStarted)) == 3


def test_a_process_killed_by_a_signal_ends_with_128_and_its_number(lab):
    result = lab.run_job(lab.job("import os; os.kill(os.getpid(), 9)"))
    assert result.exit_code == 137


def test_a_job_beyond_its_deadline_is_ended(lab):
    result = lab.run_job(lab.job("import signal; signal.pause()", activeDeadlineSeconds=1))
    assert (result.exit_code, result.reason) == (40, "DeadlineExceeded")
    assert not process_exists(lab.of(ContainerStarted)[0].pid)


def test_a_container_has_the_manifests_environment_and_nothing_inherited(lab, monkeypatch):
    monkeypatch.setenv("OS_PASSWORD", "hunter2")
    job = lab.job("import json, os; print(json.dumps(dict(os.environ)))")
    job["spec"]["template"]["spec"]["containers"][0]["env"] = [
        {"name": "POD_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
        {"name": "COLOUR", "value": "blue"},
    ]
    lab.run_job(job)
    environment = json.loads(lab.lines()[0])
    assert environment.pop("POD_IP").startswith("127.")
    assert environment.pop("COLOUR") == "blue"
    environment.pop("LC_CTYPE", None)  # Python sets it for itself
    assert sorted(environment) == ["CCD_HOSTS", "HOME", "PATH", "TMPDIR"]


def test_only_secrets_mounted_into_a_container_can_be_seen_in_it(lab):
    lab.secret("hospital-a", "identity", **{"tls.key": "key"})
    lab.secret("hospital-a", "store", ST_KEY="password")
    lab.secret("hospital-b", "other", ST_KEY="foreign")
    look = (
        "import os, stat\n"
        "for d, _, files in os.walk('..', followlinks=True):\n"
        "  for f in files:\n"
        "    p = os.path.join(d, f)\n"
        "    print(os.path.relpath(p, '.'), open(p).read(), oct(stat.S_IMODE(os.stat(p).st_mode)))"
    )
    job = lab.job(look, look)
    pod = job["spec"]["template"]["spec"]
    pod["volumes"] = [
        {"name": name, "secret": {"secretName": name, "defaultMode": 288}} for name in ("identity", "store")
    ]
    for container, name in ((pod["initContainers"][0], "identity"), (pod["containers"][0], "store")):
        container["volumeMounts"] = [{"name": name, "mountPath": f"/var/run/ccd/secrets/{name}", "readOnly": True}]
    assert lab.run_job(job).succeeded
    assert lab.lines() == [
        "var/run/ccd/secrets/identity/tls.key key 0o600",
        "var/run/ccd/secrets/store/ST_KEY password 0o600",
    ]


def test_a_missing_secret_is_named_with_its_place_before_anything_starts(lab):
    job = lab.job("pass")
    items = [{"key": "tls.key", "path": "tls.key"}]
    job["spec"]["template"]["spec"]["volumes"] = [
        {"name": "identity", "secret": {"secretName": "ccd-identity", "items": items}}
    ]
    with pytest.raises(MissingSecretsError, match=r"hospital-a has no Secret ccd-identity: .*tls\.key"):
        lab.run_job(job)
    assert lab.events == []


def test_the_empty_dir_is_shared_by_the_pods_containers_and_fresh_in_each_attempt(lab):
    write = (
        "import os; print(sorted(os.listdir('work'))); open('work/data', 'w').write('x')\n"
        "print(oct(os.stat('work').st_mode & 0o777), os.path.realpath('work'))"
    )
    read = "print(open('work/data').read()); raise SystemExit(40)"
    job = lab.job(write, read, backoffLimit=1)
    pod = job["spec"]["template"]["spec"]
    pod["volumes"] = [{"name": "work", "emptyDir": {"sizeLimit": "1Gi"}}]
    for container in (*pod["initContainers"], *pod["containers"]):
        container["volumeMounts"] = [{"name": "work", "mountPath": "/work"}]
    lab.run_job(job)
    first, second = lab.lines()[:3], lab.lines()[3:]
    assert (first[0], first[2]) == (second[0], second[2]) == ("[]", "x")
    assert first[1].startswith("0o700 ")
    assert first[1] != second[1]
    assert list(lab.pods.iterdir()) == []


def test_a_config_map_is_a_directory_of_files(lab):
    config_map = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "run", "namespace": "hospital-a"},
        "immutable": True,
        "data": {"run.json": '{"a": 1}\n'},
    }
    lab.write(config_map, "configmap.yaml")
    job = lab.job("print(open('etc/ccd/run.json').read())")
    pod = job["spec"]["template"]["spec"]
    pod["volumes"] = [{"name": "run", "configMap": {"name": "run"}}]
    pod["containers"][0]["volumeMounts"] = [{"name": "run", "mountPath": "/etc/ccd", "readOnly": True}]
    assert lab.run_job(job).succeeded
    assert lab.lines()[0] == '{"a": 1}'


def test_service_names_lead_to_the_pods_they_select(lab):
    for namespace in ("hospital-a", "hospital-b"):
        service = {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "worker", "namespace": namespace},
            "spec": {
                "clusterIP": "None",
                "publishNotReadyAddresses": True,
                "selector": {"ccd.dev/party": namespace},
                "ports": [{"name": "tls", "protocol": "TCP", "port": 8443, "targetPort": 8443}],
            },
        }
        lab.write(service, "service.yaml")
        job = lab.job("import os; print(open(os.environ['CCD_HOSTS']).read())", namespace=namespace)
        lab.write(job, "job.yaml")
    lab.run()
    addresses = dict(reversed(line.split()) for line in lab.lines() if line)
    assert len(set(addresses.values())) == 2
    assert {
        f"worker.{namespace}{suffix}"
        for namespace in ("hospital-a", "hospital-b")
        for suffix in ("", ".svc", ".svc.cluster.local")
    } == set(addresses)


@pytest.mark.parametrize(
    ("place", "field", "value"),
    [
        ((), "nodeName", "a"),
        (("containers", 0), "livenessProbe", {}),
        (("containers", 0), "envFrom", []),
        (("volumes", 0), "hostPath", {"path": "/"}),
        ((), "restartPolicy", "OnFailure"),
        ((), "hostNetwork", True),
    ],
)
def test_what_the_cluster_does_not_know_is_refused_with_its_place(lab, place, field, value):
    job = lab.job("pass")
    job["spec"]["template"]["spec"]["volumes"] = [{"name": "v", "emptyDir": {}}]
    target = job["spec"]["template"]["spec"]
    for step in place:
        target = target[step]
    target[field] = value
    path = lab.write(job, "job.yaml")
    with pytest.raises(ManifestError, match=rf"{path}: spec\.template\.spec\..*{field}"):
        lab.run()


def test_an_unknown_kind_and_a_foreign_namespace_are_refused(lab):
    lab.write({"kind": "Role", "metadata": {"namespace": "hospital-a"}}, "role.yaml")
    with pytest.raises(ManifestError, match=r"role\.yaml: kind 'Role'"):
        lab.run()
    path = lab.write(lab.job("pass"), "role.yaml")
    path.write_text(path.read_text().replace("namespace: hospital-a", "namespace: hospital-b"))
    with pytest.raises(ManifestError, match="must be hospital-a"):
        lab.run()


def test_a_command_that_is_not_installed_beside_the_interpreter_is_refused(lab):
    job = lab.job("pass")
    job["spec"]["template"]["spec"]["containers"][0]["command"] = ["/bin/sh"]
    with pytest.raises(ManifestError, match="no program beside"):
        lab.run_job(job)


def test_what_a_killed_cluster_left_is_removed_by_the_next(lab):
    left = lab.pods / "cluster-left"
    left.mkdir(parents=True)
    (left / "lock").touch()
    (left / "data.csv").write_text("secret")
    lab.run_job(lab.job("pass"))
    assert list(lab.pods.iterdir()) == []


def test_the_pods_directories_are_private(lab):
    script = "import os; print(oct(os.stat('.').st_mode & 0o777), oct(os.stat('../..').st_mode & 0o777))"
    lab.run_job(lab.job(script))
    assert lab.lines() == ["0o700 0o700"]
    assert stat.S_IMODE(lab.pods.stat().st_mode) == 0o700


def process_exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_work_directories_are_kept_on_request_until_the_next_run_but_never_secrets(lab):
    lab.secret("hospital-a", "store", ST_KEY="password")
    job = lab.job("open('work/result', 'w').write('x')")
    pod = job["spec"]["template"]["spec"]
    pod["volumes"] = [{"name": "work", "emptyDir": {}}, {"name": "store", "secret": {"secretName": "store"}}]
    pod["containers"][0]["volumeMounts"] = [
        {"name": "work", "mountPath": "/work"},
        {"name": "store", "mountPath": "/var/run/ccd/secrets/store"},
    ]
    lab.keep = True
    lab.run_job(job)
    kept = [path.name for path in lab.pods.rglob("*") if path.is_file()]
    assert "result" in kept
    assert "ST_KEY" not in kept
    lab.keep = False
    lab.run_job(job)
    assert list(lab.pods.iterdir()) == []


def claiming(lab, **changes):
    job = lab.job(
        "import os; print(open('data/visits/visits.csv').read(), os.listdir('data'))",
        "import os; print(os.path.exists('data'))",
    )
    pod = job["spec"]["template"]["spec"]
    pod["volumes"] = [{"name": "claim-visits", "persistentVolumeClaim": {"claimName": "visits", "readOnly": True}}]
    mount = {"name": "claim-visits", "mountPath": "/data/visits", "readOnly": True} | changes
    pod["initContainers"][0]["volumeMounts"] = [mount]
    return job


def test_a_directory_stands_for_a_claim_in_the_containers_that_mount_it(lab):
    for namespace, rows in (("hospital-a", "own"), ("hospital-b", "foreign")):
        (lab.root / "volumes" / namespace / "visits").mkdir(parents=True)
        (lab.root / "volumes" / namespace / "visits" / "visits.csv").write_text(rows)
    assert lab.run_job(claiming(lab)).succeeded
    assert lab.lines() == ["own ['visits']", "False"]
    assert (lab.root / "volumes/hospital-a/visits/visits.csv").read_text() == "own"  # outlives the pod


def test_a_missing_claim_is_named_with_its_place_before_anything_starts(lab):
    with pytest.raises(MissingClaimsError, match="hospital-a has no volume for the claim visits") as error:
        lab.run_job(claiming(lab))
    assert "volumes/hospital-a/visits" in error.value.fix
    assert lab.events == []


def test_a_claim_that_a_container_could_write_to_is_refused(lab):
    with pytest.raises(ManifestError, match="could write to 'claim-visits'"):
        lab.run_job(claiming(lab, readOnly=False))


def test_of_every_kind_of_place_it_is_known_what_its_secret_holds():
    kinds, _ = typing.get_args(Source)
    backends = {typing.get_args(kind.model_fields["backend"].annotation)[0] for kind in typing.get_args(kinds)}
    assert set(SOURCE_KEYS) == backends
