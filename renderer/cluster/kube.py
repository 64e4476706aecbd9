"""A Kubernetes cluster, through the official client: found, and asked with the rights of whoever asks, as kubectl is."""

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kubernetes import client, config
from kubernetes.client.exceptions import ApiException
from kubernetes.config import ConfigException
from urllib3.exceptions import HTTPError, MaxRetryError

from renderer import names
from renderer.cluster.kube_read import jobs_of
from renderer.cluster.seen import JobSeen, PodSeen
from renderer.cluster.source import LogsUnavailable, NoAccess
from renderer.errors import CommandError
from renderer.printable import printable

TIMEOUT_S = (5, 30)  # to connect, and between two bytes of an answer
LONGEST_SILENCE_S = 7 * 86400  # as long as a Job may take
PAGE = 500
OUR_JOBS = f"app.kubernetes.io/managed-by=ccd,{names.RUN_LABEL}"


@dataclass(frozen=True)
class Kube:
    """A `renderer.cluster.source.Source`."""

    title: str
    api: client.ApiClient

    def jobs(self, namespace: str, run_id: str | None = None) -> tuple[JobSeen, ...]:
        """Return the Jobs of runs in a namespace with their pods; without pods to whom may only read Jobs."""
        selector = f"{OUR_JOBS}={run_id}" if run_id else OUR_JOBS
        with _in_words(self.title, namespace):
            jobs = _all(client.BatchV1Api(self.api).list_namespaced_job, namespace, selector)
            try:
                pods: list[Any] | None = _all(client.CoreV1Api(self.api).list_namespaced_pod, namespace, selector)
            except ApiException as error:
                if error.status != 403:
                    raise
                pods = None
        return jobs_of(jobs, pods)

    def lines(self, job: JobSeen, pod: PodSeen, container: str, follow: bool) -> Iterator[str]:
        """Yield what a container has printed; the API server passes on what the pod's node tells it."""
        place = f"{job.namespace}/{pod.name}, container {container}"
        # Between two lines of a computation a long time may pass.
        timeout = (TIMEOUT_S[0], LONGEST_SILENCE_S if follow else TIMEOUT_S[1])
        try:
            # Without `_preload_content` it is urllib3's answer, whatever the client's types say.
            answer: Any = client.CoreV1Api(self.api).read_namespaced_pod_log(
                pod.name,
                job.namespace,
                container=container,
                follow=follow,
                _preload_content=False,
                _request_timeout=timeout,
            )
            try:
                yield from _lines(answer)
            finally:
                answer.release_conn()
        except ApiException as error:
            if error.status == 403:
                raise NoAccess(job.namespace) from None
            raise LogsUnavailable(f"{place}: {_why_no_logs(error)}") from None
        except (HTTPError, OSError) as error:
            raise LogsUnavailable(f"{place}: the connection was lost ({type(error).__name__})") from None


def open_kube(kubeconfig: Path | None, context: str | None) -> Kube:
    """Return the cluster that kubectl would speak to: --kubeconfig, $KUBECONFIG, ~/.kube/config, or that around a pod.

    Raises:  CommandError if there is none of that name.
    """
    configuration = client.Configuration()
    configuration.retries = 1
    fix = "name a file with --kubeconfig, or look at the local cluster with --local"
    try:
        if kubeconfig is None and context is None and not has_kubeconfig():
            config.load_incluster_config(client_configuration=configuration)  # type: ignore[no-untyped-call]
            title = "the cluster around this pod"
        else:
            file = str(kubeconfig) if kubeconfig else _default()
            contexts, current = config.list_kube_config_contexts(file)  # type: ignore[no-untyped-call]
            chosen = context or (current["name"] if current else "")
            if chosen not in [each["name"] for each in contexts]:
                known = ", ".join(sorted(each["name"] for each in contexts))
                raise CommandError(f"there is no context {chosen} in {file}", f"its contexts are: {known}")
            config.load_kube_config(  # type: ignore[no-untyped-call]
                file, chosen, client_configuration=configuration, persist_config=False
            )
            title = f"context {chosen}"
    except ConfigException as error:
        raise CommandError(f"no Kubernetes cluster is configured: {printable(str(error))}", fix) from None
    except CommandError:
        raise
    except Exception as error:
        # A file that is no configuration, in any way that YAML can go wrong; its text may hold credentials.
        what = f"{kubeconfig or _default()} cannot be read as a configuration: {type(error).__name__}"
        raise CommandError(what, fix) from None
    return Kube(f"{title}, {configuration.host}", client.ApiClient(configuration))


def has_kubeconfig() -> bool:
    """Whether kubectl would find a configuration file."""
    return any(Path(file).expanduser().is_file() for file in _default().split(os.pathsep) if file)


def is_in_pod() -> bool:
    """Whether this runs in a pod of a cluster."""
    return "KUBERNETES_SERVICE_HOST" in os.environ


def _default() -> str:
    return os.environ.get("KUBECONFIG") or str(Path("~/.kube/config").expanduser())


def _all(read: Callable[..., Any], namespace: str, selector: str) -> list[Any]:
    items: list[Any] = []
    token = None
    while True:
        page = read(namespace, label_selector=selector, limit=PAGE, _continue=token, _request_timeout=TIMEOUT_S)
        items += page.items
        token = page.metadata._continue
        if not token:
            return items


def _lines(answer: Any) -> Iterator[str]:
    rest = b""
    for chunk in answer.stream(decode_content=False):
        *whole, rest = (rest + chunk).split(b"\n")
        yield from (line.decode("utf-8", errors="replace") for line in whole)
    if rest:
        yield rest.decode("utf-8", errors="replace")


@contextmanager
def _in_words(title: str, namespace: str) -> Iterator[None]:
    try:
        yield
    except ApiException as error:
        if error.status == 403:
            raise NoAccess(namespace) from None
        if error.status == 401:
            raise CommandError(f"{title} does not know you", "log in again, as for kubectl") from None
        raise CommandError(f"{title} answered {error.status}: {printable(_message(error))}") from None
    except MaxRetryError as error:
        why = type(error.reason).__name__
        raise CommandError(f"{title} does not answer ({why})", "check the address, the network and the VPN") from None
    except (HTTPError, OSError) as error:
        raise CommandError(f"{title} does not answer ({type(error).__name__})", "try again") from None


def _message(error: ApiException) -> str:
    try:
        said = json.loads(error.body or "")
        return str(said["message"])
    except (TypeError, ValueError, KeyError):
        return str(error.reason)


def _why_no_logs(error: ApiException) -> str:
    if error.status is not None and error.status >= 500:
        return f"its node cannot be reached for the logs: {_message(error)}"
    return _message(error)
