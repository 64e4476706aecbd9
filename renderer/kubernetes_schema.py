"""Kubernetes' published schemas: strict about unknown fields, each read and made a validator once."""

import contextlib
import functools
import re
import sys
from collections.abc import Iterator
from typing import Any

from referencing import Registry, Resource


@contextlib.contextmanager
def _without(*packages: str) -> Iterator[None]:
    missing = [package for package in packages if package not in sys.modules]
    for package in missing:
        sys.modules[package] = None  # type: ignore[assignment] # to an import, a package that is not installed
    try:
        yield
    finally:
        for package in missing:
            del sys.modules[package]


# To know formats such as "iri", jsonschema imports whatever packages development tools happen to have brought: one
# builds dozens of grammars first, seconds of every call, longer than rendering takes, another a library of calendars.
# No schema is checked for formats here.
with _without("isoduration", "rfc3986_validator", "rfc3987_syntax", "webcolors"):
    import jsonschema
    import kubernetes_validate
    from kubernetes_validate.utils import schema_contents

VERSION: str = kubernetes_validate.latest_version()
_DIRECTORY = f"kubernetes-json-schema/v{VERSION}-local-strict"


class UnknownKindError(Exception):
    """There is no such kind, or not in that version of its group."""


def structure_problem(value: dict[str, Any]) -> tuple[tuple[str | int, ...], str] | None:
    """Return what is wrong with an object's fields and their types, and where; the worst of it.

    Raises:  UnknownKindError.
    """
    try:
        _validator(value["kind"], value["apiVersion"]).validate(value)
    except jsonschema.ValidationError as error:
        return tuple(error.absolute_path), error.message
    return None


@functools.cache
def _validator(kind: str, api_version: str) -> jsonschema.Draft202012Validator:
    # The files are named so: job-batch-v1.json, networkpolicy-networking-v1.json, service-v1.json.
    group = re.sub(r"^([^./]*)(?:\.[^/]*)?/", r"\1-", api_version)
    try:
        schema = schema_contents(f"{_DIRECTORY}/{kind.lower()}-{group}.json", VERSION)
    except FileNotFoundError:
        raise UnknownKindError from None
    return jsonschema.Draft202012Validator(schema, registry=Resource.from_contents(schema) @ _definitions())


@functools.cache
def _definitions() -> Registry[Any]:
    return Resource.from_contents(schema_contents(f"{_DIRECTORY}/_definitions.json", VERSION)) @ Registry()
