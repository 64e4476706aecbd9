"""Where a cluster's name servers are: all that pods may ask for the addresses of their peers and stores."""

from typing import Annotated

from pydantic import Field

from renderer.fields import Cidr, LabelKey, LabelValue, Namespace, Port
from worker.runspec import Model

DNS_PORT = 53


class NameServer(Model):
    """A name server that is no pod: a node's own cache, such as NodeLocal DNSCache."""

    cidr: Cidr
    port: Port = DNS_PORT


class Dns(Model):
    """The cluster's name servers, as pods are seen by NetworkPolicies: behind the Service, on the pods' own port."""

    namespace: Namespace
    # All of a pod's; {} is every pod of the namespace.
    pod_labels: Annotated[dict[LabelKey, LabelValue], Field(max_length=16)]
    port: Port = DNS_PORT
    addresses: Annotated[tuple[NameServer, ...], Field(max_length=16)] = ()


# As Kubernetes' own installers leave it.
KUBE_DNS = Dns(namespace="kube-system", pod_labels={"k8s-app": "kube-dns"})
