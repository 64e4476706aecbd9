"""One of two words by a secret bit, with all that belongs to a word."""

from collections.abc import Callable

from conclave.mpc.bits import and_bits, select_bits
from conclave.mpc.multiply import multiply
from conclave.mpc.party import Party
from conclave.mpc.shares import AShare, BitShare, concat_arithmetic, public_bits
from conclave.mpc.together import together
from conclave.operators.words import Words


def choose_words(chosen: BitShare, weight: AShare, yes: Words, no: Words, me: Party) -> Words:
    """Return `yes` where the bit `chosen` is set, which `weight` is as a number, and `no` elsewhere. One round.

    Reveals: nothing.
    """
    n = no.values.n
    pairs = [(yes.values, no.values)]
    if yes.texts and no.texts:
        pairs += zip(yes.texts, no.texts, strict=True)
    numbers: list[AShare] = []
    bits: dict[str, BitShare] = {}

    def choose_numbers(lane: Party) -> None:
        weights, steps = concat_arithmetic([weight] * len(pairs)), concat_arithmetic([a - b for a, b in pairs])
        moved = multiply(weights, steps, lane).split(len(pairs))
        numbers.extend(b + step for (_, b), step in zip(pairs, moved, strict=True))

    def choose_outgrown(lane: Party) -> None:
        none = public_bits(0, n, lane)
        first, second = (none if side.outgrown is None else side.outgrown for side in (yes, no))
        bits["outgrown"] = select_bits(chosen, first, second, lane)

    def choose_present(lane: Party) -> None:
        first, second = (public_bits(1, n, lane) if side.present is None else side.present for side in (yes, no))
        bits["present"] = second ^ and_bits(chosen, first ^ second, lane)

    chosen_from: list[Callable[[Party], None]] = [choose_numbers]
    if yes.outgrown is not None or no.outgrown is not None:
        chosen_from.append(choose_outgrown)
    if yes.present is not None or no.present is not None:
        chosen_from.append(choose_present)
    together(chosen_from, me)
    return Words(numbers[0], bits.get("present"), no.type, tuple(numbers[1:]), bits.get("outgrown"))
