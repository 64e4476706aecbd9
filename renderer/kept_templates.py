"""Templates as Python code, kept beside them as Python keeps its modules': to compile them anew takes longer than to fill
most of them.

What cannot be written, as in an installation that belongs to somebody else, is compiled each time. Whoever can write
there could as well change the modules' own compiled files: what is kept is trusted no more and no less than these.
"""

import contextlib
import os
import sys
from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path

import jinja2
from jinja2 import FileSystemBytecodeCache
from jinja2.bccache import Bucket


class KeptTemplates(FileSystemBytecodeCache):
    """Keeps code in `directory` for as long as the template, jinja and `makers` are the same.

    `makers`: the source files that say how templates are compiled, as filters and options may go into the code.
    """

    def __init__(self, directory: Path, makers: Iterable[Path]) -> None:
        super().__init__(str(directory), "%s.jinja")
        self._made_by = sha256(jinja2.__version__.encode())
        for file in makers:
            self._made_by.update(file.read_bytes())

    def get_source_checksum(self, source: str) -> str:
        """Return what the kept code must have been made of."""
        made_of = self._made_by.copy()
        made_of.update(source.encode())
        return made_of.hexdigest()

    def load_bytecode(self, bucket: Bucket) -> None:
        """Take a template's code from where it is kept, if it is."""
        with contextlib.suppress(OSError):
            super().load_bytecode(bucket)

    def dump_bytecode(self, bucket: Bucket) -> None:
        """Keep a template's code if that is possible and Python may do so."""
        if not sys.dont_write_bytecode:
            with contextlib.suppress(OSError):
                os.makedirs(self.directory, exist_ok=True)
                super().dump_bytecode(bucket)
