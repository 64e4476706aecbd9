"""The Kubernetes objects that the local cluster understands, field by field.

A field that is not here is an error: what a cluster would act on must not be passed over in silence. What is
`NotEnforced` is a real cluster's to keep; one machine's processes cannot.
"""

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic.alias_generators import to_camel

Name = Annotated[str, Field(pattern=r"^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$")]
AbsolutePath = Annotated[str, Field(pattern=r"^(/[A-Za-z0-9][A-Za-z0-9._-]*)+$")]
PlainName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
NotEnforced = Any


class Model(BaseModel):
    """Frozen, strict about unknown fields, camelCase in YAML."""

    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True)


class Metadata(Model):
    """An object's name and labels."""

    name: Name
    namespace: Name
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}


class ConfigMap(Model):
    """Small files."""

    api_version: Literal["v1"]
    kind: Literal["ConfigMap"]
    metadata: Metadata
    data: dict[PlainName, str]
    immutable: bool = False


class ServicePort(Model):
    """The port is the pods' own: a translation is not done here."""

    name: str | None = None
    port: int
    target_port: int | str | None = None
    protocol: Literal["TCP"] = "TCP"
    app_protocol: str | None = None


class ServiceSpec(Model):
    """Which pods a Service's name leads to."""

    selector: Annotated[dict[str, str], Field(min_length=1)]
    ports: tuple[ServicePort, ...] = ()
    type: Literal["ClusterIP"] = "ClusterIP"
    cluster_ip: Literal["None"] | None = Field(default=None, alias="clusterIP")
    # Workers compute in an init container, while their pod is not ready: without this, Kubernetes would not
    # resolve their names, so a manifest that forgets it must not work here either.
    publish_not_ready_addresses: Literal[True]
    session_affinity: Literal["None"] = "None"


class Service(Model):
    """A name for pods."""

    api_version: Literal["v1"]
    kind: Literal["Service"]
    metadata: Metadata
    spec: ServiceSpec


class FieldRef(Model):
    """The downward API, as far as it is used."""

    api_version: Literal["v1"] = "v1"
    field_path: Literal["status.podIP", "metadata.name", "metadata.namespace"]


class ValueFrom(Model):
    """Where a variable's value comes from."""

    field_ref: FieldRef


class EnvVar(Model):
    """One environment variable: a value or its source."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
    value: str | None = None
    value_from: ValueFrom | None = None

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if self.value is not None and self.value_from is not None:
            raise ValueError("takes value or valueFrom, not both")
        return self


class VolumeMount(Model):
    """A volume's place in a container."""

    name: Name
    mount_path: AbsolutePath
    read_only: bool = False


class Container(Model):
    """One process of a pod."""

    name: Name
    image: NotEnforced = None  # this machine's own installation stands in for it
    image_pull_policy: NotEnforced = None
    command: Annotated[tuple[str, ...], Field(min_length=1)]
    args: tuple[str, ...] = ()
    env: tuple[EnvVar, ...] = ()
    ports: NotEnforced = None  # documentation in Kubernetes, too
    resources: NotEnforced = None
    security_context: NotEnforced = None
    volume_mounts: tuple[VolumeMount, ...] = ()
    termination_message_path: AbsolutePath = "/dev/termination-log"
    termination_message_policy: NotEnforced = None


class KeyToPath(Model):
    """One key of a ConfigMap or Secret, and the file it becomes."""

    key: PlainName
    path: PlainName
    mode: NotEnforced = None


class ConfigMapVolume(Model):
    """A ConfigMap's keys as files."""

    name: Name
    default_mode: NotEnforced = None
    items: tuple[KeyToPath, ...] = ()


class SecretVolume(Model):
    """A Secret's keys as files."""

    secret_name: Name
    default_mode: NotEnforced = None  # files are 0600 here
    items: tuple[KeyToPath, ...] = ()
    optional: Literal[False] = False


class EmptyDirVolume(Model):
    """A directory that is born and dies with its pod."""

    size_limit: NotEnforced = None
    medium: NotEnforced = None


class ClaimVolume(Model):
    """A volume with an owner's data: a directory stands for it. That nobody writes to it is a real cluster's to keep."""

    claim_name: Name
    read_only: Literal[True]


class Volume(Model):
    """Exactly one of the four kinds."""

    name: Name
    config_map: ConfigMapVolume | None = None
    secret: SecretVolume | None = None
    empty_dir: EmptyDirVolume | None = None
    persistent_volume_claim: ClaimVolume | None = None

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        kinds = (self.config_map, self.secret, self.empty_dir, self.persistent_volume_claim)
        if sum(kind is not None for kind in kinds) != 1:
            raise ValueError("takes exactly one of configMap, secret, emptyDir, persistentVolumeClaim")
        return self


class PodSpec(Model):
    """Containers in a row, then containers side by side, and their volumes."""

    restart_policy: Literal["Never"]
    init_containers: tuple[Container, ...] = ()
    containers: Annotated[tuple[Container, ...], Field(min_length=1, max_length=1)]
    volumes: tuple[Volume, ...] = ()
    termination_grace_period_seconds: int = 30
    automount_service_account_token: Literal[False]  # there is no token here to mount
    service_account_name: NotEnforced = None
    enable_service_links: Literal[False] = False
    security_context: NotEnforced = None
    host_users: NotEnforced = None
    host_network: Literal[False] = False
    host_ipc: Literal[False] = Field(default=False, alias="hostIPC")
    host_pid: Literal[False] = Field(default=False, alias="hostPID")

    @model_validator(mode="after")
    def _mounts_name_volumes(self) -> Self:
        volumes = {volume.name: volume for volume in self.volumes}
        if len(volumes) != len(self.volumes):
            raise ValueError("two volumes have the same name")
        for container in (*self.init_containers, *self.containers):
            for mount in container.volume_mounts:
                if mount.name not in volumes:
                    raise ValueError(f"container {container.name} mounts {mount.name!r}, which is no volume")
                if volumes[mount.name].persistent_volume_claim is not None and not mount.read_only:
                    raise ValueError(f"container {container.name} could write to {mount.name!r}, an owner's data")
        return self


class PodMetadata(Model):
    """The labels that Services select by."""

    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}


class PodTemplate(Model):
    """What each of the Job's pods is made from."""

    metadata: PodMetadata = PodMetadata()
    spec: PodSpec


class OnExitCodes(Model):
    """Which exit codes a rule is about. 0 is never a failure."""

    container_name: Name | None = None
    operator: Literal["In", "NotIn"]
    values: Annotated[tuple[int, ...], Field(min_length=1)]


class FailureRule(Model):
    """What a pod's failure means for its Job."""

    action: Literal["FailJob", "Count", "Ignore"]
    on_exit_codes: OnExitCodes | None = None
    on_pod_conditions: NotEnforced = None  # evictions and the like do not happen here

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.on_exit_codes is None) == (self.on_pod_conditions is None):
            raise ValueError("takes exactly one of onExitCodes, onPodConditions")
        return self


class PodFailurePolicy(Model):
    """The first rule that fits decides."""

    rules: tuple[FailureRule, ...]


class JobSpec(Model):
    """One pod at a time until one succeeds."""

    template: PodTemplate
    backoff_limit: Annotated[int, Field(ge=0)] = 6
    active_deadline_seconds: Annotated[int, Field(ge=1)] | None = None
    pod_failure_policy: PodFailurePolicy = PodFailurePolicy(rules=())
    completions: Literal[1] = 1
    parallelism: Literal[1] = 1
    completion_mode: Literal["NonIndexed"] = "NonIndexed"
    pod_replacement_policy: Literal["Failed"] = "Failed"
    suspend: Literal[False] = False


class Job(Model):
    """A task that runs once."""

    api_version: Literal["batch/v1"]
    kind: Literal["Job"]
    metadata: Metadata
    spec: JobSpec
