"""The sampler against the distribution that it says it has: exact probabilities, one key, so the same draws every time."""

import math
from collections import Counter
from fractions import Fraction

import numpy as np
import pytest

from conclave.ir.noise import deviation, variance
from conclave.mpc.laplace import Coins, Noise, sample
from conclave.mpc.randomness import Stream

N_DRAWS = 20_000
SCALES = [Fraction(1, 3), Fraction(1), Fraction(7, 2), Fraction(20)]


def probability(x: int, scale: Fraction) -> float:
    """(1 - q) / (1 + q) * q**|x| with q = exp(-1 / scale): the sum over all integers is 1."""
    q = math.exp(-1 / scale)
    return (1 - q) / (1 + q) * q ** abs(x)


def of_three(scale: Fraction, most: int) -> dict[int, float]:
    """The sum of three, by convolution."""
    one = np.array([probability(x, scale) for x in range(-most, most + 1)])
    three = np.convolve(np.convolve(one, one), one)
    return {k - 3 * most: float(p) for k, p in enumerate(three)}


def fits(draws, expected: dict[int, float]) -> bool:
    """Chi-square over values of which 20 and more are expected, the others in one cell.

    Laurent and Massart (2000), lemma 1: above k + 2 sqrt(k t) + 2 t it is with a probability below exp(-t); here 1e-9.
    """
    n, counts = len(draws), Counter(draws)
    cells = {x: p for x, p in expected.items() if n * p >= 20}
    observed = [counts[x] for x in cells]
    observed.append(n - sum(observed))
    wanted = [n * p for p in cells.values()]
    wanted.append(n - sum(wanted))
    pairs = [(o, w) for o, w in zip(observed, wanted, strict=True) if w > 1]
    k, t = len(pairs) - 1, 9 * math.log(10)
    return sum((o - w) ** 2 / w for o, w in pairs) < k + 2 * math.sqrt(k * t) + 2 * t


def signed(words) -> list[int]:
    return words.view(np.int64).tolist()


@pytest.mark.parametrize("scale", SCALES)
def test_draws_are_discrete_laplace(scale):
    draws = signed(Noise(b"a" * 32).draw(f"{scale}", scale, N_DRAWS))
    most = int(40 * scale) + 2
    expected = {x: probability(x, scale) for x in range(-most, most + 1)}
    assert abs(sum(expected.values()) - 1) < 1e-9
    assert fits(draws, expected)


def test_the_test_tells_other_scales_and_other_distributions_apart():
    draws = signed(Noise(b"a" * 32).draw("test", Fraction(20), N_DRAWS))
    assert not fits(draws, {x: probability(x, Fraction(23)) for x in range(-800, 801)})
    rounded = (
        np.random.default_rng(1).normal(0, math.sqrt(variance(Fraction(20))), N_DRAWS).round().astype(int).tolist()
    )
    assert not fits(rounded, {x: probability(x, Fraction(20)) for x in range(-800, 801)})
    low = Fraction(7, 2)
    moved = [x + 1 for x in signed(Noise(b"a" * 32).draw("test", low, N_DRAWS))]
    assert not fits(moved, {x: probability(x, low) for x in range(-150, 151)})


def test_three_parties_noise_is_the_sum_of_three():
    scale = Fraction(7, 2)
    parts = [signed(Noise(key * 32).draw("m3 0", scale, N_DRAWS)) for key in (b"a", b"b", b"c")]
    total = [sum(each) for each in zip(*parts, strict=True)]
    assert fits(total, of_three(scale, 150))
    assert not fits(total, {x: probability(x, scale) for x in range(-150, 151)})
    assert abs(np.std(total) / deviation(scale) - 1) < 0.05


@pytest.mark.parametrize("scale", SCALES)
def test_the_variance_is_that_of_the_probabilities(scale):
    exact = sum(x * x * probability(x, scale) for x in range(-2000, 2001))
    assert math.isclose(variance(scale), exact, rel_tol=1e-9)


def test_coins_are_uniform_below_any_bound():
    coins = Coins(Stream(b"k" * 32))
    assert {coins.below(1) for _ in range(50)} == {0}
    assert fits([coins.below(7) for _ in range(N_DRAWS)], dict.fromkeys(range(7), 1 / 7))
    wide = [coins.below(3 * 2**70) for _ in range(2000)]
    assert fits([x // 2**70 for x in wide], dict.fromkeys(range(3), 1 / 3))


def test_large_scales_reach_as_far_as_they_should():
    scale = Fraction(2**40)
    sizes = [abs(x) for x in signed(Noise(b"a" * 32).draw("large", scale, 2000))]
    # |x| is about exponential: half of all are below scale * ln 2; the largest of 2000 below 40 scales.
    assert 850 < sum(size < scale * math.log(2) for size in sizes) < 1150
    assert max(sizes) < 40 * scale
    assert len({size % 1024 for size in sizes}) > 800  # down to the last digit


def test_one_key_and_label_give_the_same_noise_and_others_give_others():
    def draw(key, label):
        return Noise(key * 32).draw(label, Fraction(1000), 8).tobytes()

    assert draw(b"a", "m3 0") == draw(b"a", "m3 0")
    assert len({draw(b"a", "m3 0"), draw(b"b", "m3 0"), draw(b"a", "m3 1"), draw(b"a", "m4 0")}) == 4


def test_no_scale_is_no_noise():
    assert sample(Fraction(0), Coins(Stream(bytes(32)))) == 0
    assert variance(Fraction(0)) == 0
