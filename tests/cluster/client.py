"""The official client, with what our tests ask of it: server-side apply, strict, and the API server's warnings."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from kubernetes import client
from kubernetes.client.exceptions import ApiException
from kubernetes.dynamic import DynamicClient, Resource

FIELD_MANAGER = "argocd-controller"
WARNING = re.compile(r'299 \S+ "((?:[^"\\]|\\.)*)"')

Object = Mapping[str, Any]


class Refused(Exception):
    """The API server has refused a request; `code` is HTTP's, the text its message."""

    def __init__(self, code: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.message = message


@dataclass
class Client:
    """One user's client. `warnings` collects what the API server warned it of."""

    api: client.ApiClient
    warnings: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._dynamic = DynamicClient(self.api)

    def apply(self, manifest: Object, manager: str = FIELD_MANAGER, dry_run: bool = False) -> dict[str, Any]:
        """Apply server-side with strict field validation, as Argo CD does; return what the cluster now has.

        Raises:  Refused.
        """
        query = [("fieldManager", manager), ("fieldValidation", "Strict"), ("force", "true")]
        return self._send("PATCH", manifest, query, dry_run, content_type="application/apply-patch+yaml")

    def create(self, manifest: Object, dry_run: bool = False) -> dict[str, Any]:
        """Create an object with strict field validation.

        Raises:  Refused.
        """
        return self._send("POST", manifest, [("fieldValidation", "Strict")], dry_run, named=False)

    def patch_status(self, manifest: Object) -> dict[str, Any]:
        """Merge the object's status into what the cluster has.

        Raises:  Refused.
        """
        body = {"status": manifest["status"]}
        path = f"{self._path(manifest)}/status"
        return self._request("PATCH", path, body, [], "application/strategic-merge-patch+json")

    def bind(self, pod: Object, node: str) -> None:
        """Put a pod onto a node, as the scheduler does.

        Raises:  Refused.
        """
        body = {
            "apiVersion": "v1",
            "kind": "Binding",
            "metadata": {"name": pod["metadata"]["name"]},
            "target": {"apiVersion": "v1", "kind": "Node", "name": node},
        }
        self._request("POST", f"{self._path(pod)}/binding", body, [], "application/json")

    def get(self, version: str, kind: str, name: str, namespace: str | None = None) -> dict[str, Any]:
        """Return an object, managed fields and all.

        Raises:  Refused if there is none, or if it may not be read.
        """
        path = self._resource(version, kind).path(name=name, namespace=namespace)
        return self._request("GET", path, None, [], None)

    def exists(self, version: str, kind: str, name: str, namespace: str | None = None) -> bool:
        """Whether there is such an object."""
        try:
            self.get(version, kind, name, namespace)
        except Refused as error:
            if error.code != 404:
                raise
            return False
        return True

    def list(self, version: str, kind: str, namespace: str | None = None, selector: str = "") -> list[dict[str, Any]]:
        """Return the objects of a kind, of one namespace or of all."""
        path = self._resource(version, kind).path(namespace=namespace)
        items: list[dict[str, Any]] = self._request("GET", path, None, [("labelSelector", selector)], None)["items"]
        return [{"apiVersion": version, "kind": kind, **item} for item in items]

    def delete(self, version: str, kind: str, name: str, namespace: str | None = None) -> None:
        """Delete an object and, in the background, what it owns.

        Raises:  Refused.
        """
        path = self._resource(version, kind).path(name=name, namespace=namespace)
        self._request("DELETE", path, {"propagationPolicy": "Background"}, [], "application/json")

    def server_version(self) -> dict[str, Any]:
        """Return what the API server says of itself."""
        return self._request("GET", "/version", None, [], None)

    def _send(
        self,
        method: str,
        manifest: Object,
        query: list[tuple[str, str]],
        dry_run: bool,
        content_type: str = "application/json",
        named: bool = True,
    ) -> dict[str, Any]:
        query = [*query, ("dryRun", "All")] if dry_run else query
        return self._request(method, self._path(manifest, named), manifest, query, content_type)

    def _path(self, manifest: Object, named: bool = True) -> str:
        metadata = manifest["metadata"]
        resource = self._resource(manifest["apiVersion"], manifest["kind"])
        path: str = resource.path(name=metadata["name"] if named else None, namespace=metadata.get("namespace"))
        return path

    def _resource(self, version: str, kind: str) -> Resource:
        return self._dynamic.resources.get(api_version=version, kind=kind)

    def _request(
        self, method: str, path: str, body: Object | None, query: list[tuple[str, str]], content_type: str | None
    ) -> dict[str, Any]:
        headers = {"Accept": "application/json"}
        if content_type:
            headers["Content-Type"] = content_type
        try:
            # JSON is YAML: the same body serves server-side apply.
            response = self.api.request(
                method, f"{self.api.configuration.host}{path}", query_params=query, headers=headers, body=body
            )
        except ApiException as error:
            raise _refused(error) from None
        self.warnings += WARNING.findall(response.getheaders().get("Warning") or "")
        answer: dict[str, Any] = json.loads(response.data)
        return answer


def _refused(error: ApiException) -> Refused:
    try:
        status = json.loads(error.body or "")
        return Refused(error.status, status.get("reason", ""), status.get("message", ""))
    except (ValueError, AttributeError):
        return Refused(error.status, error.reason or "", str(error.body))
