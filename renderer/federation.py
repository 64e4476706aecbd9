"""The federation: what its parties share beside the workflows: the repository, the image, the API server."""

from typing import Literal

from renderer.fields import HttpUrl, ImageByDigest, PartyName, Revision, Url
from worker.runspec import Model

IN_CLUSTER = "https://kubernetes.default.svc"


class FederationMetadata(Model):
    """What the federation is called."""

    name: PartyName


class FederationSpec(Model):
    """Where Argo CD reads from and applies to, and which worker runs."""

    repository: Url
    revision: Revision = "main"
    image: ImageByDigest
    server: HttpUrl = IN_CLUSTER


class Federation(Model):
    """The document `workflows/federation.yaml`."""

    api_version: Literal["ccd.dev/v1alpha1"]
    kind: Literal["Federation"]
    metadata: FederationMetadata
    spec: FederationSpec
