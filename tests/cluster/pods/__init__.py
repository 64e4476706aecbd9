"""A cluster of one real node, for the tests that need pods to run: the worker's image, Secrets, Jobs, a real Swift.

The control plane runs on loopback as for the other tests. The node is a *machine* of its own: namespaces for processes,
mounts and network, cgroups with a name of their own. When the tests end, or are killed, the kernel ends all of it. Its
network has no way to any other but the one *outside* that a test makes, where the stores are.

- init: process 1 of the machine
- machine: namespaces, cgroups, the network outside
- relay: from an address in a namespace to a server on loopback
- containerd: containers
- images: images of one program
- kubelet: kubelet, kube-scheduler, kube-proxy
- cilium: pods' addresses and ways, and NetworkPolicies enforced
- dns: CoreDNS
- cluster: all of them together
- airports: the sample federation in the cluster
- probe: attempts to connect from within a pod's network
- conftest: the cluster and the federation, once per session
- test_pods: a whole run
"""
