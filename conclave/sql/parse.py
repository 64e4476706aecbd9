"""Text to sqlglot's tree, and where each part of that tree stands in the text."""

import difflib
import re
from dataclasses import dataclass

from sqlglot import exp
from sqlglot import parse as parse_statements
from sqlglot.errors import ParseError, SqlglotError

from conclave.ir.errors import Position, QueryProblem, UnsupportedQuery

_KEYWORDS = ("SELECT", "FROM", "WHERE", "GROUP", "HAVING", "ORDER", "LIMIT", "JOIN", "UNION", "DISTINCT", "BETWEEN")


@dataclass(frozen=True)
class Text:
    """The query as written."""

    sql: str

    def position(self, offset: int) -> Position:
        """Return the place of the character at `offset`.

        >>> str(Text("SELECT a\\nFROM t").position(14))
        'line 2, column 6'
        """
        before = self.sql[:offset]
        return Position(before.count("\n") + 1, offset - (before.rfind("\n") + 1) + 1)

    def called_at(self, at: Position | None) -> str | None:
        """Return the name of the function that is called at a place, as it is written there; None if there is none.

        >>> Text("SELECT Bool_or(a) FROM t").called_at(Position(1, 8))
        'Bool_or'
        """
        if at is None:
            return None
        found = re.match(r"(\w+)\s*\(", self.sql.split("\n")[at.line - 1][at.column - 1 :])
        return found[1] if found else None

    def at(self, part: exp.Expr | None) -> Position | None:
        """Return where `part` begins, or the nearest to it: sqlglot marks only names, literals and calls."""
        while part is not None:
            starts = [start for node in part.walk() if (start := node.meta.get("start")) is not None]
            if starts:
                return self.position(min(starts))
            part = part.parent
        return None


def parse(sql: str) -> exp.Query:
    """Return the tree of the one SELECT statement in `sql`.

    Raises:  QueryProblem for a syntax error, UnsupportedQuery for any other kind of statement.
    """
    text = Text(sql)
    try:
        statements = [statement for statement in parse_statements(sql, dialect="duckdb") if statement is not None]
    except ParseError as error:
        raise _syntax_error(text, error) from error
    except SqlglotError as error:
        what = "the query cannot be read: a quote or a comment is not closed"
        raise QueryProblem(
            what, text.position(_unclosed(sql)), "close it; a quote within quotes is written twice"
        ) from error
    if not statements:
        raise QueryProblem("the query is empty", fix="write one SELECT statement")
    first, *more = statements
    if more:
        raise UnsupportedQuery("there are several statements", text.at(more[0]), "write one SELECT statement")
    while isinstance(first, exp.Subquery) and [name for name, value in first.args.items() if value] == ["this"]:
        first = first.this
    if not isinstance(first, exp.Query):
        raise UnsupportedQuery(f"{first.key.upper()} is not supported", text.at(first), "write one SELECT statement")
    return first


def unwrapped(query: exp.Expr) -> exp.Expr:
    """Return what stands in parentheses."""
    while isinstance(query, exp.Subquery | exp.Paren) and [name for name, value in query.args.items() if value] == [
        "this"
    ]:
        query = query.this
    return query


def _unclosed(sql: str) -> int:
    """Return where the quote or comment begins that the tokenizer has seen no end of; the query's end if there is none."""
    for found in re.finditer(r"--[^\n]*|'(?:[^']|'')*('|$)|\"(?:[^\"]|\"\")*(\"|$)|/\*.*?(\*/|$)", sql, re.DOTALL):
        if not found[0].startswith("--") and not any(found.groups()):
            return found.start()
    return len(sql)


def _syntax_error(text: Text, error: ParseError) -> QueryProblem:
    if not error.errors:
        return QueryProblem("syntax error")
    first = error.errors[0]
    word, line, last_column = first["highlight"] or "", first["line"], first["col"]
    at = Position(line, max(1, last_column - len(word) + 1)) if line and last_column else None
    reason = str(first["description"]).split(" but got ")[0].rstrip(".")
    return QueryProblem(f"syntax error at {word!r}: {reason.split(' / ')[-1].lower()}", at, _amend(text, word, at))


def _amend(text: Text, word: str, at: Position | None) -> str:
    """Return what may be wrong where a statement cannot be read: nobody knows, so what mostly is."""
    before = text.sql.split("\n")[at.line - 1][: at.column - 1] if at is not None else ""
    for written in (word.upper(), *re.findall(r"(\w+)\s*$", before.upper())):  # FORM may be read as a name
        near = difflib.get_close_matches(written, _KEYWORDS, n=1, cutoff=0.7)
        if near and written not in _KEYWORDS:
            return f"did you mean {near[0]}?"
    if word in ("-", "/") and re.search(r"\b(FROM|JOIN)\s+\w+$", before, re.IGNORECASE):
        return "use the workflow's name of the table"
    if re.search(r"\bTOP\s*\(?\s*$", before, re.IGNORECASE):
        return "write LIMIT at the end"
    return "look before it for a comma, an operator, a keyword or a parenthesis too many or too few"
