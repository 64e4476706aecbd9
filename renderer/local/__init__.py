"""The local cluster: executes the rendered manifests of one run on this machine, as Kubernetes would.

Each container is a process of its own with its own environment and its own directory of mounts. Must not know
what a worker does: what is proven here is what a cluster will run. Not enforced: images, resources, security
contexts, NetworkPolicies: a process can reach what its user can reach. Needs Linux, where all of 127.0.0.0/8
is loopback.

- private_files: files that only their owner can read
- objects: the Kubernetes objects and fields that it understands
- load: reading a run's manifests
- failure: podFailurePolicy and back-off
- secret_store: Secrets in a local directory per namespace
- claim_store: directories in the place of volumes
- mounts: a container's directory of mounts
- process: one process, its group and its output
- pod: containers in a row
- job: pods until one succeeds
- observe: what is told to those who watch
- cluster: all Jobs of a run, side by side
- logs: containers' output, kept and read
- record: what became of each Job, kept
- progress: how far every party is, for people
- answer: result and manifest, read back and verified
- run: from a committed workflow to the verified answer
- output: a run's result, for a recipient
- report: how a run ended, for people
"""
