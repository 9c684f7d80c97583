"""A workflow's graph as text that other programs draw: Mermaid, and DOT of Graphviz."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from hpcflow.report.graph import GraphEdge, GraphLoop, GraphTask, WorkflowGraph


def task_lines(task: GraphTask) -> list[str]:
    """What a task's box says: its name; its elements; its iterations and runs."""
    lines = [task.name, _counted(task.elements, "element")]
    runs = _counted(task.runs, "run")
    if task.iterations > 1:
        lines.append(f"up to {task.iterations:,} iterations, {runs}")
    elif task.runs != task.elements:
        lines.append(runs)
    return lines


def edge_text(edge: GraphEdge) -> str:
    """What is written on an arrow: the values, and whether they come as lists."""
    return ", ".join(edge.values) + (" (as lists)" if edge.grouped else "")


def loop_text(loop: GraphLoop) -> str:
    """What is written on a loop's frame."""
    return f"{loop.name}: {_counted(loop.iterations, 'iteration')}"


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def render_mermaid(graph: WorkflowGraph) -> str:
    """A Mermaid flowchart; loops are frames, what goes to the next iteration is dotted.

    Source: mermaid.js.org/syntax/flowchart.html, version 11.
    """
    lines = ["flowchart TD"]
    lines += _framed(
        graph,
        lambda index, task: f't{index}["{"<br>".join(map(_escaped, task_lines(task)))}"]',
        lambda index, loop: f'subgraph l{index}["{_escaped(loop_text(loop))}"]',
        "end",
    )
    for edge in graph.edges:
        text = _escaped(edge_text(edge))
        arrow = f'-. "{text}" .->' if edge.back else f'-- "{text}" -->'
        lines.append(f"  t{edge.source} {arrow} t{edge.target}")
    return "\n".join(lines) + "\n"


def _escaped(text: str) -> str:
    """Text inside the quotes of Mermaid, which knows entity codes and no backslashes."""
    special = {'"': "#quot;", "#": "#35;", "<": "#lt;", ">": "#gt;", "&": "#amp;"}
    return "".join(special.get(letter, letter) for letter in text)


def render_dot(graph: WorkflowGraph) -> str:
    """A DOT digraph for Graphviz; loops are clusters.

    Source: graphviz.org/doc/info/lang.html.
    """
    lines = [f"digraph {_quoted(graph.name)} {{", "  node [shape=box style=rounded]"]
    lines += _framed(
        graph,
        lambda index, task: f"t{index} [label={_quoted(chr(10).join(task_lines(task)))}]",
        lambda index, loop: (
            f"subgraph cluster_{index} {{ label={_quoted(loop_text(loop))}; style=dashed"
        ),
        "}",
    )
    for edge in graph.edges:
        style = " style=dashed constraint=false" if edge.back else ""
        label = f"label={_quoted(edge_text(edge))}"
        lines.append(f"  t{edge.source} -> t{edge.target} [{label}{style}]")
    return "\n".join([*lines, "}"]) + "\n"


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def _framed(
    graph: WorkflowGraph,
    draw_task: Callable[[int, GraphTask], str],
    open_frame: Callable[[int, GraphLoop], str],
    close_frame: str,
) -> Iterator[str]:
    """The tasks in order, inside the frames of their loops (which nest)."""
    # Among loops over the same tasks, the graph's order is from the outside in.
    opens = sorted(
        range(len(graph.loops)),
        key=lambda i: (graph.loops[i].first, -graph.loops[i].last, i),
    )
    depth = 1
    for index, task in enumerate(graph.tasks):
        for number in opens:
            if graph.loops[number].first == index:
                yield "  " * depth + open_frame(number, graph.loops[number])
                depth += 1
        yield "  " * depth + draw_task(index, task)
        for number in opens:
            if graph.loops[number].last == index:
                depth -= 1
                yield "  " * depth + close_frame
