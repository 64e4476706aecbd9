"""Find credentials in a document by their look or their field's name. They are located, never repeated."""

import re
from typing import Any

from policy.problem import Path, Problem, field_name
from policy.yaml import Lines

FIX = "take it out, replace it everywhere it was used, and put the new one in the namespace's Secret"

# What no text but a credential looks like. The text may be a peer's, made to keep us busy: no pattern looks further than
# a fixed number of characters from each place where it may begin.
_LOOKS_LIKE = {
    "a private key": re.compile(r"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY"),
    "an age secret key": re.compile(r"AGE-SECRET-KEY-", re.IGNORECASE),
    "a password in a URL": re.compile(r"[a-z][a-z0-9+.-]{0,30}://[^\s/?#:@]*+:[^\s/?#@]++@", re.IGNORECASE),
    "a token in a URL": re.compile(r"https?://[^\s/?#:@]++@", re.IGNORECASE),
    "a cloud access key": re.compile(r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"),
    "a forge token": re.compile(r"\b(?:gh[pousr]_[A-Za-z0-9]{20,}|github_pat_\w{20,}|glpat-[\w-]{16,})"),
    "a chat token": re.compile(r"\bxox[abeoprs]-[A-Za-z0-9-]{10,}"),
    "a JSON web token": re.compile(r"\beyJ[\w-]{8,4096}+\.eyJ[\w-]{8,4096}+\."),
    "a Keystone token": re.compile(r"\bgAAAAA[\w-]{40,}"),
}
# Fields whose value would be a credential. (A Secret's *name* goes into `secret` or `credentials`.)
_NAMED_LIKE = re.compile(
    r"(?:.*(?:password|passwd|passphrase|privatekey|secretkey|secretaccesskey|apikey|apitoken|accesskey"
    r"|accesstoken|authtoken|clientsecret|credentialsecret|sharedkey|signingkey)|token|pwd|pass|stkey|tlskey)"
)


def find_secrets(text: str, value: Any, lines: Lines) -> list[Problem]:
    """Return a problem for each line that seems to hold a credential, comments included."""
    found: dict[int, Problem] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        name = _looks_like(line)
        if name:
            found[number] = Problem(lines.file, number, 1, "", f"this line seems to hold {name}", FIX)
    _walk(value, (), lines, found)
    return list(found.values())


def _walk(value: Any, path: Path, lines: Lines, found: dict[int, Problem]) -> None:
    match value:
        case dict():
            name, content = value.get("name"), value.get("value")
            if isinstance(name, str) and _is_credential(name, content):
                _add((*path, "value"), f"{_field(name)} with its value", lines, found)
            for key, item in value.items():
                if _is_credential(key, item):
                    _add((*path, key), "a credential, by the name of the field", lines, found)
                _walk(item, (*path, key), lines, found)
        case list():
            for index, item in enumerate(value):
                _walk(item, (*path, index), lines, found)
        case str():
            name = _looks_like(value)
            if name:
                _add(path, name, lines, found)


def _add(path: Path, name: str, lines: Lines, found: dict[int, Problem]) -> None:
    problem = lines.problem(path, f"this seems to hold {name}", FIX)
    found.setdefault(problem.line, problem)


def _looks_like(text: str) -> str | None:
    return next((name for name, pattern in _LOOKS_LIKE.items() if pattern.search(text)), None)


def _is_credential(key: str, value: Any) -> bool:
    if value is None or value == "" or isinstance(value, bool | dict | list):
        return False
    return _NAMED_LIKE.fullmatch(re.sub(r"[^a-z0-9]", "", key.lower())) is not None


def _field(name: str) -> str:
    return field_name((name,)) if name.isidentifier() else "a credential"
