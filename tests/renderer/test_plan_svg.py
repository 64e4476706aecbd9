"""`ccd plan --graph`: every step once, in the lane of where it runs, below what it reads; no value in any label."""

from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree as Xml

import pytest
from typer.testing import CliRunner

from conclave.plan.graph import MPC, graph_of, read_by
from conclave.plan.show import parties_of
from conclave.plan.steps import Plan
from renderer.cli import app
from renderer.plan_svg import svg_of
from renderer.trial import parse_tables, prepare

SVG = "{http://www.w3.org/2000/svg}"
QUERIES = {
    "a join and groups": "SELECT k, COUNT(*) AS n, SUM(w) AS s FROM t JOIN u USING (k) WHERE v > 4711 GROUP BY k ORDER BY k",
    "a shared subplan": "WITH g AS (SELECT k, SUM(v) AS s FROM t GROUP BY k) "
    "SELECT a.k, a.s / b.total AS share FROM g a CROSS JOIN (SELECT SUM(s) AS total FROM g) b",
    "one owner alone": "SELECT k, SUM(w) AS s FROM u WHERE w <> 4711 GROUP BY k",
    "a name like mark-up": 'SELECT SUM(v) AS "<b>&amp;\x1b" FROM t',
}


@pytest.fixture
def plan_of(tmp_path: Path):
    for name in ("alpha", "bravo", "carol"):
        (tmp_path / f"{name}.csv").write_text("k,v\na,1\nb,4711\n")
    (tmp_path / "u.csv").write_text("k,w\na,1\nb,2\n")
    t = "t=" + ",".join(f"{name}:{tmp_path}/{name}.csv" for name in ("alpha", "bravo", "carol"))

    def plan(query: str, reveal_to: str | None) -> Plan:
        return prepare(query, parse_tables([t, f"u=carol:{tmp_path}/u.csv"]), reveal_to).plan

    return plan


@pytest.mark.parametrize("reveal_to", [None, "alpha"])
@pytest.mark.parametrize("name", QUERIES)
def test_every_step_has_a_place_of_its_own_below_what_it_reads(plan_of, name, reveal_to):
    plan = plan_of(QUERIES[name], reveal_to)
    graph = graph_of(plan)
    boxes = {box.name: box for box in graph.boxes}
    assert list(boxes) == [step.name for step in plan.steps]
    assert len({(box.lane, box.row) for box in graph.boxes}) == len(boxes)
    assert {box.lane for box in graph.boxes} <= set(graph.lanes)
    assert set(graph.edges) == {(source, step.name) for step in plan.steps for source in read_by(step)}
    assert all(boxes[source].row < boxes[target].row for source, target in graph.edges)
    for step in plan.steps:
        box = boxes[step.name]
        assert box.lane == MPC or box.lane in parties_of(step, plan)
        assert (box.place == "mpc") <= (box.lane == MPC)


@pytest.mark.parametrize("name", QUERIES)
def test_the_picture_is_well_formed_and_the_same_each_time(plan_of, name):
    plan = plan_of(QUERIES[name], None)
    text = svg_of(graph_of(plan), name)
    assert text == svg_of(graph_of(plan_of(QUERIES[name], None)), name)
    root = Xml.fromstring(text)
    assert {child.tag for child in root} <= {SVG + tag for tag in ("title", "defs", "rect", "text", "path")}
    said = [element.text for element in root.iter(f"{SVG}text")]
    assert [word for word in said if word in {step.name for step in plan.steps}] == [step.name for step in plan.steps]
    assert "4711" not in text
    _, _, width, height = map(int, root.attrib["viewBox"].split())
    for box in root.iter(f"{SVG}rect"):
        place = {side: int(box.attrib.get(side, 0)) for side in ("x", "y", "width", "height")}
        assert 0 <= place["x"] <= place["x"] + place["width"] <= width
        assert 0 <= place["y"] <= place["y"] + place["height"] <= height


def test_boxes_of_one_lane_do_not_cover_each_other(plan_of):
    root = Xml.fromstring(svg_of(graph_of(plan_of(QUERIES["a join and groups"], None)), "x"))
    spans: dict[str, list[tuple[int, int]]] = {}
    for box in root.iter(f"{SVG}rect"):
        if "rx" in box.attrib:
            top = int(box.attrib["y"])
            spans.setdefault(box.attrib["x"], []).append((top, top + int(box.attrib["height"])))
    assert len(spans) > 3
    for lane in spans.values():
        lane.sort()
        assert all(bottom < top for (_, bottom), (top, _) in pairwise(lane))


@pytest.mark.parametrize("options", [["--graph", "plan.png", "w.yaml"], ["--graph", "plan.svg", "--base", "HEAD"]])
def test_one_workflow_is_drawn_and_as_svg(options):
    result = CliRunner().invoke(app, ["plan", *options])
    assert result.exit_code == 2
    assert "--graph draws one workflow as SVG" in result.stderr
