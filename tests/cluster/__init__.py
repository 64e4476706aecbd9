"""A real Kubernetes control plane on loopback: etcd, kube-apiserver and kube-controller-manager, as processes.

The fixture `control_plane` (conftest) starts it once per session. Binaries come from `KUBEBUILDER_ASSETS` or are built
by Go, once, from the pinned modules in this directory's folders; each folder with a `binaries.toml` is one module.

- binaries: where the programs come from
- certificates: one authority, and who it vouches for
- process: a server, its log, and its end
- etcd: where the control plane keeps its state
- apiserver: kube-apiserver
- controllers: kube-controller-manager
- control_plane: all of them together
- client: server-side apply, strict, with the API server's warnings
- node: what a kubelet would tell the API server
- tree: what is committed under `argocd/`
- federation: a federation joined to the control plane
- manifests: a manifest with changes
- fields: what we wrote beside what the cluster has
- gitops: what a real Argo CD makes of a merge
- pods: a real node, and pods that run on it; its charter says more
"""
