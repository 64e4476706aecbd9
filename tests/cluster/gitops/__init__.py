"""From a commit to Jobs, through a real Argo CD: what its controllers make of the tree that `ccd render` writes.

Argo CD runs in core mode, as processes beside the control plane: application controller, ApplicationSet controller,
repo server and Redis. Its definitions and settings are those of the module that `../argocd/go.mod` pins, with ours from
`argocd/settings` on top. It reads a bare Git repository on this machine; a merge is told to it as a forge's webhook would.

- conftest: Argo CD, once per session; federations for tests
- redis: its cache
- install: its definitions, settings and namespace, as an administrator installs them
- argo: its processes
- forge: a federation in a bare repository, and what merging does
- applications: what Argo CD says of an Application
- keys: OpenPGP keys, and commits signed with them
- test_definitions: Argo CD's own definitions hold for what is rendered
- test_sync: merges, repeated syncs, changed and retired workflows
- test_fences: what a project refuses
- test_rights: what the API server refuses Argo CD, whatever its projects say
- test_signatures: commits nobody has signed
- test_health: what a steward reads
- test_again: a Job that comes back releases nothing
"""
