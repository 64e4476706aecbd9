"""What stands around an aggregate's call: its FILTER, and its OVER."""

from sqlglot import exp

_AROUND = (exp.Filter, exp.Window)


def is_within(part: exp.Expr) -> bool:
    """Whether a part of the query is what a FILTER or an OVER stands around."""
    return isinstance(part.parent, _AROUND) and part.arg_key == "this"


def call_in(part: exp.Expr) -> exp.Expr:
    """Return the call, without what stands around it."""
    while isinstance(part, _AROUND):
        part = part.this
    return part


def with_call(part: exp.Expr, call: exp.Expr) -> exp.Expr:
    """Return another call with what stands around the one in `part`."""
    if not isinstance(part, _AROUND):
        return call
    copied = part.copy()
    call_in(copied).replace(call)
    return copied
