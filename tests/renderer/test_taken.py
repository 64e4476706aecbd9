"""Estimates beside what steps took."""

import json

from rich.console import Console
from typer.testing import CliRunner

from conclave.forecast import Forecast
from renderer.cli import app
from renderer.taken import Taken, table_of_taken, taken_of

STEP = {"name": "m1", "kind": "mpc", "parties": ["alpha"], "seconds": 2.5, "rounds": 7, "bytes": 4000}


def test_a_manifest_tells_what_was_taken_and_the_estimate_stands_beside_it():
    (step,) = taken_of({"steps": [STEP]}, {"m1": Forecast(8, 5000, 2.0)})
    assert step.to_json() == {
        "name": "m1",
        "kind": "mpc",
        "actual": {"rounds": 7, "bytes": 4000, "seconds": 2.5},
        "estimated": {"rounds": 8, "bytes": 5000, "seconds": 2.0},
    }
    (unknown,) = taken_of({"steps": [STEP]}, {})
    assert "estimated" not in unknown.to_json()


def test_the_table_ends_with_the_sum_of_all_steps_and_says_what_was_estimated():
    console = Console(record=True, width=120)
    steps = [Taken(f"m{k}", "mpc", Forecast(k, 1000 * k, 0.5), Forecast(10, 2000, 0.25)) for k in (1, 2)]
    console.print(table_of_taken(steps))
    text = console.export_text()
    (last,) = [line for line in text.splitlines() if line.startswith("all")]
    assert "estimated for as many rows as owners have put into MPC" in " ".join(text.split())
    assert last.split() == ["all", "3", "20", "3.0", "kB", "4.0", "kB", "1.00", "s", "0.50", "s"]


def test_a_trial_shows_both_and_who_is_shown_keys_pays_less(tmp_path):
    (tmp_path / "q.sql").write_text("SELECT SUM(v) AS s FROM t JOIN p ON t.k = p.k")
    (tmp_path / "t.csv").write_text("k,v\n" + "".join(f"{n % 7},{n}\n" for n in range(60)))
    (tmp_path / "p.csv").write_text("k\n1\n2\n3\n")
    given = ["try", "--query", f"{tmp_path}/q.sql", "--table", f"t=alpha:{tmp_path}/t.csv"]
    given += ["--table", f"p=bravo:{tmp_path}/p.csv", "--json"]
    shown = ["--cleartext", "t.k=bravo", "--cleartext", "p.k=bravo"]
    told = []
    for more in ([], shown):
        result = CliRunner().invoke(app, [*given, *more])
        assert result.exit_code == 0, result.output
        told.append(json.loads(result.stdout))
    assert told[0]["output"] == told[1]["output"] == [{"s": sum(n for n in range(60) if n % 7 in (1, 2, 3))}]
    joins = [next(step for step in each["steps"] if step["name"] == "m1") for each in told]
    for step in joins:
        assert step["actual"]["rounds"] == step["estimated"]["rounds"]
        assert step["actual"]["bytes"] == step["estimated"]["bytes"]
    assert joins[1]["actual"]["bytes"] * 3 < joins[0]["actual"]["bytes"]


def test_what_owners_have_put_in_is_what_is_estimated_for(tmp_path):
    (tmp_path / "t.csv").write_text("k,v\n" + "".join(f"{n % 3},{n}\n" for n in range(3000)))
    (tmp_path / "u.csv").write_text("k,v\n" + "".join(f"{n % 5},{n}\n" for n in range(2000) if n % 4))
    given = ["try", "SELECT k, SUM(v) AS s FROM t WHERE v > 10 GROUP BY k", "--json"]
    given += ["--table", f"t=alpha:{tmp_path}/t.csv,bravo:{tmp_path}/u.csv"]
    result = CliRunner().invoke(app, given)
    assert result.exit_code == 0, result.output
    steps = [step for step in json.loads(result.stdout)["steps"] if step["kind"] == "mpc"]
    assert sum(step["actual"]["bytes"] for step in steps) > 0
    for step in steps:  # 3 and 5 groups of thousands of rows
        assert [step["actual"][unit] for unit in ("rounds", "bytes")] == [
            step["estimated"][unit] for unit in ("rounds", "bytes")
        ]


def test_a_column_that_is_not_there_or_a_party_that_does_not_compute_is_refused(tmp_path):
    (tmp_path / "q.sql").write_text("SELECT SUM(v) AS s FROM t")
    (tmp_path / "t.csv").write_text("k,v\n1,2\n")
    given = ["try", "--query", f"{tmp_path}/q.sql", "--table", f"t=alpha:{tmp_path}/t.csv", "--cleartext"]
    for option in ("t.nothing=alpha", "other.k=alpha", "t.k=mallory", "t.k"):
        assert CliRunner().invoke(app, [*given, option]).exit_code == 10, option
