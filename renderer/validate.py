"""Checks of Kubernetes objects without a cluster: the published schemas, strictly, and what these let pass.

The schemas know fields and types. They do not know which words a field may hold, so a Job that restarts for
ever, an address range that is none or a name that the API server refuses would be found at the next sync.
"""

import ipaddress
import re
from collections.abc import Callable, Iterator
from typing import Any

import kubernetes_validate

from policy.problem import DocumentError, Path, Problem
from policy.yaml import Lines, read_yaml
from renderer.appproject import KINDS
from renderer.shape import Mould, mould_of, shape_of

KUBERNETES_VERSION = kubernetes_validate.latest_version()

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
_NAMED_LISTS = ("containers", "initContainers", "volumes", "env", "ports")

Finding = tuple[Path, str, str | None]
Check = Callable[[Path, Any], Iterator[Finding]]


class ObjectChecker:
    """Checks rendered objects, and reads the structure of each shape once."""

    def __init__(self) -> None:
        self._sound: dict[str, Mould] = {}  # shapes of which nothing but strings can be wrong

    def check(self, text: str, file: str, namespace: str | None = None) -> tuple[Problem, ...]:
        """Return what is wrong with one object; with `namespace`, also if it is for another one."""
        shape = shape_of(text)
        mould = self._sound.get(shape.key) if shape else None
        # The schemas know types, and a string in the place of another one has its type.
        if shape and mould and not any(_rules(mould.fill(shape.strings), namespace)):
            return ()
        try:
            value, lines = read_yaml(text, file)
        except DocumentError as error:
            return tuple(error.problems)
        if not isinstance(value, dict):
            return (lines.problem((), "is not a Kubernetes object"),)
        kind = _group_and_kind(value)
        if kind not in KINDS:
            what = f"{kind[1] or 'no kind'} of {kind[0] or 'the core group'} is not among the kinds that a run has"
            return (lines.problem(("kind",), what),)
        findings = [*_schema(value)]
        findings += _rules(value, namespace, is_typed=not findings)
        if shape and not findings and (mould := mould_of(text, value, lines)):
            self._sound[shape.key] = mould
        return _problems(findings, lines)


def check_object(text: str, file: str, namespace: str | None = None) -> tuple[Problem, ...]:
    """Return what is wrong with one rendered object; with `namespace`, also if it is for another one."""
    return ObjectChecker().check(text, file, namespace)


def _rules(value: dict[str, Any], namespace: str | None, is_typed: bool = True) -> list[Finding]:
    """Return what breaks a rule that the schemas do not know."""
    findings = [finding for path, node in _walk(value) for finding in _check(path, node)]
    is_sound_job = value["kind"] == "Job" and is_typed and not findings
    return [*findings, *_names(value, namespace), *(_job(value["spec"]) if is_sound_job else ())]


def _problems(findings: list[Finding], lines: Lines) -> tuple[Problem, ...]:
    problems = {lines.problem(path, what, fix) for path, what, fix in findings}
    return tuple(sorted(problems, key=lambda problem: (problem.line, problem.column, problem.field, problem.what)))


def _group_and_kind(value: dict[str, Any]) -> tuple[str, str]:
    group, _, _ = str(value.get("apiVersion", "")).rpartition("/")
    return group, str(value.get("kind", ""))


def _schema(value: dict[str, Any]) -> Iterator[Finding]:
    try:
        kubernetes_validate.validate(value, KUBERNETES_VERSION, strict=True)
    except kubernetes_validate.ValidationError as error:
        yield tuple(error.absolute_path), error.message, None
    except kubernetes_validate.SchemaNotFoundError:
        yield ("apiVersion",), f"there is no such version of it in Kubernetes {KUBERNETES_VERSION}", None


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


def _check(path: Path, value: Any) -> Iterator[Finding]:
    fields = tuple(part for part in path if isinstance(part, str))
    name = fields[-1] if fields else ""
    if isinstance(value, str):
        yield from _word(path, fields, value)
    if name == "cidr" and not _is_network(value):
        yield path, "is not an IP network", "write it as 192.0.2.0/24, its host bits zero"
    if name == "except" and isinstance(value, str) and not _is_network(value):
        yield path, "is not an IP network", None
    if name in ("labels", "matchLabels", "selector") and isinstance(value, dict):
        yield from _labels(path, value)
    if name in ("limits", "requests", "sizeLimit") and not isinstance(value, list):
        quantities = value if isinstance(value, dict) else {"": value}
        for key, quantity in quantities.items():
            if not _QUANTITY.fullmatch(str(quantity)):
                yield (
                    (*path, key) if key else path,
                    "is not a quantity",
                    "write a number with a unit such as 500m or 2Gi",
                )
    if name in _NAMED_LISTS and isinstance(value, list):
        yield from _unique_names(path, value)
    if name in ("port", "targetPort", "containerPort") and isinstance(value, int) and not 1 <= value <= 65535:
        yield path, "is not a port", "ports are 1 to 65535"


def _word(path: Path, fields: tuple[str, ...], value: str) -> Iterator[Finding]:
    words = _WORDS.get(fields[-1]) or _WORDS_WITHIN.get(fields[-2:])
    if words is not None and value not in words:
        yield (
            path,
            "is none of the words that Kubernetes takes here",
            f"use one of {', '.join(sorted(words))}",
        )


def _is_network(value: Any) -> bool:
    try:
        ipaddress.ip_network(value if isinstance(value, str) else "", strict=True)
    except ValueError:
        return False
    return True


def _labels(path: Path, labels: dict[str, Any]) -> Iterator[Finding]:
    for key, value in labels.items():
        prefix, slash, name = key.rpartition("/")
        if not (name and _LABEL_VALUE.fullmatch(name)) or (slash and not _SUBDOMAIN.fullmatch(prefix)):
            yield (*path, key), "is not a label's key", "write [domain/]name, the name at most 63 characters"
        if isinstance(value, str) and not _LABEL_VALUE.fullmatch(value):
            yield (*path, key), "is not a label's value", "at most 63 letters, digits, '-', '_', '.'"


def _unique_names(path: Path, items: list[Any]) -> Iterator[Finding]:
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
