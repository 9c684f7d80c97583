"""The example of docs/reference/workflow-face.md does what it says."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from jobstores.workflow_face.layout import DOCUMENTS, TABLES

if TYPE_CHECKING:
    import pytest

PAGE = Path(__file__).parents[3] / "docs/reference/workflow-face.md"


def test_the_example_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (example,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    monkeypatch.chdir(tmp_path)
    exec(compile(example, str(PAGE), "exec"), {})
    assert capsys.readouterr().out == "[True, False]\n[1 2]\n"


def test_the_page_lists_every_table_and_column_and_every_document() -> None:
    text = PAGE.read_text()
    for table, columns in TABLES.items():
        (row,) = re.findall(rf"^\| `face/{table}` \| (.*) \|$", text, re.MULTILINE)
        assert re.findall(r"`(\w+)`", row) == list(columns)
    assert set(re.findall(r"`face/(\w+)`", text)) == {*TABLES, *DOCUMENTS}
