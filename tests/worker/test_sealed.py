"""What is stored sealed or compressed becomes the declared file on the emptyDir alone, whole or not at all."""

import gzip
import hashlib
import os
import resource
import subprocess
import sys

import pyarrow as pa
import pyarrow.parquet as pq
import pyrage
import pytest

from tests.worker.stores import POLICY, ROWS, World, csv_of
from worker.commands import load_run_spec
from worker.errors import StoreUnavailable, Terminated
from worker.fetch import fetch
from worker.runspec import Capacity, Sealed, Text
from worker.workdir import WorkDir

PLAIN = csv_of(ROWS["alpha"]).encode()


def zstd(content: bytes) -> bytes:
    return bytes(pa.compress(content, "zstd", asbytes=True))


@pytest.fixture
def world(federation, swift, swift_users) -> World:
    return World(federation, swift, swift_users)


@pytest.fixture
def identity(world):
    return give_identity(world)


def give_identity(world, name="ccd-age", comment="# created: today\n# public key: none\n"):
    made = pyrage.x25519.Identity.generate()
    directory = world.secrets("alpha") / name
    directory.mkdir(parents=True)
    (directory / "age.key").write_text(f"{comment}{made}\n")
    return made


def declared(world, capacity=None, **more):
    spec = world.spec("alpha")
    sources = tuple(source.model_copy(update=more) for source in spec.own.sources)
    own = {"sources": sources, "records": spec.own.records}
    return world.federation.spec("alpha", **own, **({"capacity": capacity} if capacity else {}))


def run_fetch(world, written, stored: bytes, capacity=None, **more) -> WorkDir:
    world.client("alpha").put_object(world.data, "flights.csv", stored)
    work = WorkDir(world.federation.work("alpha"))
    fetch(declared(world, capacity, **more), work, world.secrets("alpha"), written.log)
    return work


def files(work: WorkDir) -> list[str]:
    there = (
        path for path in work.root.rglob("*") if path.is_file() and path.name != "usage.json"
    )  # no data is in that
    return sorted(str(path.relative_to(work.root)) for path in there)


SEALED = {"sealed": Sealed(identity="ccd-age")}


@pytest.mark.parametrize("pack", [lambda b: b, gzip.compress, zstd], ids=["none", "gzip", "zstd"])
@pytest.mark.parametrize("is_sealed", [False, True], ids=["open", "sealed"])
def test_what_is_stored_is_unsealed_and_unpacked_and_named_by_its_stored_digest(
    world, written, identity, pack, is_sealed
):
    packed = pack(PLAIN)
    stored = pyrage.encrypt(packed, [identity.to_public()]) if is_sealed else packed
    how = {"compression": {b"\x1f\x8b": "gzip", b"\x28\xb5": "zstd"}.get(packed[:2], "none")}
    work = run_fetch(world, written, stored, **how, **(SEALED if is_sealed else {}))
    assert work.outcome() is None
    (fetched,) = work.fetched().datasets
    assert (work.root / fetched.file).read_bytes() == PLAIN
    assert fetched.sha256 == hashlib.sha256(stored).hexdigest()
    assert fetched.size_bytes == len(stored)
    assert fetched.n_rows == 3
    assert files(work) == ["data/alpha/flights/data.csv", "fetched.json"]


def test_data_sealed_to_an_earlier_identity_opens_while_both_are_in_the_secret(world, written, identity):
    new = pyrage.x25519.Identity.generate()
    key = world.secrets("alpha") / "ccd-age" / "age.key"
    key.write_text(f"# new\n{new}\n\n# until all is sealed again\n{identity}\n")
    work = run_fetch(world, written, pyrage.encrypt(PLAIN, [identity.to_public()]), **SEALED)
    assert work.outcome() is None


def sealed_to_another(identity):
    return pyrage.encrypt(PLAIN, [pyrage.x25519.Identity.generate().to_public()])


def altered(content: bytes) -> bytes:
    return content[:-20] + bytes([content[-20] ^ 1]) + content[-19:]


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (sealed_to_another, "cannot be opened with the identity"),
        (lambda i: pyrage.encrypt(PLAIN, [i.to_public()])[:-1], "cut short or altered"),
        (lambda i: pyrage.encrypt(PLAIN * 10_000, [i.to_public()])[: 65536 + 300], "cut short or altered"),
        (lambda i: altered(pyrage.encrypt(PLAIN, [i.to_public()])), "cut short or altered"),
        (lambda i: pyrage.encrypt(PLAIN, [i.to_public()]) + b"x", "cut short or altered"),
        (lambda i: pyrage.encrypt(PLAIN, [i.to_public()])[:80], "cannot be opened"),
        (lambda i: pyrage.encrypt(PLAIN, [i.to_public()], armored=True), "not sealed with age"),
        (lambda i: PLAIN, "not sealed with age"),
        (lambda i: b"", "not sealed with age"),
        (lambda i: pyrage.encrypt(gzip.compress(PLAIN), [i.to_public()]), "compressed with gzip, and declared is text"),
    ],
)
def test_sealed_data_that_is_not_whole_or_not_ours_ends_with_20_and_leaves_nothing(
    world, written, identity, make, says
):
    work = run_fetch(world, written, make(identity), **SEALED)
    outcome = work.outcome()
    assert outcome.code == 20
    assert says in outcome.reasons[0].what
    assert files(work) == ["outcome.json"]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "is not there"),
        ("", "holds no age identity"),
        ("# only a comment\n", "holds no age identity"),
        ("AGE-SECRET-KEY-1THISISNOKEY\n", "holds what is no age identity"),
        ("hunter2\n", "holds what is no age identity"),
    ],
)
def test_a_secret_without_an_identity_ends_with_10_and_is_not_shown(world, written, identity, content, says):
    key = world.secrets("alpha") / "ccd-age" / "age.key"
    key.unlink() if content is None else key.write_text(content)
    work = run_fetch(world, written, pyrage.encrypt(PLAIN, [identity.to_public()]), **SEALED)
    outcome = work.outcome()
    assert outcome.code == 10
    assert says in outcome.reasons[0].what
    said = repr(outcome) + written.stream.getvalue()
    assert "hunter2" not in said
    assert "THISISNOKEY" not in said
    assert files(work) == ["outcome.json"]


@pytest.mark.parametrize(
    ("stored", "how", "says"),
    [
        (PLAIN, {"compression": "gzip"}, "not compressed, or in another way, and declared is gzip"),
        (zstd(PLAIN), {"compression": "gzip"}, "compressed with zstd, and declared is gzip"),
        (gzip.compress(PLAIN), {}, "compressed with gzip, and declared is text"),
        (gzip.compress(PLAIN)[:-3], {"compression": "gzip"}, "cut short or damaged"),
        (gzip.compress(PLAIN)[:30], {"compression": "gzip"}, "cut short or damaged"),
        (zstd(PLAIN)[:-3], {"compression": "zstd"}, "cut short or damaged"),
        (gzip.compress(PLAIN) + b"rest", {"compression": "gzip"}, "cut short or damaged"),
        (gzip.compress(b""), {"compression": "gzip"}, "has no header"),
        (PLAIN, {"format": "parquet"}, "is not Parquet, or not whole, and declared is parquet"),
        (b"PK\x03\x04" + PLAIN, {}, "ZIP archive, or a spreadsheet"),
        (PLAIN.decode().encode("utf-16"), {}, "UTF-16"),
    ],
    ids=range(11),  # not by the bytes: gzip's hold the time of day
)
def test_a_file_of_another_kind_than_declared_is_told_for_what_it_is(world, written, stored, how, says):
    work = run_fetch(world, written, stored, **how)
    assert work.outcome().code == 20
    assert says in work.outcome().reasons[0].what
    assert files(work) == ["outcome.json"]


@pytest.mark.parametrize("pack", [gzip.compress, zstd], ids=["gzip", "zstd"])
def test_a_bomb_is_defused_at_the_declared_size_of_the_disk(world, written, pack):
    bomb = pack(PLAIN + b"AA,1\n" * 20_000_000)
    assert len(bomb) < 1_000_000
    how = "gzip" if pack is gzip.compress else "zstd"
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    work = run_fetch(world, written, bomb, Capacity(work_bytes=10_000_000), compression=how)
    assert work.outcome().code == 20
    assert "unpacks to more than" in work.outcome().reasons[0].what
    assert "spec.resources.work" in work.outcome().reasons[0].fix
    assert files(work) == ["outcome.json"]
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000


def test_text_with_other_signs_is_read_as_declared(world, written):
    stored = b"carrier|delay\n'A|'|1\n'it''s'|-\n"
    text = Text(delimiter="|", quote="'", escape="'")
    work = run_fetch(world, written, stored, text=text, null=("-", "NA"))
    assert (
        work.outcome()
        .reasons[0]
        .what.endswith("column carrier, row 2: is longer than 2 bytes of UTF-8, or holds a zero byte")
    )
    work = run_fetch(world, written, stored.replace(b"'it''s'", b"'''s'"), text=text, null=("-", "NA"))
    assert work.fetched().datasets[0].n_rows == 2


def test_termination_while_unsealing_leaves_no_plaintext(world, written, identity, monkeypatch):
    stored = pyrage.encrypt(PLAIN * 20_000, [identity.to_public()])
    world.client("alpha").put_object(world.data, "flights.csv", stored)
    work = WorkDir(world.federation.work("alpha"))
    # What a signal does: it raises wherever the program is, here with half of the plaintext written.
    decrypt = pyrage.decrypt_io

    class Interrupted:
        def __init__(self, file):
            self.file, self.n = file, 0

        def write(self, chunk):
            self.n += self.file.write(chunk)
            if self.n > 100_000:
                self.file.flush()
                assert any(path.stat().st_size > 65536 for path in work.data.rglob("unsealed"))
                raise Terminated("terminated")
            return len(chunk)

        def flush(self):
            self.file.flush()

    monkeypatch.setattr(pyrage, "decrypt_io", lambda source, target, ids: decrypt(source, Interrupted(target), ids))
    with pytest.raises(Terminated):
        fetch(declared(world, **SEALED), work, world.secrets("alpha"), written.log)
    assert files(work) == []


def test_a_policy_that_is_replaced_while_data_moves_is_not_used(world, written, monkeypatch):
    """The owner replaces data and policy just when a run has read the old policy."""
    from worker.endpoints.swift_origin import SwiftOrigin

    download = SwiftOrigin.download

    def meanwhile(origin, path):
        world.upload_policy("alpha", POLICY.replace("DATASET", "alpha/flights").replace("version: 3", "version: 4"))
        return download(origin, path)

    monkeypatch.setattr(SwiftOrigin, "download", meanwhile)
    work = run_fetch(world, written, PLAIN)
    assert work.outcome().code == StoreUnavailable.code
    assert "were replaced while the data was fetched" in work.outcome().reasons[0].what
    assert files(work) == ["outcome.json"]


def test_sealed_parquet_is_taken_in(world, written, identity, tmp_path):
    path = tmp_path / "flights.parquet"
    pq.write_table(pa.table({"carrier": ["AA", "UA"], "delay": pa.array([1, 2], pa.int32())}), path)
    stored = pyrage.encrypt(path.read_bytes(), [identity.to_public()])
    work = run_fetch(world, written, stored, format="parquet", **SEALED)
    assert work.fetched().datasets[0].n_rows == 2


UNSEAL = """
import resource, sys
from pathlib import Path
from worker.seal import read_identities, seal, unseal
root = Path(sys.argv[1])
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
seal(root / "plain", root / "sealed", sys.argv[2])
unseal(root / "sealed", root / "again", read_identities(root, "age"), "place")
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def test_sealing_and_unsealing_take_no_memory_for_the_size_of_the_data(tmp_path):
    made = pyrage.x25519.Identity.generate()
    (tmp_path / "age").mkdir()
    (tmp_path / "age" / "age.key").write_text(str(made))
    with (tmp_path / "plain").open("wb") as file:
        for _ in range(200):
            file.write(os.urandom(1 << 20))
    command = [sys.executable, "-c", UNSEAL, str(tmp_path), str(made.to_public())]
    grown = int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    assert grown < 20_000  # KB, of 200 MB
    assert (tmp_path / "again").stat().st_size == 200 << 20
    digest = lambda name: hashlib.file_digest((tmp_path / name).open("rb"), "sha256").digest()  # noqa: E731
    assert digest("again") == digest("plain")


def test_a_run_spec_says_how_to_read_in_whole(world, tmp_path):
    spec = declared(world, compression="zstd", text=Text(header=False), null=("", "NA"), **SEALED)
    (tmp_path / "run.json").write_text(spec.model_dump_json(by_alias=True))
    (source,) = load_run_spec(tmp_path / "run.json").own.sources
    assert source == spec.own.sources[0]
    assert source.file_format.nulls == ("", "NA")
    assert not source.file_format.has_header
