"""What a kubelet would tell the API server: that there is a node, and how the containers of its pods ended.

It speaks as a node does, with a certificate of `system:nodes`: the Node authorizer and NodeRestriction are in force.
"""

from dataclasses import dataclass

from tests.cluster.client import Client
from tests.cluster.control_plane import ControlPlane
from tests.cluster.process import wait_until
from tests.cluster.tree import Manifest

INIT = ("fetch", "compute")
ALL = (*INIT, "publish")


@dataclass(frozen=True)
class Node:
    """A node without a kubelet."""

    name: str
    kubelet: Client
    scheduler: Client

    def run(self, pod: Manifest, container: str, exit_code: int) -> None:
        """Take the pod, and report that `container` was the last to run and ended with `exit_code`."""
        self.scheduler.bind(pod, self.name)
        last = ALL.index(container)
        codes = {**dict.fromkeys(ALL[:last], 0), container: exit_code}
        statuses = [_status(pod, name, codes.get(name)) for name in ALL]
        succeeded = exit_code == 0 and container == ALL[-1]
        self.kubelet.patch_status(
            {
                **pod,
                "status": {
                    "phase": "Succeeded" if succeeded else "Failed",
                    "initContainerStatuses": statuses[: len(INIT)],
                    "containerStatuses": statuses[len(INIT) :],
                },
            }
        )


def register_node(plane: ControlPlane, name: str) -> Node:
    """Return a node of that name, registered by itself."""
    kubelet = plane.client(f"system:node:{name}", "system:nodes")
    kubelet.create({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}})
    return Node(name, kubelet, plane.client())


def pods_of(client: Client, job: Manifest) -> list[Manifest]:
    """Return the pods that the Job controller has made for the Job, oldest first."""
    metadata = job["metadata"]
    selector = f"batch.kubernetes.io/job-name={metadata['name']}"
    pods = client.list_all("v1", "Pod", metadata["namespace"], selector)
    return sorted(pods, key=lambda pod: pod["metadata"]["creationTimestamp"])


def wait_for_pods(client: Client, job: Manifest, n: int) -> list[Manifest]:
    """Wait until the Job has had `n` pods; return them."""
    what = f"Job {job['metadata']['name']} has {n} pods"
    wait_until(lambda: len(pods_of(client, job)) >= n, what)
    return pods_of(client, job)


def _status(pod: Manifest, name: str, exit_code: int | None) -> Manifest:
    [image] = {container["image"] for container in pod["spec"]["containers"]}
    if exit_code is None:
        state = {"waiting": {"reason": "PodInitializing"}}
    else:
        state = {"terminated": {"exitCode": exit_code, "reason": "Completed" if exit_code == 0 else "Error"}}
    return {"name": name, "image": image, "imageID": "", "ready": False, "restartCount": 0, "state": state}
