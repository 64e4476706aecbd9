"""CoreDNS as a pod in kube-system, behind the Service that every pod's resolver asks."""

import base64
import json
from pathlib import Path
from urllib.parse import urlsplit

from tests.cluster.binaries import binary
from tests.cluster.client import Client
from tests.cluster.control_plane import ControlPlane
from tests.cluster.pods.containerd import Containerd
from tests.cluster.pods.images import REGISTRY, one_program_image
from tests.cluster.pods.kubelet import DNS_ADDRESS, DOMAIN
from tests.cluster.pods.machine import GATEWAY
from tests.cluster.process import wait_until

NAMESPACE, NAME = "kube-system", "ccdt-dns"
LABELS = {"k8s-app": "kube-dns"}
COREFILE = f"""
.:53 {{
    errors
    ready
    kubernetes {DOMAIN} {{
        kubeconfig /etc/coredns/kubeconfig
    }}
}}
"""


def start_dns(plane: ControlPlane, containerd: Containerd) -> None:
    """Create CoreDNS in the cluster, and wait until it answers."""
    admin = plane.client()
    containerd.ctr(
        "images",
        "import",
        one_program_image(containerd.machine.directory, NAME, binary("coredns", "coredns"), "/bin/coredns"),
    )
    _may_read(admin)
    secret = {"Corefile": COREFILE, "kubeconfig": _kubeconfig(plane)}
    admin.create(_object("v1", "Secret", stringData=secret))
    admin.create(_object("v1", "Pod", spec=_pod_spec()))
    ports = [{"name": protocol.lower(), "protocol": protocol, "port": 53} for protocol in ("UDP", "TCP")]
    admin.create(_object("v1", "Service", spec={"clusterIP": DNS_ADDRESS, "selector": LABELS, "ports": ports}))
    wait_until(lambda: _is_ready(admin), "CoreDNS is ready", timeout_s=120)


def _is_ready(admin: Client) -> bool:
    conditions = admin.get("v1", "Pod", NAME, NAMESPACE).get("status", {}).get("conditions", [])
    return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)


def _object(version: str, kind: str, **rest: object) -> dict[str, object]:
    return {
        "apiVersion": version,
        "kind": kind,
        "metadata": {"name": NAME, "namespace": NAMESPACE, "labels": LABELS},
        **rest,
    }


def _pod_spec() -> dict[str, object]:
    return {
        "automountServiceAccountToken": False,
        "dnsPolicy": "Default",
        "containers": [
            {
                "name": "coredns",
                "image": f"{REGISTRY}/{NAME}:test",
                "imagePullPolicy": "Never",
                "args": ["-conf", "/etc/coredns/Corefile"],
                "securityContext": {"runAsUser": 0},  # for port 53
                "readinessProbe": {"httpGet": {"path": "/ready", "port": 8181}, "periodSeconds": 1},
                "volumeMounts": [{"name": "configuration", "mountPath": "/etc/coredns", "readOnly": True}],
            }
        ],
        "volumes": [{"name": "configuration", "secret": {"secretName": NAME}}],
    }


def _kubeconfig(plane: ControlPlane) -> str:
    """Return a kubeconfig with everything in it, for the address at which pods reach the API server."""
    document = json.loads(plane.kubeconfig(f"{NAME}").read_text())
    [cluster], [user] = document["clusters"], document["users"]
    certificate, key = user["user"]["client-certificate"], user["user"]["client-key"]
    port = urlsplit(plane.url).port
    cluster["cluster"] = {
        "server": f"https://{GATEWAY}:{port}",
        "tls-server-name": "localhost",
        "certificate-authority-data": _data(cluster["cluster"]["certificate-authority"]),
    }
    user["user"] = {"client-certificate-data": _data(certificate), "client-key-data": _data(key)}
    return json.dumps(document)


def _data(path: str) -> str:
    return base64.b64encode(Path(path).read_bytes()).decode()


def _may_read(admin: Client) -> None:
    rules = [
        {"apiGroups": [""], "resources": ["services", "pods", "namespaces"], "verbs": ["list", "watch"]},
        {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": ["list", "watch"]},
    ]
    group = "rbac.authorization.k8s.io"
    role = {"apiVersion": f"{group}/v1", "kind": "ClusterRole", "metadata": {"name": NAME}, "rules": rules}
    subject = {"apiGroup": group, "kind": "User", "name": NAME}
    admin.create(role)
    admin.create(
        {
            "apiVersion": f"{group}/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": NAME},
            "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": NAME},
            "subjects": [subject],
        }
    )
