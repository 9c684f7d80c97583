"""What the documentation shows is what happens."""

from __future__ import annotations

import re
import shlex
import shutil

import pytest

from tests.command_line import ROOT, environment
from tests.project.pages import Command, File, read_page, run_page

NEEDS = re.compile(r"<!-- needs: (\w+) -->")  # the mark of a service


def pages() -> list[object]:
    """Every page with commands, marked with the services that it needs."""
    found = [ROOT / "README.md", *ROOT.glob("docs/**/*.md"), *ROOT.glob("examples/*/*.md")]
    return [
        pytest.param(
            page,
            id=str(page.relative_to(ROOT)),
            marks=[getattr(pytest.mark, name) for name in NEEDS.findall(page.read_text())],
        )
        for page in sorted(found)
        if any(isinstance(step, Command) for step in read_page(page.read_text()))
    ]


@pytest.mark.parametrize("page", pages())
def test_a_page_shows_what_its_commands_print(page, shared_path):
    shutil.copytree(ROOT / "examples", shared_path / "examples")
    assert run_page(page, shared_path, environment(shared_path)) > 0


def bash_blocks() -> list[str]:
    return re.findall(
        r"^```bash\n(.*?)^```$", (ROOT / "README.md").read_text(), re.MULTILINE | re.DOTALL
    )


def test_the_readme_starts_with_two_commands_of_one_line_each():
    main_job, tests = bash_blocks()
    assert main_job.count("\n") == tests.count("\n") == 1
    assert "python3 -m venv .venv && .venv/bin/pip install" in main_job
    assert "python3 -m venv .venv && .venv/bin/pip install" in tests
    assert tests.rstrip().split("&&")[-1].split()[:3] == [
        ".venv/bin/python",
        "-m",
        "pytest",
    ]


def test_the_readme_runs_the_main_job_that_it_then_shows():
    program, *arguments = shlex.split(bash_blocks()[0].split("&&")[-1])
    assert program == ".venv/bin/hpcflow"
    shown = [
        step.text
        for step in read_page((ROOT / "README.md").read_text())
        if isinstance(step, Command)
    ]
    assert shlex.join(["hpcflow", *arguments]) in [
        c.removeprefix(".venv/bin/") for c in shown
    ]


def test_links_between_pages_lead_somewhere():
    broken = []
    for page in [ROOT / "README.md", ROOT / "CHANGELOG.md", *ROOT.glob("**/*.md")]:
        if any(part.startswith(".") for part in page.relative_to(ROOT).parts):
            continue
        for target in re.findall(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)", page.read_text()):
            if not (page.parent / target).exists():
                broken.append(f"{page.relative_to(ROOT)}: {target}")
    assert not broken


class TestPages:
    def test_files_and_commands_are_read_in_order(self):
        text = (
            "```{code-block} yaml\n:caption: a.yaml\n\nname: a\n```\n"
            "```console\n$ cat a.yaml\nname: a\n$ false\n# exit 1\n$ echo \\\n> b\nb\n```\n"
        )
        assert read_page(text) == [
            File("a.yaml", "name: a\n"),
            Command(7, "cat a.yaml", "name: a", 0),
            Command(9, "false", "", 1),
            Command(11, "echo b", "b", 0),
        ]

    def test_other_output_than_the_page_has_fails(self, tmp_path):
        page = tmp_path / "page.md"
        page.write_text("```console\n$ echo one two\none ...\n$ echo one\ntwo\n```\n")
        with pytest.raises(AssertionError, match=r"page\.md:4: \$ echo one\n"):
            run_page(page, tmp_path, {})

    def test_another_exit_code_fails(self, tmp_path):
        page = tmp_path / "page.md"
        page.write_text("```console\n$ exit 3\n```\n")
        with pytest.raises(AssertionError, match="exits 3"):
            run_page(page, tmp_path, {})
