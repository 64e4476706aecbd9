"""One of the two parties in SPU's Cheetah, a process by the Python of SPU's own environment: `node.py OUT`.

Reads a line of JSON and its own tables' columns from standard input, writes a line of JSON and the opened columns to the
file descriptor OUT. Never looks at who is there: its only socket to the world is its worker's, which speaks TLS.
"""

import json
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import rows  # beside this file
import spu
from spu import libspu
from spu.utils import frontend

Table = dict[str, Any]
SECRET = libspu.Visibility.VIS_SECRET
PATIENCE_MS = 86_400_000
RANDOM_BITS = 62  # a coincidence of two leaves it to SPU which of the rows comes first


def config() -> Any:
    """Cheetah in a ring of 128 bits: differences of any two 64-bit words are right in it, and so are comparisons."""
    made = libspu.RuntimeConfig(libspu.ProtocolKind.CHEETAH, libspu.FieldType.FM128, 18)
    # A network's comparisons stay secret; those of a quicksort are opened, and equal keys with them.
    made.sort_method = libspu.RuntimeConfig.SortMethod.SORT_NETWORK
    return made


class OnShares:
    """`rows.Engine` as SPU compiles it: the numbers that nobody knows are inputs of both parties."""

    xp = jnp

    def __init__(self, drawn: Iterable[Any]) -> None:
        self.drawn = iter(drawn)

    def sort(self, keys: Sequence[Any], carried: Sequence[Any]) -> list[Any]:
        """See `rows.Engine`."""
        return list(jax.lax.sort([*keys, *carried], num_keys=len(keys), is_stable=False))

    def scan(self, combine: Any, columns: tuple[Any, ...]) -> Any:
        """See `rows.Engine`."""
        return jax.lax.associative_scan(combine, tuple(columns))

    def random(self, n_rows: int) -> Any:
        """See `rows.Engine`."""
        # Whoever knows one of them knows nothing of both together.
        return jnp.bitwise_xor(next(self.drawn), next(self.drawn))


class Counting(OnShares):
    """An engine that only notes how many random numbers are asked for."""

    def __init__(self) -> None:
        super().__init__(())
        self.asked: list[int] = []

    def random(self, n_rows: int) -> Any:
        """Note how many."""
        self.asked.append(n_rows)
        return jnp.zeros(n_rows, jnp.int64)


def main() -> None:
    """Read, share, compute, open, write."""
    job = json.loads(sys.stdin.buffer.readline())
    jax.config.update("jax_enable_x64", True)
    rank, tables, program = job["rank"], job["tables"], job["program"]
    mine = [column for table in tables if table["owner"] == rank for column in _read(table)]
    likes = [like for table in tables for like in _like(table)]
    owners = [table["owner"] for table in tables for _ in _like(table)]
    names = [f"in{k}" for k in range(len(likes))]
    for k, n_rows in enumerate(_asked(program, tables, likes)):
        mine.append(np.frombuffer(os.urandom(8 * n_rows), np.int64) & ((1 << RANDOM_BITS) - 1))
        owners, names = [*owners, 0, 1], [*names, f"random{k}.0", f"random{k}.1"]
        likes += [jax.ShapeDtypeStruct((n_rows,), np.int64)] * 2
    context = _link(job)
    runtime, io = spu.Runtime(context, config()), spu.Io(2, config())
    _share(zip(names, owners, strict=True), iter(mine), rank, context, runtime, io)
    executable = _compiled(program, tables, names, likes)
    runtime.run(executable)
    opened = [_open(runtime.get_var(name), job["recipients"], rank, context, io) for name in executable.output_names]
    # Neither goes before the other has what it needs.
    context.barrier()
    context.stop_link()
    with os.fdopen(int(sys.argv[1]), "wb") as out:
        out.write(b"".join(column.astype("<i8").tobytes() for column in opened if column is not None))
    os._exit(0)  # nothing is left to say; SPU's threads would linger


def _link(job: Table) -> Any:
    link = libspu.link.Desc()
    link.id = job["session"]
    # Whether the peer is alive, the workers know: they end this process when it is not.
    link.recv_timeout_ms = PATIENCE_MS
    link.connect_retry_times = PATIENCE_MS // link.connect_retry_interval_ms
    for rank, path in enumerate(job["sockets"]):
        link.add_party(str(rank), f"unix:{path}")
    return libspu.link.create_brpc(link, job["rank"])


def _read(table: Table) -> Iterator[Any]:
    for _, nullable in table["columns"]:
        yield np.frombuffer(_exactly(8 * table["n_rows"]), "<i8")
        if nullable:
            yield np.frombuffer(_exactly(table["n_rows"]), np.bool_)
    yield np.frombuffer(_exactly(table["n_rows"]), np.bool_)


def _exactly(size: int) -> bytes:
    got = sys.stdin.buffer.read(size)
    if len(got) != size:
        raise SystemExit("the worker stopped in the middle of a table")
    return got


def _like(table: Table) -> list[Any]:
    kinds: list[type] = []
    for _, nullable in table["columns"]:
        kinds += [np.int64, np.bool_] if nullable else [np.int64]
    return [jax.ShapeDtypeStruct((table["n_rows"],), kind) for kind in (*kinds, np.bool_)]


def _asked(program: Table, tables: list[Table], likes: list[Any]) -> list[int]:
    counting = Counting()
    jax.eval_shape(lambda *columns: _run(program, tables, columns, counting), *likes)
    return counting.asked


def _run(program: Table, tables: list[Table], columns: Iterable[Any], engine: OnShares) -> list[Any]:
    left, made = iter(columns), {}
    for table in tables:
        named = {}
        for name, nullable in table["columns"]:
            named[name] = rows.Value(next(left), next(left) if nullable else None)
        made[table["name"]] = rows.Rows(named, next(left))
    opened: list[Any] = rows.flat(rows.run(program, made, engine), engine.xp)
    return opened


def _compiled(program: Table, tables: list[Table], names: list[str], likes: list[Any]) -> Any:
    n_columns = sum(len(_like(table)) for table in tables)

    def compute(*columns: Any) -> list[Any]:
        return _run(program, tables, columns[:n_columns], OnShares(columns[n_columns:]))

    def outputs(made: list[Any]) -> list[str]:
        return [f"out{k}" for k in range(len(made))]

    return frontend.compile(frontend.Kind.JAX, compute, likes, {}, names, [SECRET] * len(names), outputs)[0]


def _share(
    wanted: Iterable[tuple[str, int]], mine: Iterator[Any], rank: int, context: Any, runtime: Any, io: Any
) -> None:
    """Deal shares of this party's columns, take those of the other's."""
    for name, owner in wanted:
        if owner == rank:
            shares = io.make_shares(np.ascontiguousarray(next(mine)), SECRET)
            context.send(1 - rank, _packed(shares[1 - rank]))
            runtime.set_var(name, shares[rank])
        else:
            runtime.set_var(name, _unpacked(context.recv(owner)))


def _open(share: Any, recipients: list[int], rank: int, context: Any, io: Any) -> Any:
    """Return a column at a recipient. Who is none sends its share, and gets none."""
    if 1 - rank in recipients:
        context.send(1 - rank, _packed(share))
    if rank not in recipients:
        return None
    theirs = _unpacked(context.recv(1 - rank))
    return np.asarray(io.reconstruct([share, theirs] if rank == 0 else [theirs, share]))


def _packed(share: Any) -> bytes:
    head = json.dumps([len(share.meta), *(len(chunk) for chunk in share.share_chunks)]).encode()
    return b"".join([head, b"\n", share.meta, *share.share_chunks])


def _unpacked(message: bytes) -> Any:
    head, _, body = bytes(message).partition(b"\n")
    pieces = []
    for size in json.loads(head):
        pieces.append(body[:size])
        body = body[size:]
    share = libspu.Share()
    share.meta, share.share_chunks = pieces[0], pieces[1:]
    return share


if __name__ == "__main__":
    main()
