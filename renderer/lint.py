"""yamllint's rules: the repository's own, or these."""

from pathlib import Path

from yamllint import linter
from yamllint.config import YamlLintConfig, YamlLintConfigError

from policy.problem import DocumentError, Problem

REPOSITORY_RULES = ".yamllint.yaml"
# Rendered files hold certificates and digests, which no line length suits; a key of GitHub's pipelines is `on`.
DEFAULT_RULES = """
extends: default
rules:
  comments: {min-spaces-from-content: 1}
  line-length: {max: 120, ignore: [argocd/]}
  truthy: {ignore: [argocd/ci/]}
"""
KEY_TWICE = "(key-duplicates)"  # how what yamllint says of a duplicate key ends
# What to do, by yamllint's rule; those that are not here say it themselves.
FIXES = {
    "document-start": "write --- on a line of its own before the document",
    "empty-lines": "take the empty lines out",
    "indentation": "begin what belongs together in one column",
    "key-duplicates": "keep one",
    "line-length": "break the line; SQL and `|` blocks may go on in the next",
    "new-line-at-end-of-file": "end the last line",
    "trailing-spaces": "take the blanks at the line's end away",
    "truthy": "write true or false; what is meant as text goes in quotes",
}


def load_rules(root: Path) -> YamlLintConfig:
    """Return the rules of the federation in `root`.

    Raises:  DocumentError if its own are not what yamllint reads.
    """
    own = root / REPOSITORY_RULES
    if not own.is_file():
        return YamlLintConfig(DEFAULT_RULES)
    try:
        return YamlLintConfig(own.read_text(encoding="utf-8"))
    except YamlLintConfigError as error:
        raise DocumentError([Problem(REPOSITORY_RULES, 1, 1, "", str(error))]) from None


def lint(text: str, file: str, rules: YamlLintConfig) -> tuple[Problem, ...]:
    """Return what yamllint finds, warnings included. What is no YAML is left to the document's reader."""
    if rules.is_file_ignored(file):
        return ()
    text = text.removeprefix("\ufeff")  # whose width yamllint would count into the first line
    try:
        # Nearly all texts are in style. To hear so from `run` would take twice as long: it parses them once more first.
        if not any(linter.get_cosmetic_problems(text, rules, file)):
            return ()
        found = [found for found in linter.run(text, rules, file) if found.rule is not None]
    except linter.yaml.YAMLError:  # of the reader that yamllint has, which is not ours
        return ()
    return tuple(
        Problem(file, one.line, one.column, "", f"{one.desc} ({one.rule})", FIXES.get(one.rule)) for one in found
    )
