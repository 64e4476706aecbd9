"""The federation: what its parties share beside the workflows: the repository, the image, the API server."""

from typing import Annotated, Literal

from pydantic import Field

from renderer.dns import KUBE_DNS, Dns
from renderer.fields import HttpUrl, ImageByDigest, PartyName, Revision, SigningKey, Url
from worker.runspec import Model

IN_CLUSTER = "https://kubernetes.default.svc"


class FederationMetadata(Model):
    """What the federation is called."""

    name: PartyName


class Signatures(Model):
    """Whose signed commits may change what runs. The same for all parties.

    Argo CD remembers the directories of a commit for every project that asks for them, so one that asks for less would
    have them listed for one that asks for more.
    """

    keys: Annotated[tuple[SigningKey, ...], Field(min_length=1)]
    # Of the newest commit alone, an unsigned one would pass as soon as a signed one lies on top of it.
    mode: Literal["strict", "head"] = "strict"


class FederationSpec(Model):
    """Where Argo CD reads from and applies to, and which worker runs."""

    repository: Url
    revision: Revision = "main"
    image: ImageByDigest
    server: HttpUrl = IN_CLUSTER
    dns: Dns = KUBE_DNS  # of every party that does not say that its own cluster's is elsewhere
    signatures: Signatures | None = None  # None: Argo CD takes any commit of the branch


class Federation(Model):
    """The document `workflows/federation.yaml`."""

    api_version: Literal["ccd.dev/v1alpha1"]
    kind: Literal["Federation"]
    metadata: FederationMetadata
    spec: FederationSpec
