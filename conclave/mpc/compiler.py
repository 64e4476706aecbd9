"""The compiler of loops: numba, to an object file that needs nothing else. Imported by nobody but who compiles."""

from collections.abc import Callable
from typing import Any

import llvmlite.binding as llvm
import numpy as np
from numba import config, njit, types
from numba.core.compiler import Compiler
from numba.core.errors import NumbaError
from numba.extending import register_jitable
from numba.np.numpy_support import from_dtype

from conclave.mpc import compiled
from conclave.mpc.errors import ShapeError

# Machine code as it goes into shared libraries, so that it may be loaded anywhere.
SETTINGS: dict[str, Any] = {"opt": 3, "reloc": "pic"}
RETURNED = (types.int64, types.uint64, types.none)
# A wrapper for Python's or C's callers would be the larger part of it; arrays are not counted, since none is made; and
# division by zero is not looked for.
OPTIONS: dict[str, Any] = {
    "nogil": True,
    "error_model": "numpy",
    "no_cpython_wrapper": True,
    "no_cfunc_wrapper": True,
    "_nrt": False,
}


class _Distinct(Compiler):
    """numba's compiler, told that arrays share no memory: otherwise each short loop first looks whether they do."""

    def define_pipelines(self) -> Any:
        self.state.flags.noalias = True
        return super().define_pipelines()  # type: ignore[no-untyped-call]


def object_code(function: Callable[..., Any], kinds: tuple[compiled.Kind, ...], level: str | None) -> bytes:
    """Compile a function for arguments of these kinds.

    Its entry, named `entry`, takes the place of a row of 64-bit words: room for the result, then of every array the
    address and the lengths, and every number.
    Raises:  ShapeError if the code would call anything of Python or numba: if it allocates, or may raise; or if it
             returns anything else.
    """
    _aim(level)
    for part in compiled.parts:
        # Inlined before LLVM sees them, so that it knows the numbers that parts are called with: how far rows lie apart.
        register_jitable(inline="always")(part)
    dispatcher: Any = njit(pipeline_class=_Distinct, **OPTIONS)(function)
    signature = tuple(_numba_type(*kind) for kind in kinds)
    try:
        dispatcher.compile(signature)
    except NumbaError as error:
        raise ShapeError(f"{function.__name__} is no loop") from error
    result = dispatcher.overloads[signature]
    returned = result.signature.return_type
    if returned not in RETURNED:
        raise ShapeError(f"{function.__name__} returns {returned}, not a number of 64 bits or nothing")
    module = llvm.parse_assembly(result.library.get_llvm_str())
    outside = [f.name for f in module.functions if f.is_declaration and not f.name.startswith("llvm.")]
    if outside:
        raise ShapeError(f"{function.__name__} is no loop: it calls {', '.join(outside)}")
    module.get_function(result.fndesc.llvm_func_name).name = "loop"
    module.link_in(llvm.parse_assembly(_entry(kinds)))
    for number, variable in enumerate(module.global_variables):
        variable.name = f"variable{number}"  # numba writes addresses into its names
    return bytes(_machine(level).emit_object(module))


def _entry(kinds: tuple[compiled.Kind, ...]) -> str:
    """Return, in LLVM's language, the entry that reads words and calls numba's function.

    numba's own convention: where to put the result, where to put an exception, and every array as its fields, of which
    loops over dense arrays read the address and the lengths.
    """
    lines: list[str] = []

    def word(type_name: str) -> str:
        at = len(lines) // 2 + 1
        lines.append(f"  %at{at} = getelementptr i64, ptr %words, i64 {at}")
        lines.append(f"  %word{at} = load {type_name}, ptr %at{at}")
        return f"{type_name} %word{at}"

    given = ["ptr %words", "ptr null"]
    for _, dimensions in kinds:
        if dimensions:
            array = ["ptr null", "ptr null", "i64 0", "i64 0", word("ptr")]
            given += [*array, *(word("i64") for _ in range(dimensions)), *["i64 0"] * dimensions]
        else:
            given.append(word("i64"))
    types_given = ", ".join(one.split()[0] for one in given)
    return "\n".join(
        [
            f"declare i32 @loop({types_given})",
            "define i32 @entry(ptr %words) {",
            *lines,
            f"  %status = call i32 @loop({', '.join(given)})",
            "  ret i32 %status",
            "}",
        ]
    )


def _aim(level: str | None) -> None:
    config.CPU_NAME = level  # type: ignore[attr-defined]
    # The level says it all; None would add what this processor has beyond it.
    config.CPU_FEATURES = "" if level else None  # type: ignore[attr-defined]


def _machine(level: str | None) -> Any:
    name, features = level or llvm.get_host_cpu_name(), "" if level else llvm.get_host_cpu_features().flatten()
    return llvm.Target.from_default_triple().create_target_machine(cpu=name, features=features, **SETTINGS)


def _numba_type(dtype: np.dtype[Any], dimensions: int) -> Any:
    # A piece of a message may begin anywhere, so nothing is said of how elements lie.
    return types.Array(from_dtype(dtype), dimensions, "C", aligned=False) if dimensions else from_dtype(dtype)
