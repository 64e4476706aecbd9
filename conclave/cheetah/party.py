"""One party's part in a program: its rows go to a process in SPU's environment, and the opened rows come back.

Between the two workers only three things cross: numbers of rows, SPU's bytes (see `tunnel`), and the end of the run.
"""

import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from conclave.carry import MOST_ROWS, layout
from conclave.cheetah.program import Program
from conclave.cheetah.tunnel import SpuFailed, Tunnel
from conclave.ir.guard import rounded_up
from conclave.mpc.channel import Network
from conclave.mpc.errors import FrameError
from conclave.operators.input import InputTable, PlainTable
from conclave.operators.reveal import Revealed

PYTHON_VARIABLE = "CCD_SPU_PYTHON"
COUNT_BYTES = 8
NODE = Path(__file__).with_name("node.py")
READ_BYTES = 1 << 20


def spu_python() -> Path:
    """Return the Python of SPU's environment: the one within our own, unless told otherwise."""
    return Path(os.environ.get(PYTHON_VARIABLE) or Path(sys.prefix) / "spu" / "bin" / "python")


@dataclass
class CheetahParty:
    """`names` are the two that compute, in the order of their shares; `context` is bound into SPU's session."""

    network: Network
    names: tuple[str, str]
    context: bytes
    sizes: dict[str, int] = field(default_factory=dict)
    blobs: list[bytes] = field(default_factory=list)

    @property
    def rank(self) -> int:
        """This party's place."""
        return self.names.index(self.network.me)

    @property
    def peer(self) -> str:
        """The other one."""
        return self.names[1 - self.rank]

    def take(self, tables: list[InputTable], mine: Mapping[str, PlainTable]) -> None:
        """Hold this party's own rows, and tell the other how many there are of each table.

        Raises:  FrameError if the other's word on that is none.
        """
        own = [table for table in tables if table.owner == self.network.me]
        for table in own:
            self.sizes[table.name] = self._pack(table, mine[table.name])
        counts = b"".join(self.sizes[table.name].to_bytes(COUNT_BYTES, "little") for table in own)
        theirs = [table for table in tables if table.owner == self.peer]
        limit = COUNT_BYTES * len(theirs)
        said = self.network.exchange_control({self.peer: counts}, (self.peer,), limit)[self.peer]
        if len(said) != limit:
            raise FrameError(self.peer, "length", limit, len(said))
        for k, table in enumerate(theirs):
            n_rows = int.from_bytes(said[COUNT_BYTES * k :][:COUNT_BYTES], "little")
            if not 1 <= n_rows <= MOST_ROWS:
                raise FrameError(self.peer, "rows", MOST_ROWS, n_rows)
            self.sizes[table.name] = n_rows

    def _pack(self, table: InputTable, plain: PlainTable) -> int:
        n_there = len(plain[table.columns[0].name][0])
        # There is always a row, if only one that does not exist: SPU has no columns of none.
        n_rows = max(rounded_up(max(n_there, table.at_least), table.padding), 1)
        for column in table.columns:
            words, nulls = plain[column.name]
            is_null = np.zeros(n_there, np.bool_) if nulls is None else nulls
            self.blobs.append(_padded(np.where(is_null, 0, words), n_rows).astype("<i8").tobytes())
            if column.nullable:
                self.blobs.append(_padded(is_null, n_rows).tobytes())
        self.blobs.append(_padded(np.ones(n_there, np.bool_), n_rows).tobytes())
        return n_rows

    def run(self, program: Program) -> Revealed | None:
        """Run the program with the other party; return the rows that exist, at a recipient.

        Raises:  ProtocolError if the peer is lost; SpuFailed.
        """
        with tempfile.TemporaryDirectory(prefix="ccd-spu-") as folder:
            # A socket's path has about a hundred bytes, and a temporary folder's may be longer: here it is a number.
            opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
            paths = [Path(f"/proc/self/fd/{opened}/{name}") for name in ("0", "1")]
            rank = self.rank
            channel = self.network.channels[self.peer]
            tunnel = Tunnel(channel, paths[rank], paths[1 - rank], rank == 0, self.network.timeout_s)
            try:
                result = _Process(self._job(program, paths), self.blobs, opened).through(tunnel)
            finally:
                tunnel.close()
                os.close(opened)
                self.network.bytes_sent += tunnel.bytes_sent
        return self._rows(result, program) if self.network.me in program.reveal.recipients else None

    def _job(self, program: Program, paths: list[Path]) -> dict[str, Any]:
        tables = [
            {
                "name": share.name,
                "owner": self.names.index(share.party),
                "n_rows": self.sizes[share.name],
                "columns": [[column.name, column.nullable] for column in layout(share.schema, frozenset())],
            }
            for share in program.shares
        ]
        return {
            "rank": self.rank,
            "session": sha256(b"ccd cheetah" + self.context).hexdigest(),
            "sockets": [str(path) for path in paths],
            "tables": tables,
            "program": program.wire(),
            "recipients": sorted(self.names.index(name) for name in program.reveal.recipients),
        }

    def _rows(self, result: bytes, program: Program) -> Revealed:
        names = [f.name for f in program.reveal.schema]
        n_vectors = 2 * len(names) + 1
        if not result or len(result) % (8 * n_vectors):
            raise SpuFailed("SPU's process left something that is no result")
        vectors = np.frombuffer(result, "<i8").reshape(n_vectors, -1).astype(np.int64)
        exists = vectors[-1] != 0
        return {name: (vectors[2 * k][exists], vectors[2 * k + 1][exists] != 0) for k, name in enumerate(names)}


def _padded(values: np.typing.NDArray[Any], n_rows: int) -> np.typing.NDArray[Any]:
    return np.pad(values, (0, n_rows - len(values)))


class _Process:
    """SPU's process: fed by a thread, read by the tunnel's loop, ended with it."""

    def __init__(self, job: dict[str, Any], blobs: list[bytes], folder: int) -> None:
        self.job, self.blobs, self.folder = job, blobs, folder
        self.result = bytearray()

    def through(self, tunnel: Tunnel) -> bytes:
        """Let it compute, its bytes carried by `tunnel`; return what it leaves.

        Raises:  SpuFailed, without a word of its own: those may hold values.
        """
        reading, writing = os.pipe()
        command = [str(spu_python()), "-E", "-s", str(NODE), str(writing)]
        quiet = subprocess.DEVNULL
        try:
            process = subprocess.Popen(  # noqa: S603 -- the image's own Python and our own file
                command,
                stdin=subprocess.PIPE,
                stdout=quiet,
                stderr=quiet,
                pass_fds=(writing, self.folder),
                env={"PATH": ""},
            )
        except OSError:
            os.close(reading)
            raise SpuFailed(f"there is no SPU at {spu_python()}; set {PYTHON_VARIABLE}") from None
        finally:
            os.close(writing)
        feeding = threading.Thread(target=self._feed, args=(process,), daemon=True)
        feeding.start()
        try:
            tunnel.run(reading, lambda: self._has_result(reading, process))
        finally:
            process.kill()
            process.wait()
            feeding.join()
            os.close(reading)
        return bytes(self.result)

    def _feed(self, process: "subprocess.Popen[bytes]") -> None:
        assert process.stdin is not None
        try:
            with process.stdin as pipe:
                for piece in (json.dumps(self.job).encode(), b"\n", *self.blobs):
                    pipe.write(piece)
        except BrokenPipeError:
            pass  # it has ended; whoever reads its result finds out

    def _has_result(self, reading: int, process: "subprocess.Popen[bytes]") -> bool:
        piece = os.read(reading, READ_BYTES)
        self.result += piece
        if piece:
            return False
        if code := process.wait():
            loads = f"{spu_python()} -c 'import spu.utils.frontend'"
            raise SpuFailed(f"SPU's process ended with code {code}; whether it loads here, says: {loads}")
        return True
