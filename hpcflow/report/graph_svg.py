"""A workflow's graph as an SVG picture: boxes in rows, arrows that pass around boxes."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from itertools import pairwise
from typing import TYPE_CHECKING

from hpcflow.report.graph_text import edge_text, task_lines

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hpcflow.report.graph import GraphEdge, WorkflowGraph

# In pixels; a letter's width is that of the widest common fonts, so that text fits.
LETTER, LINE, PAD = 7.5, 17.0, 10.0
GAP_X, GAP_Y, MARGIN = 28.0, 64.0, 16.0
LANE = 14.0  # the width that an arrow takes where it passes a row
ALONG = (0.5, 0.2, 0.8)  # where on an arrow's last bend its label may be
SWEEPS = 6  # how often rows are put in order by their neighbours

_STYLE = (
    "text{font:13px sans-serif;fill:#222}"
    ".name{font-weight:bold}"
    ".box{fill:#f4f7fb;stroke:#4a6785}"
    ".arrow{fill:none;stroke:#4a6785}"
    ".back{stroke-dasharray:5 4}"
    ".label{font-size:12px}"
    ".halo{font-size:12px;fill:#fff;stroke:#fff;stroke-width:4px}"
)
_TIP = (
    '<defs><marker id="tip" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="8" '
    'markerHeight="8" orient="auto"><path d="M0,0 L10,5 L0,10 z" fill="#4a6785"/>'
    "</marker></defs>"
)


@dataclass(slots=True, eq=False)
class _Spot:
    """A place in a row: a task's box, or where an arrow passes (task None)."""

    row: int
    width: float
    height: float
    lines: list[str]
    up: list[_Spot]
    down: list[_Spot]
    x: float = 0.0  # the middle
    y: float = 0.0  # the top


@dataclass(frozen=True, slots=True)
class _Route:
    """The places that an arrow passes, from its source to its target."""

    edge: GraphEdge
    spots: list[_Spot]


def render_svg(graph: WorkflowGraph) -> str:
    """The picture, as the text of an SVG file."""
    boxes, routes, rows = _rows(graph)
    _order(rows)
    width, height = _place(rows)
    back = [edge for edge in graph.edges if edge.back]
    right = width + (GAP_X + LANE * len(back) if back else 0.0)
    labels = max((len(edge_text(edge)) for edge in back), default=0) * LETTER
    across, down = right + labels + 2 * MARGIN, height + 2 * MARGIN
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{across:.0f}" '
        f'height="{down:.0f}" viewBox="{-MARGIN:.0f} {-MARGIN:.0f} {across:.0f} '
        f'{down:.0f}" role="img">'
    )
    parts = [
        head,
        f"<title>{escape(graph.name)}</title>",
        f"<style>{_STYLE}</style>",
        _TIP,
        (
            f'<rect x="{-MARGIN:.0f}" y="{-MARGIN:.0f}" width="{across:.0f}" '
            f'height="{down:.0f}" fill="#fff"/>'
        ),
        *(_forward_arrow(route) for route in routes),
        *(
            _back_arrow(boxes, edge, width + GAP_X + LANE * number)
            for number, edge in enumerate(back)
        ),
        *_labels(routes),
        *(_box(box) for box in boxes),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _rows(graph: WorkflowGraph) -> tuple[list[_Spot], list[_Route], list[list[_Spot]]]:
    """Each task below all that it takes from; arrows get a place in each row between."""
    loops = {loop.name: loop for loop in graph.loops}
    boxes: list[_Spot] = []
    forward = [edge for edge in graph.edges if not edge.back]
    for index, task in enumerate(graph.tasks):
        lines = task_lines(task)
        lines += [f"in {name} ({loops[name].iterations:,} times)" for name in task.loops]
        row = max(
            (boxes[edge.source].row + 1 for edge in forward if edge.target == index),
            default=0,
        )
        width = max(map(len, lines)) * LETTER + 2 * PAD
        boxes.append(_Spot(row, width, len(lines) * LINE + PAD, lines, [], []))
    rows: list[list[_Spot]] = [[] for _ in range(1 + max(box.row for box in boxes))]
    for box in boxes:
        rows[box.row].append(box)
    routes = []
    for edge in forward:
        source, target = boxes[edge.source], boxes[edge.target]
        between = [
            _Spot(row, LANE, 0.0, [], [], []) for row in range(source.row + 1, target.row)
        ]
        for spot in between:
            rows[spot.row].append(spot)
        spots = [source, *between, target]
        for above, below in pairwise(spots):
            above.down.append(below)
            below.up.append(above)
        routes.append(_Route(edge, spots))
    return boxes, routes, rows


def _order(rows: list[list[_Spot]]) -> None:
    """Put each row in the order of the middle of its neighbours, to and fro."""
    for sweep in range(SWEEPS):
        downwards = sweep % 2 == 0
        ordered = rows[1:] if downwards else rows[-2::-1]
        places = {spot: i for row in rows for i, spot in enumerate(row)}
        for row in ordered:
            middles: dict[_Spot, float] = {}
            for spot in row:
                near = spot.up if downwards else spot.down
                middles[spot] = (
                    sum(places[other] for other in near) / len(near)
                    if near
                    else float(places[spot])
                )
            row.sort(key=middles.__getitem__)
            places.update({spot: i for i, spot in enumerate(row)})


def _place(rows: list[list[_Spot]]) -> tuple[float, float]:
    """Give every place its coordinates; the size of the whole."""
    widths = [sum(s.width for s in row) + GAP_X * (len(row) - 1) for row in rows]
    total, y = max(widths), 0.0
    for row, width in zip(rows, widths, strict=True):
        x = (total - width) / 2
        height = max(spot.height for spot in row)
        for spot in row:
            spot.x = x + spot.width / 2
            if not spot.lines:
                spot.height = height  # an arrow goes straight past the boxes
            spot.y = y + (height - spot.height) / 2
            x += spot.width + GAP_X
        y += height + GAP_Y
    return total, y - GAP_Y


def _forward_arrow(route: _Route) -> str:
    first, last = route.spots[0], route.spots[-1]
    path = f"M{first.x:.1f},{first.y + first.height:.1f}"
    for above, below in pairwise(route.spots):
        y0 = above.y + above.height
        bend = (below.y - y0) / 2
        path += f" C{above.x:.1f},{y0 + bend:.1f} {below.x:.1f},{below.y - bend:.1f}"
        path += f" {below.x:.1f},{below.y:.1f}"
        if below is not last:
            end = f"{below.x:.1f},{below.y + below.height:.1f}"
            path += f" C{below.x:.1f},{below.y:.1f} {end} {end}"
    return f'<path class="arrow" marker-end="url(#tip)" d="{path}"/>'


def _labels(routes: list[_Route]) -> Iterator[str]:
    """The labels of arrows, on their last bends, where none is there already."""
    taken: list[tuple[float, float, float]] = []  # the middle, and half the width
    for route in routes:
        above, below = route.spots[-2:]
        text = edge_text(route.edge)
        half = len(text) * LETTER / 2
        y0 = above.y + above.height
        spots = []
        for t in ALONG:  # of the curve, whose ends are upright
            x = above.x + (below.x - above.x) * (3 - 2 * t) * t * t
            spots.append((x, y0 + (below.y - y0) * (1.5 * t * (1 - t) + t**3)))
        x, y = next(
            (
                (x, y)
                for x, y in spots
                if not any(
                    abs(x - other) < half + width and abs(y - at) < 0.9 * LINE
                    for other, at, width in taken
                )
            ),
            spots[0],
        )
        taken.append((x, y, half))
        yield _label(text, x, y, "middle")


def _back_arrow(boxes: list[_Spot], edge: GraphEdge, lane: float) -> str:
    """Around the boxes, on their right side, back up to the target."""
    source, target = boxes[edge.source], boxes[edge.target]
    shift = 6.0 if source is target else 0.0
    x0, y0 = source.x + source.width / 2, source.y + source.height / 2 + shift
    x1, y1 = target.x + target.width / 2, target.y + target.height / 2 - shift
    path = f"M{x0:.1f},{y0:.1f} H{lane:.1f} V{y1:.1f} H{x1:.1f}"
    label = _label(edge_text(edge), lane + 4, (y0 + y1) / 2, "start")
    return f'<path class="arrow back" marker-end="url(#tip)" d="{path}"/>{label}'


def _label(text: str, x: float, y: float, anchor: str) -> str:
    place = f'x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"'
    # The halo is a text of its own: not everything that draws SVG knows `paint-order`.
    return "".join(
        f'<text class="{kind}" {place}>{escape(text)}</text>' for kind in ("halo", "label")
    )


def _box(box: _Spot) -> str:
    left = box.x - box.width / 2
    texts = "".join(
        f"<text{' class=' + chr(34) + 'name' + chr(34) if number == 0 else ''} "
        f'x="{box.x:.1f}" y="{box.y + (number + 1) * LINE:.1f}" text-anchor="middle">'
        f"{escape(line)}</text>"
        for number, line in enumerate(box.lines)
    )
    return (
        f'<rect class="box" rx="6" x="{left:.1f}" y="{box.y:.1f}" '
        f'width="{box.width:.1f}" height="{box.height:.1f}"/>{texts}'
    )
