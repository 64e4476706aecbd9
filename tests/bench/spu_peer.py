"""The same work in SPU with ABY3, by the Python of its own environment: `spu_peer.py FOLDER OP`.

FOLDER holds the inputs as `in0.npy`, ..., of signed 64-bit numbers; the opened result is left there as `out0.npy`, ...
This process deals the shares and opens the result; three others compute: `spu_peer.py FOLDER OP RANK PORT PORT PORT`.
"""

import json
import resource
import socket
import subprocess
import sys
import time
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import spu
from spu import libspu
from spu.utils import frontend

PARTIES = 3
WARM_ROWS = 64
SECRET = libspu.Visibility.VIS_SECRET


def config():
    return libspu.RuntimeConfig(libspu.ProtocolKind.ABY3, libspu.FieldType.FM64, 18)


def groupby_sum(key, value):
    """SPU's own way, in whole numbers: sort, then a scan that starts anew with each group; totals stand in last rows."""
    key, value = jax.lax.sort([key, value], num_keys=1)
    differs = (key[:-1] != key[1:]).astype(jnp.int64)
    goes_on = jnp.concatenate([jnp.zeros(1, jnp.int64), 1 - differs])
    _, total = jax.lax.associative_scan(lambda a, b: (a[0] * b[0], a[1] * b[0] + b[1]), (goes_on, value))
    return key, total, jnp.concatenate([differs, jnp.ones(1, jnp.int64)])


def join(key, x, other, y):
    """Sort the rows of both tables, each right row before its matches, and hand key and value of the latest one down."""
    is_left = jnp.concatenate([jnp.zeros(len(other), jnp.int64), jnp.ones(len(key), jnp.int64)])
    both = jnp.concatenate([other, key])
    carried = jnp.concatenate([y, x])
    _, is_left, both, carried = jax.lax.sort([both * 2 + is_left, is_left, both, carried], num_keys=1)

    def latest(a, b):
        keep = 1 - b[0]
        return b[0] + keep * a[0], b[1] + keep * a[1], b[2] + keep * a[2]

    is_right = 1 - is_left
    has, right, value = jax.lax.associative_scan(latest, (is_right, is_right * both, is_right * carried))
    return both, carried, value, is_left * has * (both == right)


OPERATIONS = {
    "multiply": lambda x, y: (x * y,),
    "and": lambda x, y: (x & y,),
    "compare": lambda x, y: (x < y,),
    "sort": lambda key, payload: jax.lax.sort([key, payload], num_keys=1),
    "groupby_sum": groupby_sum,
    "join": join,
}


def compute(folder, op, rank, ports):
    """Be one of the three: take the dealt shares, compute twice (the first time on a few rows), leave shares."""
    link = libspu.link.Desc()
    for index, port in enumerate(ports):
        link.add_party(f"p{index}", f"127.0.0.1:{port}")
    link.recv_timeout_ms = 300_000
    context = libspu.link.create_brpc(link, rank)
    runtime = spu.Runtime(context, config())
    for size in ("warm", "real"):
        shapes = json.loads((folder / f"{size}.json").read_text())
        names = [f"{size}-in{k}" for k in range(len(shapes))]
        for name in names:
            runtime.set_var(name, load(folder, name, rank))
        executable = compiled(op, names, shapes, size)
        context.barrier()
        wall, cpu = time.perf_counter(), time.process_time()
        runtime.run(executable)
        seconds, cpu_seconds = time.perf_counter() - wall, time.process_time() - cpu
    for name in executable.output_names:
        save(folder, name, rank, runtime.get_var(name))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps({"seconds": seconds, "cpu_seconds": cpu_seconds, "peak_bytes": peak}), flush=True)
    context.barrier()
    context.stop_link()


def compiled(op, names, shapes, size):
    like = [jax.ShapeDtypeStruct((rows,), np.int64) for rows in shapes]
    return frontend.compile(
        frontend.Kind.JAX,
        OPERATIONS[op],
        like,
        {},
        names,
        [SECRET] * len(names),
        lambda made: [f"{size}-out{k}" for k in range(len(made))],
    )[0]


def save(folder, name, rank, share):
    (folder / f"{name}.{rank}.meta").write_bytes(share.meta)
    for k, chunk in enumerate(share.share_chunks):
        (folder / f"{name}.{rank}.{k}.chunk").write_bytes(chunk)


def load(folder, name, rank):
    share = libspu.Share()
    share.meta = (folder / f"{name}.{rank}.meta").read_bytes()
    n_chunks = len(list(folder.glob(f"{name}.{rank}.*.chunk")))
    share.share_chunks = [(folder / f"{name}.{rank}.{k}.chunk").read_bytes() for k in range(n_chunks)]
    return share


def lead(folder, op):
    """Deal, start the three, open."""
    io = spu.Io(PARTIES, config())
    inputs = [np.load(folder / f"in{k}.npy", allow_pickle=False) for k in range(len(list(folder.glob("in*.npy"))))]
    for size, columns in (("warm", [column[:WARM_ROWS] for column in inputs]), ("real", inputs)):
        (folder / f"{size}.json").write_text(json.dumps([len(column) for column in columns]))
        for k, column in enumerate(columns):
            for rank, share in enumerate(io.make_shares(np.ascontiguousarray(column), SECRET)):
                save(folder, f"{size}-in{k}", rank, share)
    listeners = [socket.create_server(("127.0.0.1", 0)) for _ in range(PARTIES)]
    ports = [str(listener.getsockname()[1]) for listener in listeners]
    for listener in listeners:
        listener.close()
    command = [sys.executable, __file__, str(folder), op]
    parties = [
        subprocess.Popen([*command, str(rank), *ports], stdout=subprocess.PIPE, text=True) for rank in range(PARTIES)
    ]
    said = [party.communicate()[0] for party in parties]
    if any(party.returncode for party in parties):
        raise SystemExit("a party of SPU failed")
    # Its own log goes to standard output as well.
    reports = [json.loads(next(line for line in text.splitlines() if line.startswith("{"))) for text in said]
    for k in range(len(list(folder.glob("real-out*.0.meta")))):
        shares = [load(folder, f"real-out{k}", rank) for rank in range(PARTIES)]
        np.save(folder / f"out{k}.npy", np.asarray(io.reconstruct(shares)), allow_pickle=False)
    print(
        json.dumps(
            {
                "seconds": max(report["seconds"] for report in reports),
                "cpu_seconds_per_party": [round(report["cpu_seconds"], 4) for report in reports],
                "peak_bytes_per_party": [report["peak_bytes"] for report in reports],
            }
        )
    )


if __name__ == "__main__":
    jax.config.update("jax_enable_x64", True)
    where, what, *rest = sys.argv[1:]
    if rest:
        compute(Path(where), what, int(rest[0]), [int(port) for port in rest[1:]])
    else:
        lead(Path(where), what)
