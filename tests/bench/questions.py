"""The data of the worked examples in `examples/`, of any number of rows: SQL that makes the same rows every time.

Numbers are spread by multiplication, not drawn: no seed, no library whose next version draws otherwise. What lies in
`examples/data` was made like this, with `SMALL` rows; the scale bench makes as many as it is asked for.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import duckdb

SMALL = 60  # rows of a dataset in examples/data
BRANDS = "['Alba', 'Blitz', 'Comet', 'Dash', 'Evo', 'Flit', 'Gale']"
MEDICINES = "['aspirin', 'ibuprofen', 'metformin', 'ramipril', 'insulin']"


@dataclass(frozen=True)
class Question:
    """A workflow of `examples/`, and what the files of its datasets hold: "party/dataset" to a SELECT of n rows."""

    workflow: str
    datasets: Mapping[str, str]

    def write(self, folder: Path, rows: int, suffix: str, connection: duckdb.DuckDBPyConnection) -> None:
        """Write every dataset as folder/party/dataset.suffix."""
        for name, select in self.datasets.items():
            path = folder / f"{name}.{suffix}"
            path.parent.mkdir(parents=True, exist_ok=True)
            how = "FORMAT csv, HEADER" if suffix == "csv" else "FORMAT parquet, COMPRESSION zstd"
            connection.execute(f"COPY ({select.format(n=rows)}) TO '{path}' ({how})")


def _spread(times: int, party: int, width: str) -> str:
    """Return a number below `width` that looks like one by chance, for row `i`."""
    return f"(((i * {times} + {party} * 97531) % 4294967291) >> 7) % {width}"


def _trips(party: int) -> str:
    # Some brands are called far more often than others, and not the same ones everywhere.
    often = _spread(2654435761, party, "100")
    return f"""
        SELECT {BRANDS}[1 + (({often}) * ({often}) // 1430 + {party}) % 7] AS company,
               DATE '2026-01-01' + CAST(i % 365 AS INTEGER) AS day,
               CAST((250 + {_spread(1640531527, party, "9750")}) / 100 AS DECIMAL(8, 2)) AS fare
        FROM range({{n}}) AS rows(i)"""


def _ssn(person: str) -> str:
    # Different for different persons, as long as there are fewer than that prime number.
    return f"CAST(100000000 + ({person}) * 48271 % 899999963 AS INTEGER)"


def _demographics() -> str:
    area = _spread(2246822519, 0, "({n} // 1000 + 12)")
    return f"SELECT {_ssn('i')} AS ssn, CAST(10001 + {area} AS INTEGER) AS zip FROM range({{n}}) AS rows(i)"


def _scores(party: int) -> str:
    # Each bureau knows half of the other's customers, and some people who do not live anywhere.
    person = f"i + {party} * ({{n}} // 2)"
    score = _spread(3266489917, party, "551")
    return f"SELECT {_ssn(person)} AS ssn, CAST(300 + {score} AS INTEGER) AS score FROM range({{n}}) AS rows(i)"


def _patient(times: int, party: int) -> str:
    return f"CAST(1 + {_spread(times, party, '({n} // 2)')} AS INTEGER)"


def _diagnoses(party: int) -> str:
    often = _spread(2654435761, party, "100")
    kind = f"({often}) * ({often}) // 250"
    return f"""
        SELECT {_patient(1640531527, party)} AS patient,
               CASE {kind} WHEN 0 THEN 'I25' ELSE chr(CAST(65 + ({kind}) % 26 AS INTEGER)) || (10 + {kind}) END AS diagnosis,
               DATE '2020-01-01' + CAST({_spread(3266489917, party, "2000")} AS INTEGER) AS day
        FROM range({{n}}) AS rows(i)"""


def _medications(party: int) -> str:
    return f"""
        SELECT {_patient(2246822519, party)} AS patient,
               {MEDICINES}[1 + {_spread(668265263, party, "5")}] AS medication,
               DATE '2018-01-01' + CAST({_spread(374761393, party, "2000")} AS INTEGER) AS day
        FROM range({{n}}) AS rows(i)"""


_DIAGNOSES = {f"hospital-{name}/diagnoses": _diagnoses(n) for n, name in enumerate("ab")}
_MEDICATIONS = {f"hospital-{name}/medications": _medications(n) for n, name in enumerate("ab")}
QUESTIONS = {
    question.workflow: question
    for question in (
        Question("market-concentration", {f"{p}/trips": _trips(n) for n, p in enumerate(("yellow", "green", "black"))}),
        Question(
            "credit-scores",
            {
                "treasury/demographics": _demographics(),
                **{f"bureau-{p}/scores": _scores(n) for n, p in enumerate("ab")},
            },
        ),
        Question("aspirin-count", {**_DIAGNOSES, **_MEDICATIONS}),
        Question("comorbidity", _DIAGNOSES),
    )
}
