"""A cluster of one real node, for the tests that need pods to run: the worker's image, Secrets, Jobs, a real Swift.

The control plane runs on loopback as for the other tests. The node is a *machine* of its own: namespaces for processes,
mounts and network, cgroups with a name of their own. When the tests end, or are killed, the kernel ends all of it. Its
network has no way to any other but the one *outside* that a test makes, where the stores are.

- init: process 1 of the machine
- machine: namespaces, cgroups, the network outside
- relay: from an address in a namespace to a server on loopback
- containerd: containers, and their addresses
- images: images of one program
- kubelet: kubelet, kube-scheduler, kube-proxy
- policies: what NetworkPolicies allow, computed
- enforcer: and enforced, by nftables
- dns: CoreDNS
- cluster: all of them together
- airports: the sample federation in the cluster
- probe: attempts to connect from within a pod's network
- conftest: the cluster and the federation, once per session
- test_policies: the computation; needs no cluster
- test_pods: a whole run
"""
