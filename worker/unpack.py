"""What came from a store, made the file that is declared: unsealed, then decompressed, then told for what it is.

Room:    what is stored and what it becomes lie side by side for a moment; both count against the party's disk.
Damage:  a file that could not be unpacked whole is deleted at once.
"""

from pathlib import Path

from conclave.local.compression import check_kind, decompress
from worker.endpoints.disk import disk_problem
from worker.runspec import Source
from worker.seal import read_identities, unseal


def unpack(stored: Path, target: Path, source: Source, secrets: Path, room_bytes: int, place: str) -> None:
    """Make `target` of `stored`, which is gone afterwards. Decompressed it may have at most `room_bytes`.

    Raises:  worker.errors.DataMismatch or conclave's for what is not as declared; BadDocument for a bad identity;
             StoreUnavailable if the disk is full.
    """
    at, leftovers = stored, [stored, target]
    try:
        if source.sealed is not None:
            identities = read_identities(secrets, source.sealed.identity)
            at = target.with_name("unsealed")
            unseal(stored, at, identities, place)
            stored.unlink()
        if source.compression != "none":
            packed, at = at, target.with_name("decompressed")
            leftovers.append(packed)
            decompress(packed, at, source.compression, room_bytes)
            packed.unlink()
        check_kind(at, source.file_format)
        at.replace(target)
    except BaseException as error:
        for path in (*leftovers, at):
            path.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise disk_problem(error, place) from None
        raise
