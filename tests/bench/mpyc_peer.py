"""The same work in MPyC, by the Python of its own environment: `mpyc_peer.py OP ROWS KEY_BITS -M3`."""

import json
import random
import sys
import time

from mpyc.runtime import mpc


async def main() -> None:
    op, rows, bits = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    secint = mpc.SecInt(bits)
    rng = random.Random(7)
    # A product has to fit into MPyC's integers.
    half = 1 << (bits // 2 - 1 if op == "multiply" else bits - 2)
    plain = [[rng.randrange(-half, half) for _ in range(rows)] for _ in range(2)]
    await mpc.start()
    x, y = ([secint(v) for v in column] for column in plain)
    x, y = mpc.input(x, senders=0), mpc.input(y, senders=0)
    await mpc.gather(x), await mpc.gather(y)
    begin = time.perf_counter()
    match op:
        case "multiply":
            result = mpc.schur_prod(x, y)
        case "and":
            pairs = zip(x, y, strict=True)
            result = [bit for a, b in pairs for bit in mpc.schur_prod(mpc.to_bits(a), mpc.to_bits(b))]
        case "compare":
            result = [a < b for a, b in zip(x, y, strict=True)]
        case _:
            result = mpc.sorted(x)
    await mpc.gather(result)
    seconds = time.perf_counter() - begin
    opened = await mpc.output(result)
    expected = {
        "multiply": [a * b for a, b in zip(*plain, strict=True)],
        "compare": [a < b for a, b in zip(*plain, strict=True)],
        "sort": sorted(plain[0]),
    }
    correct = op not in expected or [int(v) for v in opened] == [int(v) for v in expected[op]]
    if mpc.pid == 0:
        print(json.dumps({"rows": rows, "seconds": seconds, "rows_per_s": rows / seconds, "correct": correct}))
    await mpc.shutdown()


mpc.run(main())
