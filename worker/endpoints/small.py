"""A body that has to be small: held to that while it comes, to the pace of a transfer, and never unpacked.

What an answer's head says of its length and encoding is the sender's word. httpx goes by it, so that a few kilobytes
could become gigabytes of memory, or an answer never end.
"""

import httpx

from worker.endpoints.patience import Pace, Patience


def read_small(response: httpx.Response, limit_bytes: int, patience: Patience) -> bytes:
    """Return the body as it was sent; of one that is larger than `limit_bytes`, more than that and not all.

    Raises:  Passing for one that comes too slowly; httpx.HTTPError.
    """
    content, pace = bytearray(), Pace(patience)
    for chunk in response.iter_raw():
        content += chunk
        if len(content) > limit_bytes:
            break
        pace.moved(len(chunk))
    return bytes(content)
