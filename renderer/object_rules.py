"""Kubernetes' rules that its published schemas do not know.

They know fields and types, but not which words a field may hold: so a Job that restarts for ever, an address range that
is none or a name that the API server refuses would be found at the next sync.
"""

import ipaddress
import re
from collections.abc import Callable, Collection, Iterator
from functools import lru_cache, partial
from typing import Any

from policy.problem import Path

Finding = tuple[Path, str, str | None]
Check = Callable[[Path, Any], Iterator[Finding]]

_WORDS = {
    "action": {"FailJob", "FailIndex", "Ignore", "Count"},
    "imagePullPolicy": {"Always", "IfNotPresent", "Never"},
    "podReplacementPolicy": {"Failed", "TerminatingOrFailed"},
    "policyTypes": {"Ingress", "Egress"},
    "protocol": {"TCP", "UDP", "SCTP"},
    "terminationMessagePolicy": {"File", "FallbackToLogsOnError"},
}
_WORDS_WITHIN: dict[tuple[str, ...], set[str]] = {
    ("onExitCodes", "operator"): {"In", "NotIn"},
    ("seccompProfile", "type"): {"RuntimeDefault", "Localhost", "Unconfined"},
    ("spec", "type"): {"ClusterIP", "NodePort", "LoadBalancer", "ExternalName"},
}
_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_SERVICE = re.compile(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?")
_SUBDOMAIN = re.compile(r"(?=.{1,253}\Z)[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_LABEL_VALUE = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?")
_QUANTITY = re.compile(r"[0-9]+(\.[0-9]+)?(m|k|Ki|M|Mi|G|Gi|T|Ti|P|Pi|E|Ei)?")
_DIGEST = re.compile(r"\S+@sha256:[0-9a-f]{64}")


def broken_rules(value: dict[str, Any], namespace: str | None, is_typed: bool = True) -> list[Finding]:
    """Return what breaks a rule in an object, and with `namespace` also if it is for another one."""
    checks = [(path, node, check) for path, node in _walk(value) for check in _checks_at(path)]
    findings = [finding for path, node, check in checks for finding in check(path, node)]
    is_sound = is_typed and not findings
    return [*findings, *_of_the_whole(value, namespace, is_sound)]


class StringRules:
    """The rules that an object may break if nothing but some strings in it differ from those of a sound one."""

    def __init__(self, value: dict[str, Any], strings: Collection[Path]) -> None:
        around = {path[:length] for path in strings for length in range(len(path) + 1)}
        nodes = dict(_walk(value))
        self._value = value
        self._checks = tuple(
            (path, nodes[path[:-1]], path[-1], check) for path in nodes if path in around for check in _checks_at(path)
        )

    def hold(self, namespace: str | None) -> bool:
        """Whether the object breaks no rule, with the strings that have been put into it since."""
        for path, around, key, check in self._checks:
            for _ in check(path, around[key]):
                return False
        return not any(_of_the_whole(self._value, namespace, True))


def _of_the_whole(value: dict[str, Any], namespace: str | None, is_sound: bool) -> Iterator[Finding]:
    yield from _names(value, namespace)
    if value["kind"] == "Job" and is_sound:
        yield from _job(value["spec"])


def _walk(value: Any) -> list[tuple[Path, Any]]:
    """Return every node with its path; what a ConfigMap holds is its reader's business and left out."""
    found: list[tuple[Path, Any]] = [((), value)]
    for path, node in found:  # grows while it is walked
        entries: Any = ()
        if isinstance(node, dict):
            entries = node.items()
        elif isinstance(node, list):
            entries = enumerate(node)
        found += [((*path, key), item) for key, item in entries if (*path, key) != ("data",)]
    return found


def _checks_at(path: Path) -> list[Check]:
    """Return the checks of the node at `path`: which ones depends on the names of its field and of the one around."""
    fields = tuple(part for part in path if isinstance(part, str))
    name = fields[-1] if fields else ""
    words = _WORDS.get(name) or _WORDS_WITHIN.get(fields[-2:])
    return [*_CHECKS.get(name, ()), *([partial(_word, words)] if words else [])]


def _word(words: set[str], path: Path, value: Any) -> Iterator[Finding]:
    if isinstance(value, str) and value not in words:
        yield (
            path,
            "is none of the words that Kubernetes takes here",
            f"use one of {', '.join(sorted(words))}",
        )


def _cidr(path: Path, value: Any) -> Iterator[Finding]:
    if not _is_network(value):
        yield path, "is not an IP network", "write it as 192.0.2.0/24, its host bits zero"


def _except(path: Path, value: Any) -> Iterator[Finding]:
    if isinstance(value, str) and not _is_network(value):
        yield path, "is not an IP network", None


def _quantities(path: Path, value: Any) -> Iterator[Finding]:
    if isinstance(value, list):
        return
    quantities = value if isinstance(value, dict) else {"": value}
    for key, quantity in quantities.items():
        if not _QUANTITY.fullmatch(str(quantity)):
            yield (*path, key) if key else path, "is not a quantity", "write a number with a unit such as 500m or 2Gi"


def _port(path: Path, value: Any) -> Iterator[Finding]:
    if isinstance(value, int) and not 1 <= value <= 65535:
        yield path, "is not a port", "ports are 1 to 65535"


def _is_network(value: Any) -> bool:
    return isinstance(value, str) and _is_network_text(value)


@lru_cache
def _is_network_text(text: str) -> bool:
    try:
        ipaddress.ip_network(text, strict=True)
    except ValueError:
        return False
    return True


def _labels(path: Path, labels: Any) -> Iterator[Finding]:
    if not isinstance(labels, dict):
        return
    for key, value in labels.items():
        if not _is_label_key(key):
            yield (*path, key), "is not a label's key", "write [domain/]name, the name at most 63 characters"
        if isinstance(value, str) and not _is_label_value(value):
            yield (*path, key), "is not a label's value", "at most 63 letters, digits, '-', '_', '.'"


@lru_cache
def _is_label_key(key: str) -> bool:
    prefix, slash, name = key.rpartition("/")
    return bool(name) and _is_label_value(name) and not (slash and not _SUBDOMAIN.fullmatch(prefix))


@lru_cache(10_000)
def _is_label_value(value: str) -> bool:
    return _LABEL_VALUE.fullmatch(value) is not None


def _unique_names(path: Path, items: Any) -> Iterator[Finding]:
    if not isinstance(items, list):
        return
    seen: set[str] = set()
    for index, item in enumerate(items):
        name = item.get("name") if isinstance(item, dict) else None
        if not isinstance(name, str):
            continue
        if name in seen:
            yield (*path, index, "name"), "is the name of an earlier one in this list", "names are unique"
        if path[-1] != "env" and not _LABEL.fullmatch(name):
            yield (
                (*path, index, "name"),
                "is not a DNS label",
                "lower-case letters, digits and '-', at most 63",
            )
        seen.add(name)


def _names(value: dict[str, Any], namespace: str | None) -> Iterator[Finding]:
    metadata = value.get("metadata")
    if not isinstance(metadata, dict):
        yield ("metadata",), "is missing", None
        return
    # A Job's name becomes a label of its pods, a Service's a DNS label.
    pattern = {"Service": _SERVICE, "Job": _LABEL}.get(str(value.get("kind")), _SUBDOMAIN)
    if not pattern.fullmatch(str(metadata.get("name", ""))):
        yield (
            ("metadata", "name"),
            "is not a name that Kubernetes takes",
            "lower-case letters, digits and '-', at most 63",
        )
    if not _LABEL.fullmatch(str(metadata.get("namespace", ""))):
        yield (
            ("metadata", "namespace"),
            "is not a namespace",
            "lower-case letters, digits and '-', at most 63",
        )
    elif namespace is not None and metadata["namespace"] != namespace:
        what = f"is not {namespace}, the namespace of the directory that the file lies in"
        yield ("metadata", "namespace"), what, "render again"


def _job(spec: dict[str, Any]) -> Iterator[Finding]:
    pod: Path = ("spec", "template", "spec")
    template = spec["template"]["spec"]
    restart = template.get("restartPolicy", "Always")
    wanted = {"Never"} if "podFailurePolicy" in spec else {"Never", "OnFailure"}
    if restart not in wanted:
        yield (
            (*pod, "restartPolicy"),
            f"a Job like this cannot restart {restart}",
            f"use {' or '.join(sorted(wanted))}",
        )
    volumes = {volume["name"] for volume in template.get("volumes", ())}
    for group in ("initContainers", "containers"):
        for index, container in enumerate(template.get(group, ())):
            path = (*pod, group, index)
            if not _DIGEST.fullmatch(container.get("image", "")):
                yield (*path, "image"), "is not named by its digest", "write name@sha256:<64 hex digits>"
            for number, mount in enumerate(container.get("volumeMounts", ())):
                if mount["name"] not in volumes:
                    yield (*path, "volumeMounts", number, "name"), "is no volume of this pod", None


_CHECKS: dict[str, tuple[Check, ...]] = {
    "cidr": (_cidr,),
    "except": (_except,),
    **dict.fromkeys(("labels", "matchLabels", "selector"), (_labels,)),
    **dict.fromkeys(("limits", "requests", "sizeLimit"), (_quantities,)),
    **dict.fromkeys(("containers", "initContainers", "volumes", "env", "ports"), (_unique_names,)),
    **dict.fromkeys(("port", "targetPort", "containerPort"), (_port,)),
}
