"""Reading a job's directory."""

from __future__ import annotations

import json

import pytest

from hpcflow.node import manifest
from hpcflow.node.manifest import BrokenJobError
from tests.node.job_directory import Job, step


def test_items_share_all_rows_in_order(tmp_path):
    rows = [[n, "x" * (n % 7)] for n in range(23)]
    job = manifest.load(str(Job(tmp_path, rows, [step(":")], items=5).directory))
    found = [row for item in range(5) for row in manifest.rows(job, *job.slice_of(item))]
    assert found == rows


def test_rows_are_read_in_blocks_whatever_their_size(tmp_path, monkeypatch):
    monkeypatch.setattr(manifest, "_BLOCK_BYTES", 100)
    rows = [[n, "é" * size] for n, size in enumerate((0, 500, 1, 30, 30, 30, 0))]
    job = manifest.load(str(Job(tmp_path, rows, [step(":")]).directory))
    assert list(manifest.rows(job, 0, 7)) == rows
    assert list(manifest.rows(job, 2, 5)) == rows[2:5]
    assert list(manifest.rows(job, 3, 3)) == []


def test_the_workflow_is_found_from_the_jobs_directory(tmp_path):
    job = manifest.load(str(Job(tmp_path, [], [step(":")], submission=2, job=7).directory))
    assert (job.root, job.submission, job.job) == (str(tmp_path), 2, 7)


def test_another_format_is_refused(tmp_path):
    directory = Job(tmp_path, [], [step(":")]).directory
    document = json.loads((directory / "job.json").read_text())
    (directory / "job.json").write_text(json.dumps({**document, "format": 2}))
    with pytest.raises(BrokenJobError, match="expected format 1, found 2"):
        manifest.load(str(directory))


@pytest.mark.parametrize("text", ["", "[]", '{"format": 1}', "{"])
def test_a_damaged_document_is_refused(tmp_path, text):
    directory = Job(tmp_path, [], [step(":")]).directory
    (directory / "job.json").write_text(text)
    with pytest.raises(BrokenJobError, match=r"job\.json"):
        manifest.load(str(directory))


@pytest.mark.parametrize("keep", [0, 4, 20, 40])
def test_a_rows_file_cut_short_is_refused(tmp_path, keep):
    directory = Job(tmp_path, [[0], [1], [2]], [step(":")]).directory
    data = (directory / "rows.bin").read_bytes()
    (directory / "rows.bin").write_bytes(data[:keep])
    job = manifest.load(str(directory))
    with pytest.raises(BrokenJobError, match=r"rows\.bin is damaged"):
        list(manifest.rows(job, 0, 3))
