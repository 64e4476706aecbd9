"""Products of arithmetic secrets, one round and one ring element per party (Araki et al., CCS 2016)."""

from collections.abc import Sequence

from conclave.mpc import kernels
from conclave.mpc.arrays import dense
from conclave.mpc.costs import costs
from conclave.mpc.errors import ShapeError
from conclave.mpc.party import Party
from conclave.mpc.shares import AShare


@costs(rounds=1, bytes_sent=lambda n: 8 * n)
def multiply(x: AShare, y: AShare, me: Party) -> AShare:
    """Multiply elementwise: [z] = [x] * [y] mod 2**64 (2**32 for uint32 rows, at half the bytes).

    Shapes:  x, y, z hold n secrets; party i keeps two rows of length n, own = s_i and next = s_(i+1).
    Reveals: nothing to one semi-honest party: the zero-sum mask makes the row it receives uniform.
    Raises:  ShapeError if x and y differ in length or ring.
    """
    return dot([x], [y], me)


@costs(rounds=1, bytes_sent=lambda n: 8 * n)
def dot(xs: Sequence[AShare], ys: Sequence[AShare], me: Party) -> AShare:
    """Sum of elementwise products, at the price of one: [z] = [x_1] * [y_1] + [x_2] * [y_2] + ...

    Shapes:  equally many vectors on both sides, all of n secrets.
    Reveals: nothing, as `multiply`; the sum is made before anything is sent.
    Raises:  ShapeError if the operands do not fit together.
    """
    n, dtype = xs[0].n, xs[0].dtype
    if len(xs) != len(ys) or any(v.n != n or v.dtype != dtype for v in (*xs, *ys)):
        raise ShapeError(f"multiply needs equal lengths and rings, got x: {[x.n for x in xs]}, y: {[y.n for y in ys]}")
    z = me.zero_mask(n, dtype)
    for x, y in zip(xs, ys, strict=True):
        # Of the 9 cross terms x_j * y_k, party i adds up the 3 it can see. Wrap-around is the mod.
        kernels.multiply_add(dense(x.own), dense(x.next), dense(y.own), dense(y.next), z)
    return AShare(own=z, next=me.send_prev_receive_next(z))
