"""Read one YAML document into a pydantic model; every error names the file, the line and the field.

The text's own words never come back in an error: it may be the wrong file, with a secret in it.
"""

import difflib
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, Literal, TypeVar, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from policy.nearest import did_you_mean
from policy.problem import DocumentError, Path, Problem, RuleBroken
from policy.secrets import find_secrets
from policy.yaml import Lines, read_yaml

T = TypeVar("T", bound=BaseModel)
Reader = Callable[[str, str], tuple[Any, Lines]]

_MUST_BE = "must be "
_WHAT = {
    "missing": "is missing",
    "string_type": "must be text (numbers, true and false need quotes to be text)",
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "bool_type": "must be true or false",
    "dict_type": "must be a map of fields",
    "model_type": "must be a map of fields",
    "tuple_type": "must be a list",
    "list_type": "must be a list",
    "frozen_set_type": "must be a list",
    "set_type": "must be a list",
    "none_required": "must be left out",
    "string_pattern_mismatch": "must match the pattern {pattern}",
    "string_too_short": "must have at least {min_length} characters",
    "string_too_long": "must have at most {max_length} characters",
    "too_short": "must have at least {min_length} in it",
    "too_long": "must have at most {max_length} in it",
    "greater_than": "must be greater than {gt}",
    "greater_than_equal": "must be at least {ge}",
    "less_than": "must be less than {lt}",
    "less_than_equal": "must be at most {le}",
}


def load_document(text: str, file: str, model: type[T]) -> T:
    """Return the document in `text` as a `model`; `file` is only named in errors.

    Raises:  DocumentError with everything that is wrong.
    """
    return load_with_lines(text, file, model)[0]


def load_with_lines(text: str, file: str, model: type[T], read: Reader = read_yaml) -> tuple[T, Lines]:
    """Return the document, and where each field stands; `read` is whatever reads the same YAML.

    `lines.problem(path, what, fix)` names a field's line.

    Raises:  DocumentError with everything that is wrong.
    """
    value, lines = read(text, file)
    secrets = find_secrets(text, value, lines)
    if secrets:
        # Nothing else is said about such a file: a later message might quote it.
        raise DocumentError(secrets)
    try:
        # By way of JSON, and strictly: lists become tuples, but "3" is no number and 1 is not true.
        text = json.dumps(value)
        return model.model_validate_json(text, strict=True, by_alias=True, by_name=False), lines
    except ValidationError as error:
        details = error.errors(include_input=True, include_url=False)
        said = [_problem(detail, value, lines, model) for detail in details if not _is_echo(detail)]
        raise DocumentError(_once_each(said)) from None


def _once_each(problems: list[Problem]) -> list[Problem]:
    """Return the problems with one for each field: what may be one of several things is refused as each of them."""
    of_field: dict[tuple[int, int, str], list[Problem]] = {}
    for problem in problems:
        of_field.setdefault((problem.line, problem.column, problem.field), []).append(problem)
    return [each for those in of_field.values() for each in _as_one(those)]


def _as_one(problems: list[Problem]) -> list[Problem]:
    words = [problem.what for problem in problems if problem.what.startswith(_MUST_BE)]
    if len(words) < len(problems) or len(words) == 1:
        return problems
    wider = {"must be a whole number": "must be a number"}
    kinds = dict.fromkeys(word for word in words if wider.get(word) not in words)
    what = _MUST_BE + ", or ".join(word.removeprefix(_MUST_BE) for word in kinds)
    return [replace(problems[0], what=what, fix=next((p.fix for p in problems if p.fix), None))]


def _is_echo(detail: ErrorDetails) -> bool:
    """Whether a list is called short because its items were refused, each of which is said by itself."""
    return detail["type"] == "too_short" and len(detail["input"]) >= detail["ctx"]["min_length"]


def _problem(detail: ErrorDetails, value: Any, lines: Lines, model: type[BaseModel]) -> Problem:
    path = _path_in(detail, value)
    kind, context = detail["type"], detail.get("ctx", {})
    if kind == "extra_forbidden":
        known = sorted(_fields_at(model, path[:-1], value))
        return lines.problem(path, "there is no such field here", _suggestion(str(path[-1]), known))
    if kind == "value_error":
        rule = context.get("error")
        if isinstance(rule, RuleBroken):
            return lines.problem(path, rule.what, rule.fix)
        return lines.problem(path, "breaks a rule of this field")
    if kind in ("literal_error", "enum"):
        return _other_word(lines, path, detail["input"], context["expected"])
    if kind in ("union_tag_invalid", "union_tag_not_found"):
        tag = context["discriminator"].strip("'")
        if kind == "union_tag_invalid":
            return _other_word(lines, (*path, tag), context["tag"], context["expected_tags"])
        return lines.problem((*path, tag), "is missing, and says what other fields there are")
    template = _WHAT.get(kind, "is not a valid value here ({kind})")
    what = template.format(kind=kind.replace("_", " "), **context)
    return lines.problem(path, what, _mend(kind, path, value, model, "[key]" in detail["loc"]))


def _mend(kind: str, path: Path, value: Any, model: type[BaseModel], is_key: bool) -> str | None:
    """Return what to write, as far as the model says what it means by a field."""
    match kind:
        case "missing":
            meant = _meaning(model, path)
            return f"add {path[-1]}" + (f": {meant}" if meant else "")
        case "string_pattern_mismatch":
            meant = _meaning(model, path, is_key)
            return f"write {meant}" if meant else None
        case "too_short":
            return "name one or more"
        case "dict_type" | "model_type":
            known = sorted(_fields_at(model, path, value))
            return f"the fields here are {', '.join(known)}" if known else "write each as `name: value`"
        case "tuple_type" | "list_type" | "set_type" | "frozen_set_type":
            return "write it in brackets, as [one, another]"
    return None


def _other_word(lines: Lines, path: Path, written: object, expected: str) -> Problem:
    words = [word.strip("'\"") for word in expected.replace(" or ", ", ").split(", ")]
    near = difflib.get_close_matches(written, words, n=1) if isinstance(written, str) else []
    if len(words) == 1:
        return lines.problem(path, f"must be {expected}", f"write {words[0]}")
    return lines.problem(path, f"must be one of {expected}", f"did you mean {near[0]}?" if near else None)


def _path_in(detail: ErrorDetails, value: Any) -> Path:
    """Return the error's path in the document: pydantic's own also names union members and "[key]"."""
    path: list[str | int] = []
    for part in detail["loc"]:
        match value, part:
            case (dict(), str()) if part in value:
                value = value[part]
            case (list(), int()) if 0 <= part < len(value):
                value = value[part]
            case _:
                if not (detail["type"] == "missing" and part is detail["loc"][-1]):
                    continue
        path.append(part)
    return tuple(path)


def _suggestion(written: str, known: list[str]) -> str | None:
    return did_you_mean(written, known) or (f"the fields here are {', '.join(known)}" if known else None)


def _fields_at(model: type[BaseModel], path: Path, value: Any) -> set[str]:
    """Return the names of the fields that the model has at `path` of the document `value`."""
    kinds: list[Any] = [model]
    for part in path:
        value = value[part]
        kinds = [inner for kind in kinds for inner in _inside(kind, part) if _can_be(inner, value)]
    found = [kind for kind in kinds if isinstance(kind, type) and issubclass(kind, BaseModel)]
    return {field.alias or name for kind in found for name, field in kind.model_fields.items()}


def _meaning(model: type[BaseModel], path: Path, is_key: bool = False) -> str | None:
    """Return what the schema says of the field at `path`, or of its name, with an example if there is one."""
    schema = model.model_json_schema()
    nodes: list[Any] = [schema]
    for depth, part in enumerate(path, 1):
        nodes = [inner for node in nodes for inner in _below(schema, node, part, is_key and depth == len(path))]
    for node in [inner for outer in nodes for inner in _alternatives(schema, outer)]:
        # What a class says of itself is a sentence for its readers; what a field says is made to be read here.
        if node.get("description") and node.get("type") != "object":
            examples = ", ".join(map(str, node.get("examples", ())))
            return f"{node['description']}, such as {examples}" if examples else str(node["description"])
    return None


def _below(schema: Any, node: Any, part: str | int, is_key: bool) -> Iterator[Any]:
    for each in _alternatives(schema, node):
        if isinstance(part, int):
            items = each.get("prefixItems", ())
            yield from items[part : part + 1] or [each.get("items", {})]
        elif is_key:
            yield each.get("propertyNames", {})
        elif part in each.get("properties", ()):
            yield each["properties"][part]
        else:
            yield from [*each.get("patternProperties", {}).values(), each.get("additionalProperties") or {}]


def _alternatives(schema: Any, node: Any) -> Iterator[Any]:
    """Yield a schema's node, and what it may be instead."""
    if "$ref" in node:
        node = {**schema["$defs"][node["$ref"].rsplit("/", 1)[-1]], **node}
    yield node
    for other in [*node.get("anyOf", ()), *node.get("oneOf", ())]:
        if "$ref" in other or "type" in other:
            yield from _alternatives(schema, other)


def _can_be(kind: Any, value: Any) -> bool:
    """Whether a union's member is the one meant: what `value` says in fields of fixed words is among these."""
    if not (isinstance(kind, type) and issubclass(kind, BaseModel) and isinstance(value, dict)):
        return True
    words = {
        field.alias or name: get_args(field.annotation)
        for name, field in kind.model_fields.items()
        if get_origin(field.annotation) is Literal
    }
    return all(value[name] in words[name] for name in words if isinstance(value.get(name), str))


def _inside(kind: Any, part: str | int) -> Iterator[Any]:
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        for name, field in kind.model_fields.items():
            if part in (name, field.alias):
                yield from _members(field.annotation)
    elif get_args(kind):
        # dict[str, V] gives V; tuple[X, ...], list[X] give X.
        arguments = [argument for argument in get_args(kind) if argument is not Ellipsis]
        yield from _members(arguments[-1])


def _members(kind: Any) -> Iterator[Any]:
    """Yield a type, or the members of a union or of Annotated."""
    is_container = getattr(kind, "__origin__", None) in (dict, list, tuple, frozenset, set)
    if is_container or (isinstance(kind, type) and not get_args(kind)):
        yield kind
    else:
        for argument in get_args(kind):
            yield from _members(argument)
