"""Workflows run as a user runs them: commands in processes of their own."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.command_line import columns, hpcflow

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


class Cli:
    """`hpcflow` in a folder of its own; what still runs there at the end is cancelled."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, *arguments: object, code: int | None = 0) -> Any:
        return hpcflow(*arguments, folder=self.folder, exit_code=code)

    def json(self, *arguments: object, code: int | None = 0) -> Any:
        return json.loads(self(*arguments, "--json", code=code).stdout)

    def template(self, text: str, name: str = "template.yaml") -> Path:
        path = self.folder / name
        path.write_text(text)
        return path

    def column(self, workflow: str, task: str, name: str) -> list[Any]:
        return columns(self.folder / workflow, task)[name]

    def states(self, workflow: str) -> dict[str, dict[str, int]]:
        tasks = self.json("show", workflow)["tasks"]
        return {task["name"]: task["states"] for task in tasks}


@pytest.fixture
def cli(tmp_path: Path) -> Iterator[Cli]:
    cli = Cli(tmp_path)
    yield cli
    for marker in tmp_path.glob("*/store.json"):
        if (marker.parent / "submissions").exists():
            cli("cancel", marker.parent, code=None)


@pytest.fixture
def until() -> Callable[..., Any]:
    """Wait until a condition gives something true; give it."""

    def wait(condition: Callable[[], Any], seconds: float = 120.0) -> Any:
        deadline = time.monotonic() + seconds
        while True:
            value = condition()
            if value:
                return value
            if time.monotonic() > deadline:
                raise AssertionError(f"not within {seconds} s: {condition}")
            time.sleep(0.05)

    return wait
