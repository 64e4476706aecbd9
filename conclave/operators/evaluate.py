"""Expressions under MPC: every node of `conclave.ir.expressions` on the rows of a shared table.

Numbers are words (see `conclave.ir.words`), NULL is a shared `present` bit, and a condition is a pair of bits,
"is true" and "is false", so that SQL's third truth value needs no case of its own: NOT swaps the two.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar, assert_never

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
    decimals_of,
)
from conclave.ir.nodes import Output
from conclave.ir.patterns import pattern_of
from conclave.ir.ranges import CERTAIN, LIFT_MOST, ROUNDED_MOST, WORD_MOST, Fit, Ranges
from conclave.ir.types import (
    Boolean,
    Double,
    Integer,
    Type,
    Varchar,
    common_type,
    is_packed,
    key_bits,
)
from conclave.ir.words import n_text_words, text_column, text_words, word_of
from conclave.mpc.bits import and_bits
from conclave.mpc.compare import is_negative, is_zero, less_than
from conclave.mpc.convert import bit_to_arithmetic, multiply_by_bit
from conclave.mpc.party import Party
from conclave.mpc.root import square_root
from conclave.mpc.shares import AShare, BitShare, concat_bits, public_bits, public_share
from conclave.mpc.together import for_each, together, wait_for
from conclave.operators.arithmetic import compute
from conclave.operators.choose import choose_words
from conclave.operators.filter import filter_rows
from conclave.operators.like import fits
from conclave.operators.rounding import rounded
from conclave.operators.spread import Variances, spread
from conclave.operators.table import SecretColumn, SecretTable
from conclave.operators.watch import Watch
from conclave.operators.words import Words, both, convert, either, marked, within

T = TypeVar("T")
K = TypeVar("K")

# Variances or deviations, and where what they are of outgrew its word.
_Spreads = tuple[Variances, BitShare | None]


@dataclass(frozen=True)
class Truth:
    """A column of conditions. `false` is None where every row that is not true is false: there is no NULL."""

    true: BitShare
    false: BitShare | None
    outgrown: BitShare | None = None  # as of `Words`


@dataclass(frozen=True)
class Rows:
    """The rows that expressions are evaluated on, and what has been: equal expressions are computed once."""

    table: SecretTable
    me: Party
    ranges: Ranges | None = None  # of the columns; None if nothing has to be looked at
    known: dict[Expression, Words | None] = field(default_factory=dict)  # None: being computed, beside this
    variances: dict[Spread, _Spreads | None] = field(default_factory=dict)  # of which both parts may be asked

    def on(self, me: Party) -> "Rows":
        """Return the same rows for a protocol that runs beside others."""
        return replace(self, me=me)

    def fit(self, expression: Arithmetic) -> Fit:
        """Return what has to be looked at in an operation."""
        return CERTAIN if self.ranges is None else self.ranges.fit(expression)

    def variance(self, expression: Spread) -> Fit:
        """Return what has to be looked at in a variance or deviation."""
        return CERTAIN if self.ranges is None else self.ranges.variance(expression)

    def limited(self, expression: Expression, most: int) -> Fit:
        """Return whether the expression has to be looked at to be no larger than `most`."""
        return CERTAIN if self.ranges is None else self.ranges.limited(expression, most)

    def converted(self, expression: Expression, kind: Type) -> Fit:
        """Return whether the expression has to be looked at before it becomes another type."""
        return CERTAIN if self.ranges is None else self.ranges.converted(expression, kind)


def project(
    source: SecretTable, outputs: tuple[Output, ...], me: Party, ranges: Ranges | None, watch: Watch
) -> SecretTable:
    """Return the table with the given expressions as its columns. Reveals nothing."""
    columns: dict[str, SecretColumn] = {}
    rows = Rows(source, me, ranges)
    computed = all_words([output.expression for output in outputs], rows)
    for output, words in zip(outputs, computed, strict=True):
        columns |= _columns(output.name, words)
    outgrown = {id(words.outgrown): words.outgrown for words in computed if words.outgrown is not None}
    for_each(outgrown.values(), lambda bits, lane: watch_rows(bits, source, watch, lane), me)
    return SecretTable(source.n_rows, columns, source.valid)


def choose(source: SecretTable, predicate: Expression, me: Party, ranges: Ranges | None, watch: Watch) -> SecretTable:
    """Return the table with those rows only for which the predicate is true. Reveals nothing."""
    truth = truth_of(predicate, Rows(source, me, ranges))
    watch_rows(truth.outgrown, source, watch, me)
    return filter_rows(source, truth.true, me)


def watch_rows(outgrown: BitShare | None, table: SecretTable, watch: Watch, me: Party) -> None:
    """Let the end know if something outgrew its word in a row that exists.

    Reveals: nothing.
    """
    there = both(outgrown, table.valid, me) if outgrown is not None else None
    if there is not None:
        watch.add(there, me)


def words_of(expression: Expression, rows: Rows) -> Words:
    """Return the values of an expression in every row."""
    return _once(rows.known, expression, _words_of, rows)


def _once(known: dict[K, T | None], key: K, compute_one: Callable[[K, Rows], T], rows: Rows) -> T:
    if key not in known:
        known[key] = None
        known[key] = compute_one(key, rows)
    # Another expression that is computed beside this one may be at it.
    wait_for(lambda: known[key] is not None, rows.me)
    found = known[key]
    assert found is not None
    return found


def all_words(expressions: Sequence[Expression], rows: Rows) -> list[Words]:
    """Return the values of several expressions, computed side by side."""
    if sum(not isinstance(expression, Column | Literal) for expression in expressions) < 2:
        return [words_of(expression, rows) for expression in expressions]
    return _each(expressions, words_of, rows)


def _each(expressions: Sequence[Expression], compute_one: Callable[[Expression, Rows], T], rows: Rows) -> list[T]:
    """Do the same with each of several expressions, side by side where more than one may take rounds."""
    if sum(not isinstance(expression, Literal) for expression in expressions) < 2:
        return [compute_one(expression, rows) for expression in expressions]
    return for_each(expressions, lambda expression, lane: compute_one(expression, rows.on(lane)), rows.me)


def _words_of(expression: Expression, rows: Rows) -> Words:
    me = rows.me
    match expression:
        case Column(name, kind):
            return _column(name, kind, rows.table)
        case Literal(value, kind):
            return _constant(word_of(value, kind), expression, rows)
        case Arithmetic():
            left, right = all_words([expression.left, expression.right], rows)
            return compute(expression, left, right, rows.fit(expression), me)
        case Negate(operand):
            words = _limited(operand, WORD_MOST, rows)
            return replace(words, values=-words.values)
        case Cast(operand, kind):
            return _converted(operand, kind, rows)
        case Case():
            return _case(expression, rows)
        case Compare() | Logic() | Not() | IsNull() | Call("like"):
            truth = truth_of(expression, rows)
            present = None if truth.false is None else truth.true ^ truth.false  # never both
            return Words(bit_to_arithmetic(truth.true, me), present, Boolean(), outgrown=truth.outgrown)
        case Spread():
            return _variance(expression, rows)
        case Call("sqrt", (operand,)):
            return _square_root(_limited(operand, LIFT_MOST, rows), me)
        case Call("floor" | "ceil" | "round" as function, (operand, *_), kind):
            return rounded(function, _limited(operand, ROUNDED_MOST, rows), decimals_of(expression), kind, me)
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
            operands = [*_operands(operator, left), *_operands(operator, right)]
            return _joined(operator, _each(operands, truth_of, rows), me)
        case Not(operand):
            truth = truth_of(operand, rows)
            return _swap(truth, me)
        case IsNull(Literal() as literal):
            return Truth(public_bits(int(literal.value is None), rows.table.n_rows, rows.me), None)
        case IsNull(operand):
            present = words_of(operand, rows).present
            return Truth(public_bits(0, rows.table.n_rows, rows.me) if present is None else present.invert(me), None)
        case Call("like", (operand, _)):
            words, pattern = words_of(operand, rows), pattern_of(expression)
            assert pattern is not None, "no other is left to MPC"
            return replace(_where_present(fits(words, pattern, me), words.present, me), outgrown=words.outgrown)
        case Column() | Literal() | Arithmetic() | Negate() | Cast() | Case() | Call() | Spread():
            # A boolean word is 0 or 1, so its lowest bit is the truth, and taking it is free.
            words = words_of(expression, rows)
            return replace(_where_present(words.values.lowest_bit(), words.present, me), outgrown=words.outgrown)
        case _ as never:
            assert_never(never)


def _limited(expression: Expression, most: int, rows: Rows) -> Words:
    return within(words_of(expression, rows), rows.limited(expression, most).left, rows.me)


def _converted(expression: Expression, kind: Type, rows: Rows) -> Words:
    return convert(words_of(expression, rows), kind, rows.me, rows.converted(expression, kind))


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


def _variance(expression: Spread, rows: Rows) -> Words:
    """Return a variance or deviation, or a part of a variance; what is too large for the one word is marked."""
    both_parts = replace(expression, part="all")
    (found, outgrown), me = _once(rows.variances, both_parts, _spreads_of, rows), rows.me
    if expression.part == "large":
        assert found.large is not None
        return Words(found.large, found.present, Integer(64), outgrown=outgrown)
    words = Words(found.small, found.present, Double(), outgrown=outgrown)
    if expression.part == "all" and found.is_large is not None and rows.variance(expression).look is not None:
        return marked(words, found.is_large, me)
    return words


def _spreads_of(expression: Spread, rows: Rows) -> _Spreads:
    me, fit = rows.me, rows.variance(expression)
    n, added, squared = together(
        [
            lambda lane: words_of(expression.count, rows.on(lane)),
            lambda lane: within(words_of(expression.total, rows.on(lane)), fit.left, lane),
            lambda lane: within(words_of(expression.squares, rows.on(lane)), fit.right, lane),
        ],
        me,
    )
    kind, function = expression.total.type, expression.function
    found = spread(function, n.values, added.values, squared.values, kind, me)
    return found, either(added.outgrown, squared.outgrown, me)


def _square_root(words: Words, me: Party) -> Words:
    """Return the root of doubles, NULL for what is negative; of that, a root of zero is taken."""
    negative = is_negative(words.values, me)
    size = multiply_by_bit(words.values, negative.invert(me), me)
    present = both(words.present, negative.invert(me), me)
    return Words(square_root(size, me), present, Double(), outgrown=words.outgrown)


def _compare(expression: Compare, rows: Rows) -> Truth:
    kind, me = common_type(expression.left.type, expression.right.type), rows.me
    left, right = _each([expression.left, expression.right], lambda side, each: _side(side, kind, each), rows)
    if left is None or right is None:
        # A constant too long for the column's short strings: nothing can be equal to it.
        none = public_bits(int(expression.operator == "<>"), rows.table.n_rows, rows.me)
        present = (left or right).present if (left or right) else None  # type: ignore[union-attr]
        return _where_present(none, present, me)
    present = both(left.present, right.present, me)
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
    outgrown = either(left.outgrown, right.outgrown, me)
    return replace(_where_present(bits, present, me), outgrown=outgrown)


def _side(expression: Expression, kind: Type, rows: Rows) -> Words | None:
    """Return one side of a comparison as words of the common type; None for a string constant that cannot match."""
    if isinstance(expression, Literal):
        if isinstance(expression.type, Varchar) and isinstance(kind, Varchar) and expression.value is not None:
            return words_of(replace(expression, type=kind), rows)
        return _converted(expression, kind, rows)
    own = expression.type
    if isinstance(kind, Varchar) and isinstance(own, Varchar) and is_packed(own) != is_packed(kind):
        return None
    return _converted(expression, kind, rows)


def _operands(operator: str, expression: Expression) -> Iterator[Expression]:
    """Yield what a chain of one operator is made of."""
    match expression:
        case Logic(operator=same, left=left, right=right) if same == operator:
            yield from _operands(operator, left)
            yield from _operands(operator, right)
        case _:
            yield expression


def _joined(operator: str, truths: Sequence[Truth], me: Party) -> Truth:
    """Return what several conditions are together, by halves."""
    if operator == "or":  # De Morgan: not (not a and not b)
        return _swap(_joined("and", [_swap(truth, me) for truth in truths], me), me)
    if len(truths) == 1:
        return truths[0]
    half = len(truths) // 2
    halves = (truths[:half], truths[half:])
    left, right = for_each(halves, lambda part, lane: _joined(operator, part, lane), me)
    return _both_true(left, right, me)


def _both_true(left: Truth, right: Truth, me: Party) -> Truth:
    outgrown = either(left.outgrown, right.outgrown, me)
    if left.false is None and right.false is None:
        return Truth(and_bits(left.true, right.true, me), None, outgrown)
    # Both are true, or neither is not false: in the same round.
    one = concat_bits([left.true, _is_false(left, me).invert(me)])
    other = concat_bits([right.true, _is_false(right, me).invert(me)])
    true, not_false = and_bits(one, other, me).split(2)
    return Truth(true, not_false.invert(me), outgrown)


def _swap(truth: Truth, me: Party) -> Truth:
    return Truth(_is_false(truth, me), None if truth.false is None else truth.true, truth.outgrown)


def _is_false(truth: Truth, me: Party) -> BitShare:
    return truth.true.invert(me) if truth.false is None else truth.false


def _where_present(bits: BitShare, present: BitShare | None, me: Party) -> Truth:
    if present is None:
        return Truth(bits, None)
    true = and_bits(bits, present, me)
    return Truth(true, present ^ true)


def _case(expression: Case, rows: Rows) -> Words:
    kind, me = expression.type, rows.me
    truths: list[Truth] = []
    values: list[Words] = []

    def decide(lane: Party) -> None:
        truths.extend(_each([condition for condition, _ in expression.branches], truth_of, rows.on(lane)))

    def offer(lane: Party) -> None:
        offered = [*(value for _, value in expression.branches), expression.default]
        values.extend(_each(offered, lambda value, each: _branch(value, kind, each), rows.on(lane)))

    together([decide, offer], me)
    weights = bit_to_arithmetic(concat_bits([truth.true for truth in truths]), me).split(len(truths))
    *values, result = values
    for truth, weight, value in reversed(list(zip(truths, weights, values, strict=True))):
        result = choose_words(truth.true, weight, value, result, me)
        result = replace(result, outgrown=either(result.outgrown, truth.outgrown, me))
    return result


def _branch(expression: Expression, kind: Type, rows: Rows) -> Words:
    if isinstance(expression, Literal) and (expression.value is None or isinstance(kind, Varchar)):
        return words_of(replace(expression, type=kind), rows)
    return _converted(expression, kind, rows)
