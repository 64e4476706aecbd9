"""What becomes of runs: Jobs and pods, seen in a Kubernetes cluster or in the local one, in the words of a run.

Must only read: nothing here creates, changes or deletes an object. What a cluster says is somebody else's text: it is
shown with its control characters spelled out.

- seen: Jobs, pods and containers, as any cluster tells of them
- phase: from those to a party's phase, verdict and exit code; a pure function
- asked: which runs the rendered tree asks for, and in whose namespaces
- source: what a cluster has to be able to tell
- kube: a Kubernetes cluster, through the official client
- kube_read: that client's objects, read
- local: the local cluster's records
- choose: which of them is asked
- status: runs and their parties' standings, put together
- status_text: those as tables
- logs: the containers' lines, of one attempt or as they come
"""
