"""From a plan's MPC steps to the program that `rows` runs: plain lists and names, which JSON can carry to SPU's process.

What SPU's Cheetah is not asked to do is refused here, before anything runs, with the place in the query.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, assert_never

from conclave.ir.errors import Position, UnsupportedQuery
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
from conclave.ir.nodes import (
    Aggregate,
    Collect,
    Concat,
    CrossOne,
    Filter,
    Input,
    Join,
    Limit,
    Node,
    Project,
    Scan,
    Sort,
)
from conclave.ir.noise import Noise
from conclave.ir.types import Boolean, Date, Decimal, Double, Integer, Schema, Type, Varchar, common_type, is_packed
from conclave.ir.window import Window
from conclave.ir.words import word_of
from conclave.plan.steps import MpcStep, Plan, RevealStep, ShareStep

_FIX = "leave it to one owner, before rows are combined, or choose `protocol: replicated3`"


@dataclass(frozen=True)
class Program:
    """What the two parties compute: the shared tables, in order, the steps, and what is opened to whom."""

    shares: tuple[ShareStep, ...]
    steps: tuple[dict[str, Any], ...]
    reveal: RevealStep

    def wire(self) -> dict[str, Any]:
        """Return what `rows.run` takes."""
        columns = [f.name for f in self.reveal.schema]
        return {"steps": list(self.steps), "reveal": self.reveal.source, "columns": columns}


def check_cheetah(plan: Plan) -> None:
    """Refuse what a plan asks for and Cheetah cannot; nothing to do for a plan without MPC, or of another protocol.

    Raises:  UnsupportedQuery, naming the place in the query's text where there is one.
    """
    if plan.mpc is not None and plan.mpc.protocol == "cheetah":
        program_of(plan)


def program_of(plan: Plan) -> Program:
    """Return the program of a plan of two parties.

    Raises:  UnsupportedQuery for what cannot be in one.
    """
    assert plan.mpc is not None
    shares = tuple(step for step in plan.steps if isinstance(step, ShareStep))
    (reveal,) = (step for step in plan.steps if isinstance(step, RevealStep))
    strangers = sorted(({share.party for share in shares} | set(reveal.recipients)) - set(plan.mpc.compute))
    if strangers:
        what = f"cheetah runs between two parties, and {', '.join(strangers)} would be one more"
        raise _refusal(what, None, "let the two owners be the only recipients, or choose `protocol: replicated3`")
    for share in shares:
        _check_words(share.schema)
    steps = tuple(_step(step) for step in plan.steps if isinstance(step, MpcStep))
    return Program(shares, steps, reveal)


def _refusal(what: str, at: Position | None, fix: str = _FIX) -> UnsupportedQuery:
    return UnsupportedQuery(what, at, fix)


def _check_words(schema: Schema, at: Position | None = None) -> None:
    for f in schema:
        _check_word(f.type, f"column {f.name}", at)


def _check_word(kind: Type, what: str, at: Position | None) -> None:
    match kind:
        case Double():
            raise _refusal(f"{what} would be a double, and cheetah computes exactly, on whole numbers and decimals", at)
        case Varchar() if not is_packed(kind):
            raise _refusal(f"{what} is {kind}, and under cheetah strings are short: varchar(7) at most", at)
        case Integer() | Decimal() | Boolean() | Date() | Varchar():
            pass
        case _ as never:
            assert_never(never)


def _step(step: MpcStep) -> dict[str, Any]:
    node = step.operator
    if step.seen_by:
        raise _refusal("under cheetah nobody sees keys", node_at(node), "leave out spec.mpc.cleartext")
    if step.is_compacted:
        raise _refusal("under cheetah no row is dropped on the way", node_at(node), "leave out spec.mpc.discloseSizes")
    try:
        made = _operator(step, node)
    except UnsupportedQuery as error:
        # A part that a pass has made has no place of its own.
        raise _refusal(error.what, error.at or node_at(node), error.fix or _FIX) from None
    if step.checked is not None:
        raise _refusal("a number could outgrow its 64-bit word, and cheetah does not look", node_at(node), _NARROWER)
    _check_words(step.schema, node_at(node))
    return {"name": step.name, **made}


_NARROWER = "declare narrower columns, such as integer in place of bigint, or choose `protocol: replicated3`"


def node_at(node: Node) -> Position | None:
    """Return where an operator stands in the query's text."""
    return None if isinstance(node, Input | Collect | Noise) else node.at


def _operator(step: MpcStep, node: Node) -> dict[str, Any]:
    match node:
        case Project(source, outputs):
            made = [[output.name, expression_of(output.expression)] for output in outputs]
            return {"op": "project", "source": _name(source), "outputs": made}
        case Filter(source, predicate):
            return {"op": "filter", "source": _name(source), "predicate": expression_of(predicate)}
        case Concat(parts):
            return {"op": "concat", "parts": [_name(part) for part in parts]}
        case Aggregate(source, keys):
            return {"op": "aggregate", "source": _name(source), "keys": list(keys), "outputs": list(_aggregates(node))}
        case Sort(source, keys):
            ordered = [[key.column, key.descending, key.nulls_first] for key in keys]
            return {"op": "sort", "source": _name(source), "keys": ordered}
        case Limit(source, count):
            return {"op": "limit", "source": _name(source), "count": count}
        case Join():
            return _join(step, node)
        case CrossOne() | Window() | Noise():
            names = {CrossOne: "a scalar subquery", Window: "a window function", Noise: "noise on an answer"}
            raise _refusal(f"under cheetah there is no {names[type(node)].partition(' ')[2]}", node_at(node))
        case Scan() | Input() | Collect():
            raise AssertionError("no operator of MPC")
        case _ as never:
            assert_never(never)


def _name(source: Node) -> str:
    assert isinstance(source, Input)
    return source.name


def _aggregates(node: Aggregate) -> Iterator[list[Any]]:
    if node.guards:
        what = "a group's subjects cannot be counted under cheetah, and an owner asks for a minimum of them"
        raise _refusal(what, node.at, "choose `protocol: replicated3`")
    for output in node.outputs:
        if output.function not in ("sum", "count", "min", "max") or output.is_distinct:
            raise _refusal(f"under cheetah there is no {output.function.upper()}", output.at or node.at)
        yield [output.name, output.function, output.over, output.is_total_of_counts]


def _join(step: MpcStep, node: Join) -> dict[str, Any]:
    if node.how != "inner":
        raise _refusal(f"under cheetah there is no {node.how} join", node.at)
    if step.unique_side is None or step.checks_keys:
        fix = "declare a key of one side as unique in its party's document, or choose `protocol: replicated3`"
        raise _refusal("under cheetah one side of a join must have its keys but once, at one owner", node.at, fix)
    for left, right in node.on:
        kinds = [
            f.type for side, name in ((node.left, left), (node.right, right)) for f in side.schema if f.name == name
        ]
        if not _is_same_word(*kinds):
            raise _refusal(
                f"under cheetah {kinds[0]} and {kinds[1]} cannot be joined", node.at, "declare one type for both"
            )
    is_right_unique = step.unique_side == "right"
    many, one = (node.left, node.right) if is_right_unique else (node.right, node.left)
    on = [[left, right] if is_right_unique else [right, left] for left, right in node.on]
    names = [f.name for f in node.schema]
    return {"op": "join", "many": _name(many), "one": _name(one), "on": on, "columns": names}


def _is_same_word(left: Type, right: Type) -> bool:
    match left, right:
        case (Integer(), Integer()) | (Date(), Date()) | (Boolean(), Boolean()):
            return True
        case Decimal(_, a), Decimal(_, b):
            return a == b
        case Varchar(a), Varchar(b):
            return a == b
    return False


def expression_of(expression: Expression) -> list[Any]:
    """Return an expression as lists.

    Raises:  UnsupportedQuery.
    """
    at = expression.at
    match expression:
        case Column(name):
            return ["column", name]
        case Literal(value, kind):
            _check_word(kind, "a constant", at)
            return ["null"] if value is None else ["word", word_of(value, kind)]
        case Arithmetic(operator, left, right):
            return _arithmetic(expression, operator, left, right)
        case Negate(operand):
            return ["negate", expression_of(operand)]
        case Cast(operand, kind):
            return converted(operand, kind, at)
        case Compare(operator, left, right):
            kind = common_type(left.type, right.type)
            return [operator, converted(left, kind, at), converted(right, kind, at)]
        case Logic(operator, left, right):
            return [operator, expression_of(left), expression_of(right)]
        case Not(operand):
            return ["not", expression_of(operand)]
        case IsNull(operand):
            return ["is null", expression_of(operand)]
        case Case(branches, default):
            kind = expression.type
            made = [[expression_of(condition), converted(value, kind, at)] for condition, value in branches]
            return ["case", made, converted(default, kind, at)]
        case Call() | Spread():
            raise _refusal(f"under cheetah there is no {expression.function.upper()}", at)
        case _ as never:
            assert_never(never)


def _arithmetic(expression: Arithmetic, operator: str, left: Expression, right: Expression) -> list[Any]:
    if operator not in ("+", "-", "*"):
        raise _refusal(f"under cheetah there is no {operator!r}", expression.at)
    kind = expression.type
    if operator == "*" or isinstance(left.type, Date):
        _check_word(kind, "a product", expression.at)
        return [operator, expression_of(left), expression_of(right)]  # scales of decimals add up by themselves
    return [operator, converted(left, kind, expression.at), converted(right, kind, expression.at)]


def converted(expression: Expression, kind: Type, at: Position | None) -> list[Any]:
    """Return an expression whose words are of another type: of decimals with more places, say."""
    _check_word(kind, "a value", expression.at or at)
    own = expression.type
    if isinstance(expression, Literal):
        return ["null"] if expression.value is None else ["word", _word(expression, kind, at)]
    more = _scale(kind) - _scale(own)
    if more < 0 or isinstance(own, Double) or _is_wider_string(own, kind):
        raise _refusal(f"under cheetah {own} cannot become {kind}", expression.at or at)
    made = expression_of(expression)
    return ["*", made, ["word", 10**more]] if more else made


def _word(literal: Literal, kind: Type, at: Position | None) -> int:
    if isinstance(kind, Varchar) and not is_packed(kind):
        raise _refusal(f"under cheetah strings are short, and not {kind}", literal.at or at)
    return word_of(literal.value, kind)


def _is_wider_string(own: Type, kind: Type) -> bool:
    return isinstance(own, Varchar) and own != kind


def _scale(kind: Type) -> int:
    return kind.scale if isinstance(kind, Decimal) else 0
