"""The official client, with what our tests ask of it: server-side apply, strict, and the API server's warnings."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from kubernetes import client
from kubernetes.dynamic import DynamicClient, Resource
from kubernetes.dynamic.exceptions import ResourceNotFoundError

APPLY = "application/apply-patch+yaml"
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
    cache: Path  # of what the API server serves
    warnings: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._dynamic = DynamicClient(self.api, cache_file=str(self.cache))

    def apply(self, manifest: Object, manager: str = FIELD_MANAGER, dry_run: bool = False) -> dict[str, Any]:
        """Apply server-side with strict field validation, as Argo CD does; return what the cluster now has.

        Raises:  Refused.
        """
        query = [("fieldManager", manager), ("fieldValidation", "Strict"), ("force", "true")]
        return self._send("PATCH", manifest, query, dry_run, content_type=APPLY)

    def create(self, manifest: Object, dry_run: bool = False) -> dict[str, Any]:
        """Create an object with strict field validation.

        Raises:  Refused.
        """
        return self._send("POST", manifest, [("fieldValidation", "Strict")], dry_run, named=False)

    def replace(self, manifest: Object, subresource: str = "", dry_run: bool = False) -> dict[str, Any]:
        """Put an object in the place of what the cluster has.

        Raises:  Refused.
        """
        path = f"{self._path(manifest)}/{subresource}".rstrip("/")
        query = [("fieldValidation", "Strict"), *([("dryRun", "All")] if dry_run else [])]
        return self._request("PUT", path, manifest, query)

    def patch_status(self, manifest: Object) -> dict[str, Any]:
        """Merge the object's status into what the cluster has.

        Raises:  Refused.
        """
        body = {"status": manifest["status"]}
        path = f"{self._path(manifest)}/status"
        return self._request("PATCH", path, body, [], "application/merge-patch+json")

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
        self._request("POST", f"{self._path(pod)}/binding", body, [])

    def exec(self, pod: Object) -> None:
        """Ask to run a command in a pod.

        Raises:  Refused.
        """
        self._request("POST", f"{self._path(pod)}/exec", None, [("command", "true"), ("stdout", "true")])

    def get(self, version: str, kind: str, name: str, namespace: str | None = None) -> dict[str, Any]:
        """Return an object, managed fields and all.

        Raises:  Refused if there is none, or if it may not be read.
        """
        path = self._resource(version, kind).path(name=name, namespace=namespace)
        return self._request("GET", path, None, [])

    def exists(self, version: str, kind: str, name: str, namespace: str | None = None) -> bool:
        """Whether there is such an object."""
        try:
            self.get(version, kind, name, namespace)
        except Refused as error:
            if error.code != HTTPStatus.NOT_FOUND:
                raise
            return False
        return True

    def serves(self, version: str, kind: str) -> bool:
        """Whether the API server knows a kind by now."""
        self._dynamic.resources.invalidate_cache()
        try:
            self._resource(version, kind)
        except ResourceNotFoundError:
            return False
        return True

    def list_all(
        self, version: str, kind: str, namespace: str | None = None, selector: str = ""
    ) -> list[dict[str, Any]]:
        """Return the objects of a kind, of one namespace or of all."""
        path = self._resource(version, kind).path(namespace=namespace)
        items: list[dict[str, Any]] = self._request("GET", path, None, [("labelSelector", selector)])["items"]
        return [{"apiVersion": version, "kind": kind, **item} for item in items]

    def delete(self, version: str, kind: str, name: str, namespace: str | None = None) -> None:
        """Delete an object and, in the background, what it owns.

        Raises:  Refused.
        """
        path = self._resource(version, kind).path(name=name, namespace=namespace)
        self._request("DELETE", path, {"propagationPolicy": "Background"}, [])

    def server_version(self) -> dict[str, Any]:
        """Return what the API server says of itself."""
        return self._request("GET", "/version", None, [])

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
        self,
        method: str,
        path: str,
        body: Object | None,
        query: list[tuple[str, str]],
        content_type: str = "application/json",
    ) -> dict[str, Any]:
        headers = {"Accept": "application/json", "Content-Type": content_type}
        # JSON is YAML: server-side apply takes it, and the client passes on text as it is.
        content = json.dumps(body) if content_type == APPLY else body
        url = f"{self.api.configuration.host}{path}?{urlencode(query)}"
        response = self.api.call_api(method, url, headers, content)
        response.read()
        self.warnings += WARNING.findall(response.headers.get("Warning") or "")
        if response.status >= HTTPStatus.BAD_REQUEST:
            raise _refused(response.status, response.reason, response.data)
        answer: dict[str, Any] = json.loads(response.data)
        return answer


def _refused(code: int, reason: str, body: bytes) -> Refused:
    try:
        status = json.loads(body)
        return Refused(code, status["reason"], status["message"])
    except (ValueError, KeyError):
        return Refused(code, reason, body.decode(errors="replace"))
