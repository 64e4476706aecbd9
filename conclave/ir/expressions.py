"""Scalar expressions: small frozen nodes that know their type and whether they can be NULL.

Sugar (BETWEEN, IN, COALESCE, NULLIF, `<>` chains) is gone by the time an expression is made; see `conclave.sql.bind`.
"""

import datetime
import decimal
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal as OneOf

from conclave.ir.errors import Position, TypeProblem
from conclave.ir.types import (
    AS_CONDITION,
    MAX_DECIMAL_DIGITS,
    Boolean,
    Date,
    Decimal,
    Double,
    Integer,
    Type,
    as_decimal,
    as_number,
    common_type,
    is_numeric,
)

ArithmeticOperator = OneOf["+", "-", "*", "/", "//", "%", "&"]
ComparisonOperator = OneOf["=", "<>", "<", "<=", ">", ">="]
LogicOperator = OneOf["and", "or"]
SpreadFunction = OneOf["var_samp", "var_pop", "stddev_samp", "stddev_pop"]
SpreadPart = OneOf["all", "small", "large"]
# What owners compute on their own rows, before any are combined; MPC has those in `UNDER_MPC`, and LIKE for some patterns
# (see `patterns`), which owners test for nothing.
LocalFunction = OneOf[
    "like", "ilike", "substring", "lower", "upper", "trim", "length",
    "year", "quarter", "month", "week", "day", "dayofweek", "dayofyear", "date_trunc", "add_months",
    "floor", "ceil", "round", "sqrt",
]  # fmt: skip
UNDER_MPC: tuple[LocalFunction, ...] = ("sqrt", "floor", "ceil", "round")
Value = int | float | bool | str | decimal.Decimal | datetime.date | None


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the row at hand, by its name in the source's schema."""

    name: str
    type: Type
    nullable: bool = True
    at: Position | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Literal:
    """A constant from the query's text; `None` is NULL of the given type."""

    value: Value
    type: Type
    at: Position | None = field(default=None, compare=False, repr=False)

    @property
    def nullable(self) -> bool:
        """Only NULL itself is."""
        return self.value is None


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """`left operator right` on numbers. Division yields a double; by zero any yields NULL.

    `//`, `%` and `&` are of whole numbers: the quotient is cut off towards zero, and the rest has the sign of `left`; `&`
    is the AND of their bits, in two's complement.
    """

    operator: ArithmeticOperator
    left: "Expression"
    right: "Expression"
    at: Position | None = field(default=None, compare=False, repr=False)

    def __post_init__(self) -> None:
        for side in (self.left, self.right):
            if not is_numeric(side.type) and not _is_date_shift(self):
                raise TypeProblem(f"{self.operator!r} needs numbers, got {side.type}", self.at, as_number(side.type))
            if self.operator in ("//", "%", "&") and not isinstance(side.type, Integer):
                fix = "use /, which gives a double" if self.operator == "//" else None
                raise TypeProblem(f"{self.operator!r} needs whole numbers, got {side.type}", self.at, fix)

    @property
    def type(self) -> Type:
        """SQL's rules: wider integer, added scales for `*`, double wherever a double takes part and for `/`."""
        left, right = self.left.type, self.right.type
        if isinstance(left, Date):
            return Integer(64) if isinstance(right, Date) else Date()
        if self.operator == "/" or isinstance(left, Double) or isinstance(right, Double):
            return Double()
        if isinstance(left, Integer) and isinstance(right, Integer):
            # One size up, so that what fits MPC's word does not overflow a narrower type locally.
            return Integer(64)
        assert isinstance(left, Integer | Decimal)
        assert isinstance(right, Integer | Decimal)
        if self.operator == "*":
            first, second = as_decimal(left), as_decimal(right)
            digits = min(first.precision + second.precision, MAX_DECIMAL_DIGITS)
            scale = first.scale + second.scale
            if scale > MAX_DECIMAL_DIGITS:
                raise TypeProblem(f"the product of {left} and {right} has too many decimals", self.at)
            return Decimal(max(digits, scale), scale)
        wide = as_decimal(_numeric(common_type(left, right)))
        return Decimal(min(wide.precision + 1, MAX_DECIMAL_DIGITS), wide.scale)

    @property
    def nullable(self) -> bool:
        """A divisor that is not a non-zero constant can be zero."""
        if self.operator in ("/", "//", "%") and not (isinstance(self.right, Literal) and self.right.value):
            return True
        return self.left.nullable or self.right.nullable


@dataclass(frozen=True, slots=True)
class Negate:
    """`- operand`."""

    operand: "Expression"
    at: Position | None = field(default=None, compare=False, repr=False)

    def __post_init__(self) -> None:
        if not is_numeric(self.operand.type):
            what = f"'-' needs a number, got {self.operand.type}"
            raise TypeProblem(what, self.at, as_number(self.operand.type))

    @property
    def type(self) -> Type:
        """The operand's; of a narrow integer the widest, since the least one has no counterpart."""
        is_narrow = isinstance(self.operand.type, Integer) and not isinstance(self.operand, Literal)
        return Integer(64) if is_narrow else self.operand.type

    @property
    def nullable(self) -> bool:
        """As the operand."""
        return self.operand.nullable


@dataclass(frozen=True, slots=True)
class Compare:
    """`left operator right`; NULL if either side is."""

    operator: ComparisonOperator
    left: "Expression"
    right: "Expression"
    at: Position | None = field(default=None, compare=False, repr=False)

    def __post_init__(self) -> None:
        try:
            common_type(self.left.type, self.right.type)
        except TypeProblem as problem:
            what = f"cannot compare {self.left.type} with {self.right.type}"
            fix = "write a constant as its column is declared: 7, 'text', DATE '2000-01-31'"
            if not isinstance(self.left, Literal) and not isinstance(self.right, Literal):
                fix = "compare what is of one kind: numbers, texts, dates; a column's kind is what its owner declares"
            raise TypeProblem(what, self.at, fix) from problem

    @property
    def type(self) -> Type:
        """Always boolean."""
        return Boolean()

    @property
    def nullable(self) -> bool:
        """If either side is."""
        return self.left.nullable or self.right.nullable


@dataclass(frozen=True, slots=True)
class Logic:
    """`left and right`, `left or right`, in SQL's three-valued logic."""

    operator: LogicOperator
    left: "Expression"
    right: "Expression"
    at: Position | None = field(default=None, compare=False, repr=False)

    def __post_init__(self) -> None:
        for side in (self.left, self.right):
            if not isinstance(side.type, Boolean):
                raise TypeProblem(f"{self.operator.upper()} needs booleans, got {side.type}", self.at, AS_CONDITION)

    @property
    def type(self) -> Type:
        """Always boolean."""
        return Boolean()

    @property
    def nullable(self) -> bool:
        """If either side is."""
        return self.left.nullable or self.right.nullable


@dataclass(frozen=True, slots=True)
class Not:
    """`not operand`; NULL stays NULL."""

    operand: "Expression"
    at: Position | None = field(default=None, compare=False, repr=False)

    def __post_init__(self) -> None:
        if not isinstance(self.operand.type, Boolean):
            raise TypeProblem(f"NOT needs a boolean, got {self.operand.type}", self.at, AS_CONDITION)

    @property
    def type(self) -> Type:
        """Always boolean."""
        return Boolean()

    @property
    def nullable(self) -> bool:
        """As the operand."""
        return self.operand.nullable


@dataclass(frozen=True, slots=True)
class IsNull:
    """`operand is null`: never NULL itself."""

    operand: "Expression"
    at: Position | None = field(default=None, compare=False, repr=False)

    @property
    def type(self) -> Type:
        """Always boolean."""
        return Boolean()

    @property
    def nullable(self) -> bool:
        """Never."""
        return False


@dataclass(frozen=True, slots=True)
class Case:
    """The value of the first branch whose condition is true, else `default`."""

    branches: tuple[tuple["Expression", "Expression"], ...]
    default: "Expression"
    at: Position | None = field(default=None, compare=False, repr=False)

    def __post_init__(self) -> None:
        for condition, _ in self.branches:
            if not isinstance(condition.type, Boolean):
                raise TypeProblem(f"WHEN needs a boolean, got {condition.type}", self.at, AS_CONDITION)
        _ = self.type

    @property
    def type(self) -> Type:
        """The common type of all branches."""
        result: Type | None = None
        for value in (*(value for _, value in self.branches), self.default):
            if isinstance(value, Literal) and value.value is None:
                continue
            result = value.type if result is None else common_type(result, value.type)
        return result if result is not None else self.default.type

    @property
    def nullable(self) -> bool:
        """If any branch is."""
        return self.default.nullable or any(value.nullable for _, value in self.branches)


@dataclass(frozen=True, slots=True)
class Cast:
    """`operand` as another type: to a wider number, or a number to double."""

    operand: "Expression"
    type: Type
    at: Position | None = field(default=None, compare=False, repr=False)

    @property
    def nullable(self) -> bool:
        """As the operand."""
        return self.operand.nullable


@dataclass(frozen=True, slots=True)
class Call:
    """A function of what an owner's engine computes; NULL if any argument is, and sqrt of what is negative."""

    function: LocalFunction
    arguments: tuple["Expression", ...]
    type: Type
    at: Position | None = field(default=None, compare=False, repr=False)

    @property
    def nullable(self) -> bool:
        """If any argument is, or there may be no value."""
        return self.function == "sqrt" or any(argument.nullable for argument in self.arguments)


@dataclass(frozen=True, slots=True)
class Spread:
    """The variance or standard deviation of values of which a count, a sum and a sum of squares are known.

    A variance may be larger than a double is under MPC. It is in two parts then, of which one is 0: `small` holds what such
    a double does, and `large` a whole number.
    """

    function: SpreadFunction
    count: "Expression"
    total: "Expression"
    squares: "Expression"
    at: Position | None = field(default=None, compare=False, repr=False)
    part: SpreadPart = "all"

    @property
    def type(self) -> Type:
        """Double, but for the whole part."""
        return Integer(64) if self.part == "large" else Double()

    @property
    def may_be_large(self) -> bool:
        """Whether there may be more of it than a double holds under MPC: the values being no doubles themselves."""
        return self.function in ("var_samp", "var_pop") and not isinstance(self.total.type, Double)

    @property
    def nullable(self) -> bool:
        """Of no value there is none."""
        return True


Expression = Spread | Column | Literal | Arithmetic | Negate | Compare | Logic | Not | IsNull | Case | Cast | Call


def operands(expression: Expression) -> tuple[Expression, ...]:
    """Return the direct parts of an expression, in the order they are written."""
    match expression:
        case Column() | Literal():
            return ()
        case Arithmetic(left=left, right=right) | Compare(left=left, right=right) | Logic(left=left, right=right):
            return (left, right)
        case Negate(operand) | Not(operand) | IsNull(operand) | Cast(operand):
            return (operand,)
        case Case(branches, default):
            return (*(part for branch in branches for part in branch), default)
        case Call(_, arguments):
            return arguments
        case Spread(_, count, total, squares):
            return (count, total, squares)


def decimals_of(rounding: Call) -> int:
    """Return how many decimals FLOOR, CEIL or ROUND leaves."""
    said = rounding.arguments[1] if len(rounding.arguments) > 1 else None
    return said.value if isinstance(said, Literal) and isinstance(said.value, int) else 0


def needs_owner(expression: Expression) -> bool:
    """Whether a part of it is a function that MPC does not have, or not for every argument."""
    if isinstance(expression, Call) and expression.function not in UNDER_MPC:
        return True
    return any(map(needs_owner, operands(expression)))


def columns_of(expression: Expression) -> Iterator[Column]:
    """Yield every column that an expression reads, in the order they are written, with repeats."""
    if isinstance(expression, Column):
        yield expression
        return
    for part in operands(expression):
        yield from columns_of(part)


def names_in(expression: Expression) -> frozenset[str]:
    """Return the names of all columns that an expression reads."""
    if isinstance(expression, Column):  # nearly all that a projection has
        return frozenset((expression.name,))
    names, left = set[str](), list[Expression]([expression])
    while left:
        part = left.pop()
        if isinstance(part, Column):
            names.add(part.name)
        else:
            left += operands(part)
    return frozenset(names)


def _is_date_shift(expression: Arithmetic) -> bool:
    match expression.operator, expression.left.type, expression.right.type:
        case ("-", Date(), Date()) | ("+" | "-", Date(), Integer()):
            return True
    return False


def _numeric(kind: Type) -> Integer | Decimal:
    assert isinstance(kind, Integer | Decimal)
    return kind
