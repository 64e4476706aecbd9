"""A query over local files with simulated parties: the analyst's scratch pad. No policies, no stores, no network.

The plan, the local engines and the MPC engine are the real ones; only the parties are threads of one process, and
types are read off the files instead of being declared.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow as pa

from conclave.compile import compile_query
from conclave.execute import Execution, StepReport, execute
from conclave.ir.nodes import Concat, Node, Scan
from conclave.ir.types import Schema
from conclave.local.duckdb import LocalEngine
from conclave.local.errors import EncodeProblem, LocalError
from conclave.local.format import FileFormat
from conclave.local.sqlexpr import view_name
from conclave.mpc.channel import Network
from conclave.mpc.costs import Cost
from conclave.mpc.errors import DeadlineExceeded, Outgrown, PeerAborted, PeerLost, TooManyMatches, TooManyPairs
from conclave.mpc.inprocess import connect_all
from conclave.plan.cleartext import Cleartext
from conclave.plan.steps import Plan
from conclave.plan.unique import wanted_keys
from conclave.sql.bind import bind
from conclave.twin import run_alone
from renderer.read_off import Part, TrialProblem, is_key, pass_over, read_off
from renderer.workflow import MOST_MATCHES

RECEIVE_TIMEOUT_S = 600.0
_TABLE = re.compile(r"(?P<name>[A-Za-z_]\w*)=(?P<parts>.+)")
_SHOWN = re.compile(r"(?P<table>\w+)\.(?P<column>[^=]+)=(?P<parties>[^,]+(,[^,]+)*)")
_MOST = re.compile(r"(?P<table>\w+)\.(?P<column>[^=]+)=(?P<most>[1-9]\d{0,8})")
_PARTY = re.compile(r"\w[-\w]*")


@dataclass(frozen=True)
class Loaded:
    """A file as the dataset that the plan reads it as."""

    dataset: str  # "party/dataset"
    party: str
    path: Path
    file_format: FileFormat
    schema: Schema


@dataclass(frozen=True)
class Trial:
    """A query and its files, ready to run."""

    plan: Plan
    parties: tuple[str, ...]
    files: tuple[Loaded, ...]

    def run(self, progress: Callable[[StepReport], None]) -> Execution:
        """Run every party in a thread of its own; return the first recipient's walk."""
        return self.run_all(progress)[self.plan.query.recipients[0]]

    def run_all(self, progress: Callable[[StepReport], None]) -> dict[str, Execution]:
        """Run every party in a thread of its own; return each one's walk."""
        networks = connect_all(self.parties, RECEIVE_TIMEOUT_S)
        with ThreadPoolExecutor(len(self.parties)) as pool:
            futures = {
                name: pool.submit(self._run_party, name, network, progress if index == 0 else _say_nothing)
                for index, (name, network) in enumerate(networks.items())
            }
            # A party that fails closes its network, so the others end too; the first cause is worth telling.
            errors = [error for future in futures.values() if (error := future.exception()) is not None]
            for error in sorted(errors, key=_is_consequence):
                raise _told(error) from None
        return {name: future.result() for name, future in futures.items()}

    def run_alone(self) -> tuple[pa.Table, dict[str, Cost]]:
        """Run it in the clear, in this one process; return the answer, and what each step costs three parties."""
        with LocalEngine() as engine:
            for file in self.files:
                engine.register_file(file.dataset, file.path, file.file_format, file.schema)
            try:
                return run_alone(self.plan, engine)
            except (LocalError, EncodeProblem, Outgrown, TooManyMatches, TooManyPairs) as error:
                raise _told(error) from None

    def rows(self) -> dict[str, int]:
        """Return how many rows each dataset has."""
        with LocalEngine() as engine:
            for file in self.files:
                engine.register_file(file.dataset, file.path, file.file_format, file.schema)
            return {
                file.dataset: int(
                    engine.run(f"SELECT COUNT(*) AS n FROM {view_name(file.dataset)}")["n"][0].as_py()  # noqa: S608 - quoted
                )
                for file in self.files
            }

    def _run_party(self, name: str, network: Network, progress: Callable[[StepReport], None]) -> Execution:
        try:
            engine = LocalEngine()
            for file in self.files:
                if file.party == name:
                    engine.register_file(file.dataset, file.path, file.file_format, file.schema)
            return execute(self.plan, name, network, engine, b"ccd try", progress)
        finally:
            network.close()


def _told(error: BaseException) -> BaseException:
    """Return what went wrong as something that the analyst can mend, if it is."""
    match error:
        case LocalError() | EncodeProblem():
            return TrialProblem(str(error))
        case Outgrown():
            return TrialProblem(str(error), "ask for less at once, or in larger units: of `x / 1000`, say")
        case TooManyMatches():
            return TrialProblem(str(error), "say a larger number with --most-matches")
        case TooManyPairs(most=None):
            fix = (
                "join on a column that tells one table's rows apart, or group that table by its key first; or say in how "
                "many rows of one table a value comes at most: --most-matches TABLE.COLUMN=8"
            )
            return TrialProblem(str(error), fix)
        case TooManyPairs():
            return TrialProblem(
                str(error), "say a smaller number with --most-matches, or leave rows out before the join"
            )
    return error


def parse_tables(options: list[str]) -> tuple[Part, ...]:
    """Read `NAME=party:file[,party:file]` options.

    Raises:  TrialProblem naming the option.
    """
    parts: list[Part] = []
    for option in options:
        match = _TABLE.fullmatch(option)
        if match is None:
            raise TrialProblem(f"--table {option} cannot be read", "write NAME=party:file[,party:file]")
        if any(part.table == match["name"].lower() for part in parts):
            raise TrialProblem(f"--table {option}: {match['name']} is given twice", "join its files with commas")
        for item in match["parts"].split(","):
            party, separator, path = item.partition(":")
            if not separator or not _PARTY.fullmatch(party):
                raise TrialProblem(
                    f"--table {option}: {item!r} is not party:file", "write PARTY:FILE, such as alpha:visits.csv"
                )
            if not Path(path).is_file():
                raise TrialProblem(f"--table {option}: there is no file {path}")
            parts.append(Part(match["name"].lower(), party, Path(path)))
    return tuple(parts)


def parse_cleartext(options: list[str]) -> dict[tuple[str, str], tuple[str, ...]]:
    """Read `TABLE.COLUMN=party[,party]` options.

    Raises:  TrialProblem naming the option.
    """
    shown: dict[tuple[str, str], tuple[str, ...]] = {}
    for option in options:
        match = _SHOWN.fullmatch(option)
        if match is None:
            raise TrialProblem(f"--cleartext {option} cannot be read", "write TABLE.COLUMN=PARTY[,PARTY]")
        shown[match["table"].lower(), match["column"].lower()] = tuple(match["parties"].split(","))
    return shown


def parse_most_matches(options: list[str]) -> dict[tuple[str, str], int]:
    """Read `TABLE.COLUMN=N` options.

    Raises:  TrialProblem naming the option.
    """
    said: dict[tuple[str, str], int] = {}
    for option in options:
        match = _MOST.fullmatch(option)
        if match is None or int(match["most"]) > MOST_MATCHES:
            fix = f"write TABLE.COLUMN=N, a number from 1 to {MOST_MATCHES}"
            raise TrialProblem(f"--most-matches {option} cannot be read", fix)
        said[match["table"].lower(), match["column"].lower()] = int(match["most"])
    return said


def prepare(
    sql: str,
    parts: tuple[Part, ...],
    reveal_to: str | None,
    cleartext: Cleartext | None = None,
    countable: Iterable[str] = (),
    most_matches: Mapping[tuple[str, str], int] | None = None,
    note: Callable[[str], None] = pass_over,
) -> Trial:
    """Read types off the files and compile the query. Without `reveal_to`, an analyst with no data gets the answer.

    `note` is told what about the files may be unlike what they are meant as.

    Raises:  TrialProblem for files that do not fit together; QueryProblem for the query.
    """
    scans = _with_most_matches(most_matches or {}, _with_keys(sql, parts, _scans(parts, note)))
    tables = _tables(scans)
    recipient = reveal_to or "analyst"
    owners = sorted({part.party for part in parts})
    # Those without data help where fewer than three have some.
    spare = [name for name in (recipient, "helper-1", "helper-2", "helper-3") if name not in owners]
    first, second, third, *_ = [*owners, *spare]
    compute = (first, second, third)
    _check_shown(cleartext or {}, tables, compute)
    counted = frozenset(table.lower() for table in countable)
    for table in sorted(counted - set(tables)):
        raise TrialProblem(f"--disclose-sizes {table}: there is no such table")
    plan = compile_query(sql, tables, (recipient,), compute, cleartext=cleartext, countable=counted)
    return Trial(
        plan,
        tuple(dict.fromkeys([*owners, recipient, first, second, third])),
        tuple(
            Loaded(scan.dataset, part.party, part.path, part.file_format, scan.schema)
            for part, scan in zip(parts, scans, strict=True)
        ),
    )


def _check_shown(cleartext: Cleartext, tables: dict[str, Node], compute: tuple[str, ...]) -> None:
    for (table, column), parties in cleartext.items():
        name = f"--cleartext {table}.{column}"
        if table not in tables or column not in {f.name for f in tables[table].schema}:
            raise TrialProblem(f"{name}: there is no such column")
        for party in parties:
            if party not in compute:
                raise TrialProblem(f"{name}: {party} does not compute", f"name one of {', '.join(compute)}, or all")


def _tables(scans: tuple[Scan, ...]) -> dict[str, Node]:
    tables: dict[str, Node] = {}
    for table in dict.fromkeys(scan.table for scan in scans):
        of_table = tuple(scan for scan in scans if scan.table == table)
        tables[table] = of_table[0] if len(of_table) == 1 else Concat(of_table)
    return tables


def _with_keys(sql: str, parts: tuple[Part, ...], scans: tuple[Scan, ...]) -> tuple[Scan, ...]:
    """Return the scans with those keys of several columns that the query's joins would need, and the files have."""
    for table, columns in sorted(wanted_keys(bind(sql, _tables(scans), ("nobody",)))):
        of_table = [part for part in parts if part.table == table]
        if len(columns) > 1 and is_key(of_table, columns):
            key = frozenset({columns})
            scans = tuple(
                replace(scan, keys=scan.keys | key, keys_in_table=scan.keys_in_table | key)
                if scan.table == table
                else scan
                for scan in scans
            )
    return scans


def _with_most_matches(said: Mapping[tuple[str, str], int], scans: tuple[Scan, ...]) -> tuple[Scan, ...]:
    """Return the scans with what is said of their columns."""
    for table, column in said:
        if not any(scan.table == table and column in {f.name for f in scan.schema} for scan in scans):
            raise TrialProblem(f"--most-matches {table}.{column}: there is no such column")
    of_table = {t: frozenset((c, most) for (other, c), most in said.items() if other == t) for t, _ in said}
    return tuple(replace(scan, most_matches=of_table.get(scan.table, frozenset())) for scan in scans)


def _scans(parts: tuple[Part, ...], note: Callable[[str], None]) -> tuple[Scan, ...]:
    found: list[Scan] = []
    for table in dict.fromkeys(part.table for part in parts):
        of_table = [part for part in parts if part.table == table]
        schema, unique = read_off(table, of_table, note)
        for index, part in enumerate(of_table):
            n_same = sum(other.party == part.party for other in of_table)
            name = f"{part.party}/{table}" if n_same == 1 else f"{part.party}/{table}-{index + 1}"
            found.append(Scan(table, name, part.party, schema, unique, unique))
    return tuple(found)


def _is_consequence(error: BaseException) -> bool:
    """Sort a peer's loss behind the error that made the peer leave, which may be one of the protocol itself."""
    return isinstance(error, PeerLost | PeerAborted | DeadlineExceeded)


def _say_nothing(_: StepReport) -> None:
    """Only one party's progress is shown."""
