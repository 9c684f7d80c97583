"""`hpcflow graph`: what it says of a workflow, and that its pictures are well formed."""

from __future__ import annotations

import itertools
import json
import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest

from hpcflow.report.graph import (
    GraphEdge,
    GraphLoop,
    GraphTask,
    WorkflowGraph,
    workflow_graph,
)
from hpcflow.report.graph_svg import render_svg
from hpcflow.report.graph_text import render_dot, render_mermaid
from tests.command_line import hpcflow
from tests.template.templates import components, load, schema

TEMPLATE = """
name: a "study" & more
tasks:
  - schema: one
    sequences: [{path: inputs.x, values: [7, 8, 9]}]
    groups: [{name: all}]
  - schema: two
  - schema: three
""" + components(
    schema("one", "x", "y"),
    schema("two", "y k", "z", k=", default_value: 0"),
    schema("three", "y z", "w", y=", group: all"),
)
SVG = "{http://www.w3.org/2000/svg}"


def looped():
    """Tasks in two loops, one in the other; the inner hands y back to its first task."""
    tasks = tuple(
        GraphTask(name, name, 2, n, 2 * n, loops)
        for name, n, loops in [
            ("start", 1, ()),
            ("step", 6, ("outer", "inner")),
            ("check", 6, ("outer", "inner")),
            ("end", 1, ()),
        ]
    )
    edges = (
        GraphEdge(0, 1, ("y",), 2),
        GraphEdge(1, 2, ("y", "z"), 2),
        GraphEdge(0, 3, ("x",), 2),
        GraphEdge(2, 3, ("z",), 2, grouped=True),
        GraphEdge(2, 1, ("y",), 2, back=True),
    )
    loops = (GraphLoop("outer", 1, 2, 2), GraphLoop("inner", 1, 2, 3))
    return WorkflowGraph("loops", tasks, edges, loops)


def test_tasks_are_counted_and_edges_name_what_flows():
    graph = workflow_graph(load(TEMPLATE))
    assert [(t.name, t.elements, t.runs) for t in graph.tasks] == [
        ("one", 3, 3),
        ("two", 3, 3),
        ("three", 3, 3),
    ]
    assert graph.edges == (
        GraphEdge(0, 1, ("y",), 3),
        GraphEdge(0, 2, ("y",), 3, grouped=True),
        GraphEdge(1, 2, ("z",), 3),
    )


def test_mermaid_shows_loops_as_frames_in_frames():
    assert render_mermaid(looped()) == (
        "flowchart TD\n"
        '  t0["start<br>2 elements"]\n'
        '  subgraph l0["outer: 2 iterations"]\n'
        '    subgraph l1["inner: 3 iterations"]\n'
        '      t1["step<br>2 elements<br>up to 6 iterations, 12 runs"]\n'
        '      t2["check<br>2 elements<br>up to 6 iterations, 12 runs"]\n'
        "    end\n"
        "  end\n"
        '  t3["end<br>2 elements"]\n'
        '  t0 -- "y" --> t1\n'
        '  t1 -- "y, z" --> t2\n'
        '  t0 -- "x" --> t3\n'
        '  t2 -- "z (as lists)" --> t3\n'
        '  t2 -. "y" .-> t1\n'
    )


def test_mermaid_and_dot_escape_what_would_end_their_texts():
    task = GraphTask('a"b\\<c>', "s", 1, 1, 1)
    graph = WorkflowGraph('n"\\', (task,), ())
    assert 't0["a#quot;b\\#lt;c#gt;<br>1 element"]' in render_mermaid(graph)
    assert render_dot(graph).startswith('digraph "n\\"\\\\" {\n')
    assert 'label="a\\"b\\\\<c>\\n1 element"' in render_dot(graph)


def test_dot_opens_and_closes_a_cluster_for_each_loop():
    text = render_dot(looped())
    assert re.findall(r"subgraph (\w+)", text) == ["cluster_0", "cluster_1"]
    assert text.count("{") == text.count("}") == 3
    assert 't2 -> t1 [label="y" style=dashed constraint=false]' in text


def boxes(picture):
    found = []
    for rect in picture.iter(f"{SVG}rect"):
        if rect.get("class") != "box":
            continue
        x, y, w, h = (float(rect.get(k)) for k in ("x", "y", "width", "height"))
        found.append((x, y, x + w, y + h))
    return found


@pytest.mark.parametrize("graph", [looped(), workflow_graph(load(TEMPLATE))])
def test_svg_has_a_box_for_each_task_and_an_arrow_for_each_edge(graph):
    picture = ET.fromstring(render_svg(graph))
    texts = [text.text for text in picture.iter(f"{SVG}text")]
    assert [t.name for t in graph.tasks] == [t for t in texts if t in names_of(graph)]
    arrows = [p for p in picture.iter(f"{SVG}path") if "arrow" in (p.get("class") or "")]
    assert len(arrows) == len(graph.edges)
    assert len(boxes(picture)) == len(graph.tasks)
    left, top, width, height = map(float, picture.get("viewBox").split())
    for x0, y0, x1, y1 in boxes(picture):
        assert left <= x0 < x1 <= left + width
        assert top <= y0 < y1 <= top + height


def names_of(graph):
    return {task.name for task in graph.tasks}


def test_boxes_do_not_overlap_and_arrows_pass_beside_them():
    rng = np.random.default_rng(3)
    tasks = tuple(GraphTask(f"task_{i}", "s", 1, 1, 1) for i in range(14))
    pairs = {(int(rng.integers(0, i)), i) for i in range(1, 14) for _ in range(2)}
    graph = WorkflowGraph("g", tasks, tuple(GraphEdge(a, b, ("v",), 1) for a, b in pairs))
    picture = ET.fromstring(render_svg(graph))
    for (a, b, c, d), (e, f, g, h) in itertools.combinations(boxes(picture), 2):
        assert c <= e or g <= a or d <= f or h <= b
    for path in picture.iter(f"{SVG}path"):
        if path.get("class") != "arrow":
            continue
        numbers = [float(n) for n in re.findall(r"-?[\d.]+", path.get("d"))]
        points = list(zip(numbers[::2], numbers[1::2], strict=True))
        for start in range(0, len(points) - 1, 3):
            for t in np.linspace(0.01, 0.99, 30):
                x, y = bezier(points[start : start + 4], t)
                assert not any(a < x < c and b < y < d for a, b, c, d in boxes(picture))


def bezier(points, t):
    weights = (1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t * t * (1 - t), t**3
    return np.array(weights) @ np.array(points)


def test_labels_of_arrows_to_one_task_do_not_overlap():
    tasks = tuple(GraphTask(name, "s", 1, 1, 1) for name in ("a", "b", "c", "d"))
    edges = tuple(GraphEdge(i, 3, ("a_long_name_of_an_output",), 1) for i in range(3))
    picture = ET.fromstring(render_svg(WorkflowGraph("g", tasks, edges)))
    places = [
        (float(text.get("x")), float(text.get("y")), len(text.text) * 7)
        for text in picture.iter(f"{SVG}text")
        if text.get("class") == "label"
    ]
    assert len(places) == 3
    for (x, y, width), (x1, y1, _) in itertools.combinations(places, 2):
        assert abs(x - x1) >= width or abs(y - y1) >= 14


def test_the_command_draws_a_template_and_the_workflow_made_of_it(tmp_path):
    template = tmp_path / "study.yaml"
    template.write_text(TEMPLATE)
    printed = hpcflow("graph", template, folder=tmp_path).stdout
    assert printed == render_mermaid(workflow_graph(load(TEMPLATE)))
    hpcflow("make", template, "--path", tmp_path / "made", folder=tmp_path)
    assert hpcflow("graph", tmp_path / "made", folder=tmp_path).stdout == printed
    hpcflow("graph", template, "-o", tmp_path / "study.svg", folder=tmp_path)
    ET.parse(tmp_path / "study.svg")
    document = json.loads(hpcflow("graph", template, "--json", folder=tmp_path).stdout)
    assert document["format"] == 1
    assert [task["name"] for task in document["tasks"]] == ["one", "two", "three"]


def test_a_template_with_problems_is_not_drawn(tmp_path):
    template = tmp_path / "study.yaml"
    template.write_text("tasks: [{schema: none}]\n")
    done = hpcflow("graph", template, folder=tmp_path, exit_code=3)
    assert "study.yaml:1:18: tasks[0].schema: there is no task schema 'none'" in done.stderr
