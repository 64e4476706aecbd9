"""Which rows a window function is of, as the query says it."""

from dataclasses import dataclass

from sqlglot import exp

from conclave.ir.errors import Position, UnsupportedQuery
from conclave.ir.window import Frame
from conclave.sql.parse import Text
from conclave.sql.refuse import refuse_others, refused

MOST_ROWS_IN_FRAME = 32  # of a moving frame: each is a column, and a part of an expression
_FIX = (
    f"say ROWS BETWEEN 6 PRECEDING AND CURRENT ROW (at most {MOST_ROWS_IN_FRAME} rows), or a frame that begins at the "
    "partition's first row or ends at its last one"
)


@dataclass(frozen=True)
class Asked:
    """The frame: of the engine's own kinds, those in the opposite order, or so many rows before and after (`moving`)."""

    frame: Frame
    is_backwards: bool = False
    moving: range | None = None  # -2, -1, 0: from two rows before to the row itself


def asked_frame(spec: exp.Expr | None, is_ordered: bool, text: Text, at: Position | None) -> Asked:
    """Return what ROWS, RANGE or GROUPS asks for; what SQL means by none.

    Raises:  UnsupportedQuery for frames that begin or end elsewhere.
    """
    if spec is None:
        return Asked("range" if is_ordered else "partition")
    refuse_others(spec, frozenset({"kind", "start", "start_side", "end", "end_side"}), text)
    kind, start, end = spec.args.get("kind"), _bound(spec, "start"), _bound(spec, "end")
    match start, end:
        case "UNBOUNDED PRECEDING", "UNBOUNDED FOLLOWING":
            return Asked("partition")
        case ("UNBOUNDED PRECEDING", 0) | (0, "UNBOUNDED FOLLOWING"):
            is_backwards = start == 0
            if kind == "ROWS" and is_ordered:
                return Asked("rows", is_backwards)
            if kind != "ROWS":
                return Asked("range", is_backwards) if is_ordered else Asked("partition")
        case int(), int() if kind == "ROWS" and is_ordered:
            rows = range(start, end + 1)
            if 0 < len(rows) <= MOST_ROWS_IN_FRAME and max(-start, end) <= MOST_ROWS_IN_FRAME:
                return Asked("partition", moving=rows)
    raise _refused(at)


def _bound(spec: exp.Expr, name: str) -> int | str | None:
    """Return how many rows after the row itself a frame begins or ends; UNBOUNDED and what is no constant by their words."""
    said, side = spec.args.get(name), spec.args.get(f"{name}_side")
    if said == "CURRENT ROW" or (said is None and name == "end"):
        return 0
    if isinstance(said, exp.Literal) and said.is_int:
        return -int(said.name) if side == "PRECEDING" else int(said.name)
    return f"{said} {side}" if said == "UNBOUNDED" else None


def _refused(at: Position | None) -> UnsupportedQuery:
    return refused("a window frame like this", at, _FIX)
