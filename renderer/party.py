"""The party: public facts about one organisation. Credentials are named here and live in its own cluster."""

from typing import Literal

from pydantic import Field

from renderer.dataset import Dataset, Engine
from renderer.dns import Dns
from renderer.fields import (
    Bytes,
    Cidr,
    ContainerName,
    Cpu,
    DatasetName,
    Line,
    Namespace,
    PartyName,
    Port,
    SecretName,
    StoreAccount,
    Text,
)
from worker.runspec import Model


class PartyMetadata(Model):
    """What the party is called, in documents, certificates and policies."""

    name: PartyName


class Identity(Model):
    """The Ed25519 key that the party's worker proves itself and signs with."""

    certificate: Text  # PEM, self-signed, its common name the party's name
    secret: SecretName = "ccd-identity"  # noqa: S105 -- the name of a Secret; it holds `tls.key`


class PartyOutputs(Model):
    """What a party needs to be a workflow's writer."""

    credentials: SecretName


class Records(Model):
    """Where the party files its own signed copy of every manifest."""

    container: ContainerName
    credentials: SecretName


class Egress(Model):
    """A store that the party's worker may reach."""

    cidr: Cidr
    port: Port


class Resources(Model):
    """What one worker may use; requested and limited alike, so that it is never evicted for using it."""

    cpu: Cpu = "1"
    memory: Bytes = "2Gi"
    work: Bytes = "4Gi"  # the emptyDir with the data while the Job runs


class PartySpec(Model):
    """The party's part."""

    namespace: Namespace
    identity: Identity
    reviewers: tuple[Line, ...] = ()  # handles on the Git forge
    datasets: dict[DatasetName, Dataset] = Field(default_factory=dict)
    outputs: PartyOutputs | None = None
    reads_as: StoreAccount | None = None  # the account with which the party reads results that others write
    records: Records | None = None
    egress: tuple[Egress, ...] = ()
    dns: Dns | None = None  # of the party's own cluster; None: as the federation says
    engine: Engine = "duckdb"  # what runs the party's local steps
    resources: Resources = Resources()
    helper: bool = False  # whether it may be a compute party in runs that use none of its data


class Party(Model):
    """The document `workflows/parties/<name>.yaml`."""

    api_version: Literal["ccd.dev/v1alpha1"]
    kind: Literal["Party"]
    metadata: PartyMetadata
    spec: PartySpec
