"""How a loop runs: as machine code that was compiled once, and is kept beside its source.

A worker's file system is read-only, so an installation runs `python -m conclave.mpc.warm` first. What is not found there
(another kind of processor, say) is compiled when it is first called, and kept if that is possible. What is kept is an
object file without any reference to the outside: to load all of them takes no compiler, and a hundredth of its time.
"""

import contextlib
import ctypes
import functools
import hashlib
import importlib
import os
import platform
import tempfile
import threading
from array import array
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import llvmlite.binding as llvm
import numpy as np

from conclave.mpc.errors import ShapeError

P = ParamSpec("P")
R = TypeVar("R", int, None)
F = TypeVar("F", bound=Callable[..., Any])
Kind = tuple[np.dtype[Any], int]  # of an argument: a type and dimensions

NUMBER: Kind = (np.dtype(np.int64), 0)
WORD: Kind = (np.dtype(np.uint64), 0)
COMPILER = "conclave.mpc.compiler"
TOOLS = ("llvmlite", "numba", "numpy")
# What a processor has beyond x86-64-v2, of which numpy's own wheels make use without asking.
LEVEL_3 = ("avx", "avx2", "bmi", "bmi2", "f16c", "fma", "lzcnt", "movbe")
DIGEST_BYTES = 32
HEX_KEPT = 16
READABLE = 0o644  # an installation is made by one user and used by others

parts: list[Callable[..., Any]] = []  # functions that loops call


def processor_level() -> str | None:
    """Return the level of x86-64 to compile for, or None, for this very processor, where there are no such levels.

    The obvious choice is this processor's model, and what is kept would serve no other: an image is warmed on one
    machine and runs on many. These loops gain nothing measurable from more than level 3. NUMBA_CPU_NAME goes first:
    so an image is warmed for another level.
    """
    if "NUMBA_CPU_NAME" in os.environ:
        return os.environ["NUMBA_CPU_NAME"]
    if platform.machine() != "x86_64":
        return None
    has = llvm.get_host_cpu_features()
    return "x86-64-v3" if all(has.get(feature, False) for feature in LEVEL_3) else "x86-64-v2"


def part(function: F) -> F:
    """Mark a function that loops call; by itself it runs as Python."""
    parts.append(function)
    return function


class Loop:
    """A compiled function of dense arrays and whole numbers, that writes to arrays and returns a number or nothing.

    It runs without the interpreter's lock, and allocates nothing. An array that it writes to shares no memory with
    any other: the compiler relies on it.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function
        self.__doc__, self.__name__ = function.__doc__, function.__name__
        self._returns = function.__annotations__["return"] is int
        self._entries: dict[tuple[Kind, ...], Any] = {}

    def __call__(self, *args: Any) -> int | None:
        """Run it.

        Raises:  ShapeError for an array that is not dense, or cannot be written: a caller's mistake.
        """
        words, kinds = [0], []
        for arg in args:
            if isinstance(arg, np.ndarray):
                if not (arg.flags.c_contiguous and arg.flags.writeable):
                    raise ShapeError("compiled loops take dense arrays that can be written")
                # What numpy itself calls the address takes four times as long to ask for.
                words += (ctypes.addressof(_Byte(arg)) if arg.size else 0, *arg.shape)
                kinds.append((arg.dtype, arg.ndim))
            elif isinstance(arg, np.uint64):
                words.append(int(arg.view(np.int64)))
                kinds.append(WORD)
            else:
                words.append(arg)
                kinds.append(NUMBER)
        entry = self._entries.get(tuple(kinds)) or self._load(tuple(kinds))
        row = array("q", words)
        if entry(row.buffer_info()[0]):
            raise ShapeError(f"{self.__name__} ended as no loop should")
        return row[0] if self._returns else None

    def _load(self, kinds: tuple[Kind, ...]) -> Any:
        with _lock:
            if kinds not in self._entries:
                code = _kept(self.function, kinds) or _compile(self.function, kinds)
                self._entries[kinds] = _link(code)
        return self._entries[kinds]


def compiled(function: Callable[P, R]) -> Callable[P, R]:
    """Load what an earlier process compiled, or compile it, when it is first called with arguments of a kind."""
    loop: Any = Loop(function)
    return loop  # type: ignore[no-any-return]


_Byte: Any = ctypes.c_char.from_buffer
_Entry = ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_void_p)
_lock = threading.Lock()
_engines: list[Any] = []  # what they have loaded lives as long as they do


def _link(code: bytes) -> Any:
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    machine = llvm.Target.from_default_triple().create_target_machine(jit=True)
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), machine)
    engine.add_object_file(llvm.ObjectFileRef.from_data(code))
    engine.finalize_object()
    _engines.append(engine)
    return _Entry(engine.get_function_address("entry"))


def _compile(function: Callable[..., Any], kinds: tuple[Kind, ...]) -> bytes:
    # numba takes longer to import than most loops take to run: only who compiles waits for it.
    compiler: Any = importlib.import_module(COMPILER)
    code: bytes = compiler.object_code(function, kinds, processor_level())
    place = _place(function, kinds)
    with contextlib.suppress(OSError):
        place.parent.mkdir(exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=place.parent, prefix=place.name, delete=False) as whole:
            whole.write(hashlib.sha256(code).digest() + code)
        os.chmod(whole.name, READABLE)
        os.replace(whole.name, place)
        for old in set(place.parent.glob(place.name[: -HEX_KEPT - 2] + "*.o")) - {place}:
            old.unlink(missing_ok=True)
    return code


def _kept(function: Callable[..., Any], kinds: tuple[Kind, ...]) -> bytes | None:
    """Return what was kept, or None, so that it is compiled anew, if that is missing, unreadable or damaged."""
    try:
        kept = _place(function, kinds).read_bytes()
    except OSError:
        return None
    code = kept[DIGEST_BYTES:]
    return code if hashlib.sha256(code).digest() == kept[:DIGEST_BYTES] else None


def _place(function: Callable[..., Any], kinds: tuple[Kind, ...]) -> Path:
    """Return where machine code is kept: beside the source, which is trusted as far, and nowhere else."""
    source = Path(function.__code__.co_filename)
    types = "-".join(f"{dtype.name}x{dimensions}" for dtype, dimensions in kinds)
    return source.parent / "__pycache__" / f"{source.stem}.{function.__name__}.{types}.{_level()}.{_made_by(source)}.o"


# Asked for with every loop, and the same for as long as a process runs: to find it out again took longer than to link one.
@functools.cache
def _made_by(source: Path) -> str:
    """Return the digest of a source and of what compiles it."""
    made_by = [source.read_bytes(), Path(__file__).with_name("compiler.py").read_bytes()]
    made_by += [f"{tool} {version(tool)}".encode() for tool in TOOLS]
    return hashlib.sha256(b"".join(hashlib.sha256(one).digest() for one in made_by)).hexdigest()[:HEX_KEPT]


@functools.cache
def _level() -> str:
    return processor_level() or f"{platform.machine()}-{llvm.get_host_cpu_name()}"
