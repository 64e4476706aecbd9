"""A plan's graph as SVG: a lane for each party and for MPC, colours by where a step runs.

The lanes say more than a general layout could, and leave nothing to lay out but rows: no library, and the same picture
everywhere, so that it can be kept and compared.
"""

import textwrap
from xml.etree import ElementTree as Xml

from conclave.plan.graph import Box, Graph, Place
from renderer.printable import printable

WIDTH, GAP, MARGIN = 230, 40, 20
LINE, PAD, ROW_GAP, HEAD = 15, 10, 30, 80
MOST_LETTERS, MOST_LINES = 32, 7  # of a box, before it is cut
FILL: dict[Place, str] = {"owner": "#cfe2f3", "mpc": "#ffe599", "result": "#b6d7a8"}
MEANING: dict[Place, str] = {"owner": "in the clear, at an owner", "mpc": "under MPC", "result": "the answer"}


def svg_of(graph: Graph, title: str) -> str:
    """Return the picture as the text of an SVG file."""
    lines = {box.name: _wrapped(box) for box in graph.boxes}
    tops = _tops(graph, lines)
    width = 2 * MARGIN + len(graph.lanes) * (WIDTH + GAP) - GAP
    height = tops[-1] + MARGIN
    root = Xml.Element("svg", xmlns="http://www.w3.org/2000/svg", viewBox=f"0 0 {width} {height}", role="img")
    root.attrib.update({"width": str(width), "height": str(height), "font-family": "sans-serif", "font-size": "11"})
    _add(root, "title", printable(title))
    _add(root, "rect", width=width, height=height, fill="#ffffff")
    tip = {"id": "arrow", "viewBox": "0 0 8 8", "refX": "8", "refY": "4", "markerWidth": "7", "markerHeight": "7"}
    arrow = Xml.SubElement(Xml.SubElement(root, "defs"), "marker", {**tip, "orient": "auto"})
    _add(arrow, "path", d="M 0 0 L 8 4 L 0 8 z", fill="#666666")
    _heads(root, graph, height)
    places = {box.name: _Rectangle.of(box, graph, tops, len(lines[box.name])) for box in graph.boxes}
    for source, target in graph.edges:
        d = _path(places[source], places[target])
        _add(root, "path", d=d, fill="none", stroke="#666666", **{"marker-end": "url(#arrow)"})
    for box in graph.boxes:
        _draw(root, box, places[box.name], lines[box.name])
    Xml.indent(root)
    return Xml.tostring(root, encoding="unicode") + "\n"


class _Rectangle:
    """Where a box stands."""

    def __init__(self, left: int, top: int, height: int) -> None:
        self.left, self.top, self.height = left, top, height
        self.middle, self.right, self.bottom = left + WIDTH // 2, left + WIDTH, top + height

    @classmethod
    def of(cls, box: Box, graph: Graph, tops: list[int], n_lines: int) -> "_Rectangle":
        left = MARGIN + graph.lanes.index(box.lane) * (WIDTH + GAP)
        return cls(left, tops[box.row], _height(n_lines))


def _height(n_lines: int) -> int:
    return n_lines * LINE + 2 * PAD


def _tops(graph: Graph, lines: dict[str, list[str]]) -> list[int]:
    """Return where each row begins, and at last where all end."""
    tops = [HEAD]
    for row in range(max((box.row for box in graph.boxes), default=-1) + 1):
        highest = max((_height(len(lines[box.name])) for box in graph.boxes if box.row == row), default=0)
        tops.append(tops[-1] + highest + ROW_GAP)
    return tops


def _wrapped(box: Box) -> list[str]:
    lines = [part for line in box.lines for part in textwrap.wrap(printable(line), MOST_LETTERS) or [""]]
    return lines if len(lines) <= MOST_LINES else [*lines[: MOST_LINES - 1], "…"]


def _heads(root: Xml.Element, graph: Graph, height: int) -> None:
    for index, (place, meaning) in enumerate(MEANING.items()):
        x = MARGIN + index * 200
        _add(root, "rect", x=x, y=MARGIN - 8, width=12, height=12, fill=FILL[place], stroke="#666666")
        _add(root, "text", meaning, x=x + 18, y=MARGIN + 3)
    for index, lane in enumerate(graph.lanes):
        left = MARGIN + index * (WIDTH + GAP)
        head = {"text-anchor": "middle", "font-weight": "bold", "font-size": "14"}
        _add(root, "text", printable(lane), x=left + WIDTH // 2, y=HEAD - 20, **head)
        if index:
            middle = left - GAP // 2
            _add(
                root,
                "path",
                d=f"M {middle} {HEAD - 35} V {height - MARGIN}",
                stroke="#dddddd",
                **{"stroke-dasharray": "4"},
            )


def _draw(root: Xml.Element, box: Box, at: _Rectangle, lines: list[str]) -> None:
    frame = {"fill": FILL[box.place], "stroke": "#666666", "rx": 4}
    _add(root, "rect", x=at.left, y=at.top, width=WIDTH, height=at.height, **frame)
    for index, line in enumerate(lines):
        y = at.top + PAD + (index + 1) * LINE - 4
        _add(root, "text", line, x=at.left + 30, y=y)
    _add(root, "text", box.name, x=at.left + 6, y=at.top + PAD + LINE - 4, fill="#666666")


def _path(source: _Rectangle, target: _Rectangle) -> str:
    if source.left == target.left and target.top - source.bottom > ROW_GAP:
        # Past what stands between them, through the gap beside the lane.
        first, last, beside = source.bottom - PAD, target.top + PAD, source.right + GAP // 2
        return f"M {source.right} {first} C {beside} {first} {beside} {last} {target.right} {last}"
    half = (source.bottom + target.top) // 2
    return f"M {source.middle} {source.bottom} C {source.middle} {half} {target.middle} {half} {target.middle} {target.top}"


def _add(root: Xml.Element, tag: str, said: str | None = None, /, **attributes: object) -> None:
    Xml.SubElement(root, tag, {name: str(value) for name, value in attributes.items()}).text = said
