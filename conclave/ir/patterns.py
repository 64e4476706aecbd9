"""LIKE's patterns that are a text, or how a text begins: those that MPC can test. Of others only owners know how."""

from dataclasses import dataclass

from conclave.ir.expressions import Call, Expression, Literal, operands
from conclave.ir.types import Varchar, is_packed

_ANY, _ONE = "%", "_"


@dataclass(frozen=True)
class Pattern:
    """A text without wildcards: all of it has to be there and no more, or, of a prefix, anything after it."""

    text: bytes
    is_prefix: bool

    def may_fit(self, kind: Varchar) -> bool:
        """Whether any text of the type can fit: it may be too short, and no text holds a NUL."""
        return len(self.text) <= kind.max_bytes and b"\0" not in self.text

    def is_whole(self, kind: Varchar) -> bool:
        """Whether a text of the type fits just if it is the pattern's: nothing may come after, or has room to."""
        return not self.is_prefix or len(self.text) == kind.max_bytes

    def needs_bytes(self, kind: Varchar) -> bool:
        """Whether the code of a long string does not say if it fits: its bytes have to be at hand."""
        return bool(self.text) and self.may_fit(kind) and not self.is_whole(kind) and not is_packed(kind)


def pattern_of(like: Call) -> Pattern | None:
    """Return what a LIKE asks for; None if it is none, or asks for more than how a text begins.

    >>> from conclave.ir.expressions import Column
    >>> from conclave.ir.types import Boolean
    >>> def of(pattern):
    ...     return pattern_of(Call("like", (Column("name", Varchar(9)), Literal(pattern, Varchar(9))), Boolean()))
    >>> of("ab"), of("ab%%")
    (Pattern(text=b'ab', is_prefix=False), Pattern(text=b'ab', is_prefix=True))
    >>> of("a_"), of("%b"), of("a%b%")
    (None, None, None)
    """
    match like:
        case Call("like", (_, Literal(str() as pattern))):
            text = pattern.rstrip(_ANY)
            return None if _ANY in text or _ONE in text else Pattern(text.encode(), text != pattern)
    return None


def begun_in(expression: Expression) -> tuple[Expression, ...]:
    """Return the long strings of which the expression asks how they begin."""
    found = tuple(part for operand in operands(expression) for part in begun_in(operand))
    if not isinstance(expression, Call):
        return found
    pattern, (operand, *_) = pattern_of(expression), expression.arguments
    if pattern is not None and isinstance(operand.type, Varchar) and pattern.needs_bytes(operand.type):
        return (operand, *found)
    return found
