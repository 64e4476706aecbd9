"""Expressions under MPC: every node of `conclave.ir.expressions` on the rows of a shared table.

Numbers are words (see `conclave.ir.words`), NULL is a shared `present` bit, and a condition is a pair of bits,
"is true" and "is false", so that SQL's third truth value needs no case of its own: NOT swaps the two.
"""

from dataclasses import dataclass, field, replace
from typing import assert_never

from conclave.ir.expressions import (
    Arithmetic,
    Call,
    Case,
    Cast,
    Column,
    Compare,
    Expression,
    IsNull,
    Literal,
    Logic,
    Negate,
    Not,
    Spread,
)
from conclave.ir.nodes import Output
from conclave.ir.types import (
    Boolean,
    Decimal,
    Double,
    Integer,
    Type,
    Varchar,
    common_type,
    is_packed,
    key_bits,
)
from conclave.ir.words import FRACTION_BITS, n_text_words, text_column, text_words, word_of
from conclave.mpc.bits import and_bits, or_bits
from conclave.mpc.compare import is_negative, is_zero, less_than
from conclave.mpc.convert import bit_to_arithmetic, multiply_by_bit
from conclave.mpc.divide import divide, multiply_fixed
from conclave.mpc.multiply import multiply
from conclave.mpc.party import Party
from conclave.mpc.root import square_root
from conclave.mpc.shares import AShare, BitShare, public_bits, public_share
from conclave.mpc.whole import DIVISOR_BITS, divide_whole, divide_whole_by
from conclave.operators.spread import spread
from conclave.operators.table import SecretColumn, SecretTable


@dataclass(frozen=True)
class Words:
    """A column of values; `present` is None where none is NULL. `texts` are the bytes of long strings, if at hand."""

    values: AShare
    present: BitShare | None
    type: Type
    texts: tuple[AShare, ...] = ()


@dataclass(frozen=True)
class Truth:
    """A column of conditions. `false` is None where every row that is not true is false: there is no NULL."""

    true: BitShare
    false: BitShare | None


@dataclass(frozen=True)
class Rows:
    """The rows that expressions are evaluated on, and what has been: equal expressions are computed once."""

    table: SecretTable
    me: Party
    known: dict[Expression, Words] = field(default_factory=dict)


def project(source: SecretTable, outputs: tuple[Output, ...], me: Party) -> SecretTable:
    """Return the table with the given expressions as its columns. Reveals nothing."""
    columns: dict[str, SecretColumn] = {}
    rows = Rows(source, me)
    for output in outputs:
        words = words_of(output.expression, rows)
        columns |= _columns(output.name, words)
    return SecretTable(source.n_rows, columns, source.valid)


def words_of(expression: Expression, rows: Rows) -> Words:
    """Return the values of an expression in every row."""
    if expression not in rows.known:
        rows.known[expression] = _words_of(expression, rows)
    return rows.known[expression]


def _words_of(expression: Expression, rows: Rows) -> Words:
    me = rows.me
    match expression:
        case Column(name, kind):
            return _column(name, kind, rows.table)
        case Literal(value, kind):
            return _constant(word_of(value, kind), expression, rows)
        case Arithmetic():
            return _arithmetic(expression, rows)
        case Negate(operand):
            words = words_of(operand, rows)
            return replace(words, values=-words.values)
        case Cast(operand, kind):
            return convert(words_of(operand, rows), kind, me)
        case Case():
            return _case(expression, rows)
        case Compare() | Logic() | Not() | IsNull():
            truth = truth_of(expression, rows)
            present = None if truth.false is None else truth.true ^ truth.false  # never both
            return Words(bit_to_arithmetic(truth.true, me), present, Boolean())
        case Spread(function, count, total, squares):
            n, added, squared = (words_of(part, rows).values for part in (count, total, squares))
            values, present = spread(function, n, added, squared, total.type, me)
            return Words(values, present, Double())
        case Call("sqrt", (operand,)):
            return _square_root(words_of(operand, rows), me)
        case Call():
            raise AssertionError("no function of MPC")
        case _ as never:
            assert_never(never)


def truth_of(expression: Expression, rows: Rows) -> Truth:
    """Return in which rows a condition is true, and in which it is false."""
    me = rows.me
    match expression:
        case Compare():
            return _compare(expression, rows)
        case Logic(operator, left, right):
            return _logic(operator, truth_of(left, rows), truth_of(right, rows), me)
        case Not(operand):
            truth = truth_of(operand, rows)
            return Truth(_is_false(truth, me), None if truth.false is None else truth.true)
        case IsNull(Literal() as literal):
            return Truth(public_bits(int(literal.value is None), rows.table.n_rows, rows.me), None)
        case IsNull(operand):
            present = words_of(operand, rows).present
            return Truth(public_bits(0, rows.table.n_rows, rows.me) if present is None else present.invert(me), None)
        case Column() | Literal() | Arithmetic() | Negate() | Cast() | Case() | Call() | Spread():
            # A boolean word is 0 or 1, so its lowest bit is the truth, and taking it is free.
            words = words_of(expression, rows)
            return _where_present(words.values.lowest_bit(), words.present, me)
        case _ as never:
            assert_never(never)


def _columns(name: str, words: Words) -> dict[str, SecretColumn]:
    width, is_signed = key_bits(words.type), not isinstance(words.type, Varchar | Boolean)
    texts = {text_column(name, k): SecretColumn(text, None) for k, text in enumerate(words.texts)}
    return {name: SecretColumn(words.values, words.present, width, is_signed), **texts}


def _column(name: str, kind: Type, table: SecretTable) -> Words:
    column = table.columns[name]
    texts: tuple[AShare, ...] = ()
    if isinstance(kind, Varchar) and not is_packed(kind) and text_column(name, 0) in table.columns:
        texts = tuple(table.columns[text_column(name, k)].values for k in range(n_text_words(kind.max_bytes)))
    return Words(column.values, column.present, kind, texts)


def _constant(word: int, literal: Literal, rows: Rows) -> Words:
    kind, n, me = literal.type, rows.table.n_rows, rows.me
    present = public_bits(0, n, me) if literal.value is None else None
    texts: tuple[AShare, ...] = ()
    if isinstance(kind, Varchar) and not is_packed(kind):
        parts = text_words(str(literal.value or "").encode(), kind.max_bytes)
        texts = tuple(public_share(part, n, me) for part in parts)
    return Words(public_share(word, n, me), present, kind, texts)


def _arithmetic(expression: Arithmetic, rows: Rows) -> Words:
    me = rows.me
    if isinstance(expression.left, Literal) or isinstance(expression.right, Literal):
        by_constant = _times_constant(expression, rows)
        if by_constant is not None:
            return by_constant
    left, right = words_of(expression.left, rows), words_of(expression.right, rows)
    present = _both(left.present, right.present, me)
    kind = expression.type
    match expression.operator:
        case "+" | "-" as operator:
            if isinstance(kind, Integer | Decimal | Double):
                left, right = convert(left, kind, me), convert(right, kind, me)
            values = left.values + right.values if operator == "+" else left.values - right.values
        case "*" if isinstance(kind, Double):
            left, right = convert(left, kind, me), convert(right, kind, me)
            values = multiply_fixed(left.values, right.values, me)
        case "*":
            values = multiply(left.values, right.values, me)  # scales of decimals add up by themselves
        case "/":
            return _divide(left, right, present, me)
        case "//" | "%":
            return _divide_whole(expression, left, right, present, me)
        case _ as never:
            assert_never(never)
    return Words(values, present, kind)


def _times_constant(expression: Arithmetic, rows: Rows) -> Words | None:
    """Multiply by a whole constant without a round: the word is scaled where it lies."""
    if expression.operator != "*":
        return None
    for literal, other in ((expression.left, expression.right), (expression.right, expression.left)):
        if not isinstance(literal, Literal) or literal.value is None or isinstance(literal.type, Double):
            continue
        words = words_of(other, rows)
        if isinstance(words.type, Double):
            if literal.value != int(literal.value):  # type: ignore[arg-type]
                return None
            factor = int(literal.value)  # type: ignore[arg-type]
        else:
            factor = word_of(literal.value, literal.type)
        return Words(words.values * factor, words.present, expression.type)
    return None


def _divide(left: Words, right: Words, present: BitShare | None, me: Party) -> Words:
    zero = is_zero(right.values, me)
    is_left_real, is_right_real = isinstance(left.type, Double), isinstance(right.type, Double)
    fraction_bits = FRACTION_BITS
    if is_left_real and isinstance(right.type, Integer):
        fraction_bits = 0  # the dividend's own fraction bits become the quotient's
    elif is_left_real or is_right_real:
        left, right = convert(left, Double(), me), convert(right, Double(), me)
    else:
        common = common_type(left.type, right.type)
        left, right = convert(left, common, me), convert(right, common, me)
    # A divisor of 1 in place of 0 keeps the division in its range; the row is NULL anyway.
    divisor = right.values + bit_to_arithmetic(zero, me)
    quotient = divide(left.values, divisor, me, fraction_bits)
    return Words(quotient, _both(present, zero.invert(me), me), Double())


def _divide_whole(expression: Arithmetic, left: Words, right: Words, present: BitShare | None, me: Party) -> Words:
    divisor = expression.right.value if isinstance(expression.right, Literal) else None
    if isinstance(divisor, int) and 0 < abs(divisor) < 1 << DIVISOR_BITS:
        quotient, rest = divide_whole_by(left.values, divisor, me)
    else:
        zero = is_zero(right.values, me)
        # As for any division.
        quotient, rest = divide_whole(left.values, right.values + bit_to_arithmetic(zero, me), me)
        present = _both(present, zero.invert(me), me)
    return Words(quotient if expression.operator == "//" else rest, present, Integer(64))


def _square_root(words: Words, me: Party) -> Words:
    """Return the root of doubles, NULL for what is negative; of that, a root of zero is taken."""
    negative = is_negative(words.values, me)
    size = multiply_by_bit(words.values, negative.invert(me), me)
    return Words(square_root(size, me), _both(words.present, negative.invert(me), me), Double())


def convert(words: Words, target: Type, me: Party) -> Words:
    """Return the same values as words of a wider type."""
    if words.type == target:
        return words
    match words.type, target:
        case Integer(), (Integer() | Decimal(_, 0)):
            values = words.values
        case Integer(), Decimal(_, scale):
            values = words.values * 10**scale
        case Decimal(_, before), Decimal(_, after):
            values = words.values * 10 ** (after - before)
        case Integer(), Double():
            values = words.values * 2**FRACTION_BITS
        case Decimal(_, scale), Double():
            power = public_share(10**scale, words.values.n, me)
            values = divide(words.values, power, me, FRACTION_BITS)
        case Varchar(before), Varchar(after) if is_packed(words.type) and is_packed(target):
            values = words.values * 256 ** (after - before)
        case Varchar(), Varchar():
            values = words.values
        case _:
            raise AssertionError(f"{words.type} is no part of {target}")
    if isinstance(target, Varchar) and words.texts:
        zero = public_share(0, words.values.n, me)
        padding = (zero,) * (n_text_words(target.max_bytes) - len(words.texts))
        return Words(values, words.present, target, words.texts + padding)
    return Words(values, words.present, target)


def _compare(expression: Compare, rows: Rows) -> Truth:
    kind, me = common_type(expression.left.type, expression.right.type), rows.me
    left, right = _side(expression.left, kind, rows), _side(expression.right, kind, rows)
    if left is None or right is None:
        # A constant too long for the column's short strings: nothing can be equal to it.
        none = public_bits(int(expression.operator == "<>"), rows.table.n_rows, rows.me)
        present = (left or right).present if (left or right) else None  # type: ignore[union-attr]
        return _where_present(none, present, me)
    present = _both(left.present, right.present, me)
    match expression.operator:
        case "=":
            bits = is_zero(left.values - right.values, me)
        case "<>":
            bits = is_zero(left.values - right.values, me).invert(me)
        case "<":
            bits = less_than(left.values, right.values, me)
        case ">":
            bits = less_than(right.values, left.values, me)
        case "<=":
            bits = less_than(right.values, left.values, me).invert(me)
        case ">=":
            bits = less_than(left.values, right.values, me).invert(me)
        case _ as never:
            assert_never(never)
    return _where_present(bits, present, me)


def _side(expression: Expression, kind: Type, rows: Rows) -> Words | None:
    """Return one side of a comparison as words of the common type; None for a string constant that cannot match."""
    if isinstance(expression, Literal):
        if isinstance(expression.type, Varchar) and isinstance(kind, Varchar) and expression.value is not None:
            return words_of(replace(expression, type=kind), rows)
        return convert(words_of(expression, rows), kind, rows.me)
    words = words_of(expression, rows)
    if isinstance(kind, Varchar) and isinstance(words.type, Varchar) and is_packed(words.type) != is_packed(kind):
        return None
    return convert(words, kind, rows.me)


def _logic(operator: str, left: Truth, right: Truth, me: Party) -> Truth:
    if operator == "or":  # De Morgan: not (not left and not right)
        negated = _logic("and", _swap(left, me), _swap(right, me), me)
        return _swap(negated, me)
    true = and_bits(left.true, right.true, me)
    if left.false is None and right.false is None:
        return Truth(true, None)
    return Truth(true, or_bits(_is_false(left, me), _is_false(right, me), me))


def _swap(truth: Truth, me: Party) -> Truth:
    return Truth(_is_false(truth, me), None if truth.false is None else truth.true)


def _is_false(truth: Truth, me: Party) -> BitShare:
    return truth.true.invert(me) if truth.false is None else truth.false


def _where_present(bits: BitShare, present: BitShare | None, me: Party) -> Truth:
    if present is None:
        return Truth(bits, None)
    true = and_bits(bits, present, me)
    return Truth(true, present ^ true)


def _case(expression: Case, rows: Rows) -> Words:
    kind, me = expression.type, rows.me
    result = _branch(expression.default, kind, rows)
    for condition, value in reversed(expression.branches):
        chosen = truth_of(condition, rows).true
        result = _choose(chosen, _branch(value, kind, rows), result, me)
    return result


def _branch(expression: Expression, kind: Type, rows: Rows) -> Words:
    if isinstance(expression, Literal) and (expression.value is None or isinstance(kind, Varchar)):
        return words_of(replace(expression, type=kind), rows)
    return convert(words_of(expression, rows), kind, rows.me)


def _choose(chosen: BitShare, yes: Words, no: Words, me: Party) -> Words:
    weight = bit_to_arithmetic(chosen, me)
    texts: tuple[AShare, ...] = ()
    if yes.texts and no.texts:
        texts = tuple(b + multiply(weight, a - b, me) for a, b in zip(yes.texts, no.texts, strict=True))
    values = no.values + multiply(weight, yes.values - no.values, me)
    if yes.present is None and no.present is None:
        return Words(values, None, no.type, texts)
    n = no.values.n
    yes_present = yes.present if yes.present is not None else public_bits(1, n, me)
    no_present = no.present if no.present is not None else public_bits(1, n, me)
    present = no_present ^ and_bits(chosen, yes_present ^ no_present, me)
    return Words(values, present, no.type, texts)


def _both(left: BitShare | None, right: BitShare | None, me: Party) -> BitShare | None:
    if left is None or right is None:
        return right if left is None else left
    return and_bits(left, right, me)
