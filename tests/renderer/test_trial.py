"""`ccd try`: any number of simulated parties over local files, and what it says when something is wrong."""

import json
from dataclasses import replace

import pytest
from typer.testing import CliRunner

from conclave.ir.nodes import Join
from conclave.plan.steps import MpcStep
from renderer.cli import app
from renderer.read_off import TrialProblem
from renderer.trial import parse_tables, prepare

SUMS = "SELECT k, SUM(v) AS s, COUNT(*) AS n, AVG(v) AS mean FROM t GROUP BY k ORDER BY k"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Five parts of a table, p1.csv to p5.csv: party i holds v = i for key a, and 10 * i for key b."""
    monkeypatch.chdir(tmp_path)
    for index in range(1, 6):
        (tmp_path / f"p{index}.csv").write_text(f"k,v\na,{index}\nb,{10 * index}\n")
    return tmp_path


def ccd_try(folder, sql, *options):
    (folder / "q.sql").write_text(sql)
    return CliRunner().invoke(app, ["try", "--query", "q.sql", *options])


def parts(*indices):
    return "t=" + ",".join(f"p{index}:p{index}.csv" for index in indices)


@pytest.mark.parametrize("owners", [(1,), (1, 2), (1, 2, 3), (1, 2, 3, 4, 5)])
@pytest.mark.parametrize("recipient", [None, "p1", "helper-1"])
def test_any_number_of_owners_and_any_recipient(folder, owners, recipient):
    to = [] if recipient is None else ["--reveal-to", recipient]
    result = ccd_try(folder, SUMS, "--table", parts(*owners), "--json", *to)
    assert result.exit_code == 0, result.output
    total, n = sum(owners), len(owners)
    assert json.loads(result.stdout)["output"] == [
        {"k": "a", "s": total, "n": n, "mean": pytest.approx(total / n, rel=1e-6)},
        {"k": "b", "s": 10 * total, "n": n, "mean": pytest.approx(10 * total / n, rel=1e-6)},
    ]


def test_a_key_of_two_columns_is_found_where_a_join_needs_it(folder):
    (folder / "x.csv").write_text("a,b,v\n" + "".join(f"{n % 9},{n // 9},{n}\n" for n in range(81)))
    (folder / "y.csv").write_text("a,b,w\n" + "".join(f"{n % 9},{n // 9},{n}\n" for n in [*range(40), *range(40)]))
    sql = "SELECT SUM(v * w) AS s FROM x JOIN y ON x.a = y.a AND x.b = y.b"
    tables = ["--table", "x=alpha:x.csv", "--table", "y=bravo:y.csv"]
    plan = prepare(sql, parse_tables(tables[1::2]), None).plan
    assert [s.unique_side for s in plan.steps if isinstance(s, MpcStep) and isinstance(s.operator, Join)] == ["left"]
    result = ccd_try(folder, sql, *tables, "--json")
    assert json.loads(result.stdout)["output"] == [{"s": 2 * sum(n * n for n in range(40))}]


def test_the_query_may_be_an_argument_or_come_from_standard_input(folder):
    sql, options = "SELECT COUNT(*) AS n FROM t", ["--table", parts(1, 2), "--json"]
    (folder / "q.sql").write_text(sql)
    asked = {"argument": [sql], "file": ["--query", "q.sql"], "input": ["--query", "-"]}
    for how, arguments in asked.items():
        result = CliRunner().invoke(app, ["try", *arguments, *options], input=sql if how == "input" else None)
        assert result.exit_code == 0, result.output
        assert json.loads(result.stdout)["output"] == [{"n": 4}], how


@pytest.mark.parametrize("arguments", [[], ["SELECT 1 AS x", "--query", "q.sql"]])
def test_one_query_is_asked_for_in_one_way(folder, arguments):
    (folder / "q.sql").write_text("SELECT 1 AS x")
    result = CliRunner().invoke(app, ["try", *arguments, "--table", parts(1)])
    assert result.exit_code == 2
    assert "either the query" in result.output


def test_the_plan_is_shown_and_nothing_runs(folder):
    result = ccd_try(folder, SUMS, "--table", parts(1, 2), "--plan")
    assert result.exit_code == 0
    assert "what each party learns" in result.stdout
    assert "analyst" in result.stdout
    assert "costs are one party's, if each owner puts 100 rows into MPC" in result.stdout
    assert "; parties: " not in result.output


def test_one_party_may_hold_several_files(folder):
    result = ccd_try(folder, "SELECT COUNT(*) AS n FROM t", "--table", "t=alpha:p1.csv,alpha:p2.csv", "--json")
    assert json.loads(result.stdout)["output"] == [{"n": 4}]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--table", "p1.csv"], "write NAME=party:file"),
        (["--table", "t=p1.csv"], "write PARTY:FILE"),
        (["--table", "t=p1:nowhere.csv"], "there is no file nowhere.csv"),
        (["--table", "t=p1:p1.csv", "--table", "t=p2:p2.csv"], "join its files with commas"),
        (["--table", "other=p1:p1.csv"], "no table t here; there are other"),
        (["--table", "t=p1:p1.csv,p2:odd.csv"], "its files have different columns"),
    ],
)
def test_what_is_wrong_is_said_with_what_to_do(folder, options, said):
    (folder / "odd.csv").write_text("k,w\na,1\n")
    result = ccd_try(folder, SUMS, *options)
    assert result.exit_code == 10
    assert said in result.output.replace("\n", " ")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "odd.csv: the file has no header"),
        ("\n", "odd.csv: column number 1 has no name"),
        ("k;v\na;1\n", "odd.csv: k;v"),
        ("k,k\na,1\n", "odd.csv: column number 2 has the name of another one"),
        ("k,v\na,1\nb,1,2\n", "odd.csv: row 2: has more fields than the header"),
        ('k,v\n"a,1\nb,2\n', "odd.csv: row 1: has a quote that is not closed"),
        ("k,v\n\udcff,1\n", "odd.csv: column k, row 1: is not UTF-8"),
    ],
)
def test_a_file_that_is_no_table_is_named_with_its_row(folder, text, said):
    (folder / "odd.csv").write_text(text, encoding="utf-8", errors="surrogateescape")
    result = ccd_try(folder, SUMS, "--table", "t=p1:p1.csv,p2:odd.csv")
    assert result.exit_code == 10
    assert said in result.output.replace("\n", " ")


@pytest.mark.parametrize("rest", ["", "a,\nb,\n"])
def test_a_column_without_values_has_the_type_that_other_files_give_it(folder, rest):
    (folder / "empty.csv").write_text(f"k,v\n{rest}")
    result = ccd_try(folder, "SELECT SUM(v) AS s FROM t", "--table", "t=p1:p1.csv,p2:empty.csv", "--json")
    assert json.loads(result.stdout)["output"] == [{"s": 11}]


def test_a_column_that_is_text_in_one_file_is_said_to_be_text(folder):
    (folder / "odd.csv").write_text("k,v\na,none\n")
    result = ccd_try(folder, SUMS, "--table", "t=p1:p1.csv,p2:odd.csv")
    assert result.exit_code == 10
    assert "column v is taken as text, since its files differ: p1.csv: bigint; odd.csv: text" in result.stderr
    kept = ccd_try(folder, "SELECT v FROM t", "--table", "t=p1:p1.csv,p2:odd.csv", "--json")
    assert sorted(row["v"] for row in json.loads(kept.stdout)["output"]) == ["1", "10", "none"]


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (["1", "-2", "+3"], "bigint"),
        (["1", "2.5", ".5e3"], "double"),
        (["true", "F"], "boolean"),
        (["2026-01-31", ""], "date"),
        (["2026-01-31", "2026-02-30"], "varchar(10)"),  # no day of any year
        (["9223372036854775808", "1"], "double"),
        (["01:30", "é"], "varchar(5)"),
    ],
)
def test_a_column_has_the_first_type_that_all_its_values_are_spelt_in(folder, values, kind):
    (folder / "x.csv").write_text("v,w\n" + "".join(f"{value},0\n" for value in values))
    (column,) = prepare("SELECT v FROM t", parse_tables(["t=p1:x.csv"]), None).plan.answer
    assert (column.name, str(column.type)) == ("v", kind)


def test_tabs_may_stand_between_fields(folder):
    (folder / "x.tsv").write_text("k\tv\na\t7\n")
    result = ccd_try(folder, "SELECT SUM(v) AS s FROM t", "--table", "t=p1:p1.csv,p2:x.tsv", "--json")
    assert json.loads(result.stdout)["output"] == [{"s": 18}]


def test_a_query_that_is_not_taken_names_line_and_column(folder):
    result = ccd_try(folder, "SELECT t.k\nFROM t ASOF JOIN t u ON t.k = u.k", "--table", parts(1, 2))
    assert result.exit_code == 10
    assert "line 2" in result.output
    assert "ASOF JOIN is not supported" in result.output


@pytest.mark.parametrize(
    ("sql", "files"),
    [
        ("SELECT v, ROW_NUMBER() OVER (ORDER BY k) AS r FROM t", "t=p1:a.csv,p2:b.csv"),
        ("SELECT v, ROW_NUMBER() OVER (ORDER BY k) AS r FROM t JOIN u ON v = w", "t=p1:a.csv"),
    ],
    ids=["of owners", "of a join"],
)
def test_rows_that_a_sort_takes_for_equal_are_not_told_in_an_order_that_anybody_knows(folder, sql, files):
    (folder / "a.csv").write_text("k,v\n" + "".join(f"a,{v}\n" for v in range(40)))
    (folder / "b.csv").write_text("k,v\na,40\n")
    (folder / "u.csv").write_text("w\n" + "".join(f"{w}\n" for w in range(40)))
    tables = ["--table", files, *(["--table", "u=p2:u.csv"] if " u " in sql else [])]
    rows = json.loads(ccd_try(folder, sql, *tables, "--json").stdout)["output"]
    by_place = [row["v"] for row in sorted(rows, key=lambda row: row["r"])]
    assert sorted(by_place) == list(range(len(rows)))
    assert by_place != sorted(by_place)  # by chance once in 40!


def test_in_the_clear_the_answer_is_the_same_and_rounds_are_counted(folder):
    tables = ["--table", parts(1, 2, 3), "--json"]
    shared, plain = (json.loads(ccd_try(folder, SUMS, *tables, *more).stdout) for more in ([], ["--plain"]))
    assert plain["output"] == [{**row, "mean": pytest.approx(row["mean"], rel=1e-6)} for row in shared["output"]]
    assert plain["columns"] == shared["columns"]
    counted = {step["name"]: step["rounds"] for step in plain["steps"]}
    under_mpc = [step for step in shared["steps"] if step["kind"] in ("mpc", "reveal")]
    assert any(step["actual"]["rounds"] for step in under_mpc)
    assert all(counted[step["name"]] == step["actual"]["rounds"] for step in under_mpc)
    shown = ccd_try(folder, SUMS, "--table", parts(1, 2, 3), "--plain")
    assert "in the clear; three parties would take" in " ".join(shown.stderr.split())


def test_in_the_clear_what_goes_wrong_is_told_as_usual(folder):
    (folder / "x.csv").write_text("a\n" + "1\n" * 5000)
    options = ["--table", "x=alpha:x.csv", "--table", "y=bravo:x.csv", "--plain"]
    result = ccd_try(folder, "SELECT MEDIAN(x.a) AS n FROM x JOIN y ON x.a = y.a", *options)
    assert result.exit_code == 10
    assert "join on a column that tells one table's rows apart" in " ".join(result.stderr.split())


def test_a_number_that_outgrows_its_word_is_told_as_that_whoever_is_asked_first(folder):
    """A recipient that does not compute loses its peers then, which is a consequence."""
    for name, column in (("x", "cost"), ("y", "w")):
        (folder / f"{name}.csv").write_text(f"k,{column}\n" + "".join(f"{n},{3 * 10**9}\n" for n in range(9)))
    tables = parse_tables(["x=alpha:x.csv", "y=bravo:y.csv", "t=carol:x.csv"])
    trial = prepare("SELECT SUM(cost * w) AS s FROM x JOIN y ON x.k = y.k", tables, "dora")
    reader_first = replace(trial, parties=("dora", *(name for name in trial.parties if name != "dora")))
    with pytest.raises(TrialProblem, match="does not fit its 64-bit word"):
        reader_first.run_all(lambda _: None)


def test_sizes_that_may_be_told_make_later_steps_cheaper(folder):
    (folder / "some.csv").write_text("k\na\n")
    sql = "SELECT v, COUNT(*) AS n FROM t WHERE k IN (SELECT k FROM some) GROUP BY v"
    tables = ["--table", parts(1, 2, 3), "--table", "some=p4:some.csv", "--json"]
    told = ["--disclose-sizes", "t", "--disclose-sizes", "some"]
    carried, dropped = (json.loads(ccd_try(folder, sql, *tables, *more).stdout) for more in ([], told))
    assert sorted(row["v"] for row in dropped["output"]) == sorted(row["v"] for row in carried["output"]) == [1, 2, 3]
    last = [[s for s in each["steps"] if s["kind"] == "mpc"][-1]["actual"]["bytes"] for each in (carried, dropped)]
    assert last[1] < last[0]
    refused = ccd_try(folder, sql, *tables, "--disclose-sizes", "beds")
    assert refused.exit_code == 10
    assert "there is no such table" in " ".join(refused.stderr.split())


def pairs(folder):
    """Two tables whose keys repeat: of orders up to three times, of parcels up to twice."""
    (folder / "orders.csv").write_text("who,n\n1,10\n1,11\n1,12\n2,20\n,30\n")
    (folder / "parcels.csv").write_text("whom,m\n1,5\n1,6\n2,7\n2,8\n9,9\n")
    return ["--table", "orders=alpha:orders.csv", "--table", "parcels=bravo:parcels.csv", "--json"]


@pytest.mark.parametrize(
    ("join", "said", "expected"),
    [
        ("JOIN", "parcels.whom=2", {(1, 66, 6), (2, 40, 2)}),
        ("JOIN", "orders.who=3", {(1, 66, 6), (2, 40, 2)}),
        ("LEFT JOIN", "parcels.whom=2", {(1, 66, 6), (2, 40, 2), (None, 30, 1)}),
    ],
)
@pytest.mark.parametrize("how", [[], ["--plain"]])
def test_keys_that_repeat_on_both_sides_are_joined_by_sorting_where_it_is_said_how_often(
    folder, join, said, expected, how
):
    sql = f"SELECT who, SUM(n) AS s, COUNT(*) AS c FROM orders {join} parcels ON who = whom GROUP BY who"
    result = ccd_try(folder, sql, *pairs(folder), "--most-matches", said, *how)
    assert result.exit_code == 0, result.stderr
    assert {tuple(row.values()) for row in json.loads(result.stdout)["output"]} == expected


def test_how_often_keys_come_is_checked_and_said_in_the_plan(folder):
    sql = "SELECT n, m, COUNT(*) AS c FROM orders JOIN parcels ON who = whom GROUP BY n, m"
    tables = pairs(folder)[:-1]
    shown = ccd_try(folder, sql, *tables, "--most-matches", "parcels.whom=2", "--plan").stdout
    assert "whether more than 2 rows agree in whom" in shown
    for how in ([], ["--plain"]):
        refused = ccd_try(folder, sql, *tables, "--most-matches", "parcels.whom=1", *how)
        assert refused.exit_code == 10
        assert "whom: more than 1 rows have the same value" in " ".join(refused.stderr.split())
        assert "say a larger number" in " ".join(refused.stderr.split())


@pytest.mark.parametrize("said", ["parcels.whom", "parcels.whom=0", "parcels.whom=99999", "parcels.m.n=", "beds.no=2"])
def test_how_often_keys_come_is_a_number_and_of_a_column(folder, said):
    refused = ccd_try(folder, "SELECT COUNT(*) AS n FROM orders", *pairs(folder), "--most-matches", said)
    assert refused.exit_code == 10
    assert "--most-matches" in refused.stderr


def test_too_many_pairs_say_what_could_be_said(folder):
    (folder / "x.csv").write_text("a\n" + "1\n" * 5000)
    options = ["--table", "x=alpha:x.csv", "--table", "y=bravo:x.csv", "--plain"]
    result = ccd_try(folder, "SELECT MEDIAN(x.a) AS n FROM x JOIN y ON x.a = y.a", *options)
    assert "--most-matches TABLE.COLUMN=8" in " ".join(result.stderr.split())
    more = ccd_try(folder, "SELECT MEDIAN(x.a) AS n FROM x JOIN y ON x.a = y.a", *options, "--most-matches", "y.a=5000")
    assert "say a smaller number" in " ".join(more.stderr.split())
