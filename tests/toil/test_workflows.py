"""Toil runs workflows on our stores, starts them again, and its commands know them."""

from __future__ import annotations

import os
import time
import uuid

import pytest

from jobstores.job_face import JobStore
from jobstores.open import open_port
from jobstores.toil_plugin.locators import parse
from tests.jobstores.store_doubles import EFFORT
from tests.toil.toil_commands import CWL, FIFTY, HERE, OURS, TOIL, kill, run, started

pytestmark = pytest.mark.toil

CHAINS = LINKS = 7
FEW = CHAINS if EFFORT >= 20 else 3  # chains, where fifty jobs show no more
OPTIONS = ["--logInfo", "--maxCores=2", "--clean=never", "--retryCount=2", "--stats"]


SERVICES = [pytest.param(name, marks=pytest.mark.s3) for name in ("s3", "hpcflow-aws")]


@pytest.fixture(params=["zarr", "hpcflow-file", *SERVICES])
def locator(request, tmp_path):
    if request.param == "hpcflow-aws":
        request.getfixturevalue("simpledb_environment")
        return f"hpcflow-aws:us-east-1:t{uuid.uuid4().hex[:9]}"
    if request.param != "s3":
        return f"{request.param}:{tmp_path}/jobs"
    from tests.jobstores import s3_scenes

    port = s3_scenes.port()
    request.addfinalizer(lambda: port.delete_tree(""))
    return port.locator


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "work"
    made.mkdir()
    return made


def _check_results(folder, chains=CHAINS):
    for chain in range(1, chains + 1):
        result = (folder / f"result.{chain - 1}").read_text()
        assert int(result) == LINKS * chain * 100 + sum(range(1, LINKS + 1))


def _ran(folder):
    """Which jobs ran, and how often."""
    names = [path.name.split(".") for path in folder.glob("ran.*")]
    return sorted((int(chain), int(link)) for _, chain, link, _ in names)


def _all(chains=CHAINS):
    """Which jobs there are."""
    return [(chain, link) for chain in range(1, chains + 1) for link in range(1, LINKS + 1)]


def test_a_workflow_of_fifty_jobs_runs_and_its_store_is_seen_and_cleaned(locator, folder):
    run(*FIFTY, locator, folder, *OPTIONS, folder=folder)
    _check_results(folder)
    assert _ran(folder) == _all()
    store = JobStore(open_port(parse(locator).ours))
    assert not list(store.jobs())
    assert '"total_run_time"' in run(*TOIL, "stats", "--raw", locator, folder=folder)
    status = run(*OURS, "status", locator, folder=folder, exit_code=None)
    assert "the root job is no longer present" in status.lower() or "finished" in status
    run(*OURS, "clean", locator, folder=folder)
    assert list(store.port.walk("")) == []


def test_a_leader_killed_in_the_middle_is_started_again_and_completes(locator, folder):
    os.mkfifo(folder / "gate")
    workflow = [*FIFTY, locator, folder, "--chains", FEW, *OPTIONS]
    leader = started(*workflow, folder=folder)
    deadline = time.monotonic() + 120
    while not list(folder.glob("waits.*")):
        assert leader.poll() is None, leader.communicate()[0][-5000:]
        assert time.monotonic() < deadline, "no job came to the gate"
        time.sleep(0.1)
    kill(leader)
    assert 0 < len(_ran(folder)) < len(_all(FEW))
    (folder / "gate").unlink()
    assert run(*TOIL, "kill", locator, folder=folder, exit_code=None) is not None

    run(*workflow, "--restart", folder=folder)
    _check_results(folder, FEW)
    assert set(_ran(folder)) == set(_all(FEW))
    run(*OURS, "clean", locator, folder=folder)
    assert list(open_port(parse(locator).ours).walk("")) == []


def test_a_cwl_tool_runs(locator, folder):
    words = folder / "words.txt"
    words.write_text("quiet words\n")
    run(
        *CWL, "--jobStore", locator, "--outdir", folder / "out", "--no-container",
        HERE / "shout.cwl", "--words", words, folder=folder,
    )  # fmt: skip
    assert (folder / "out/shouted.txt").read_text() == "QUIET WORDS\n"


def test_a_locator_with_a_space_is_refused_with_the_reason(folder):
    output = run(*FIFTY, f"zarr:{folder}/a b", folder, folder=folder, exit_code=1)
    assert "must hold no space, since Toil passes it to its workers" in output
    assert not (folder / "a b").exists()


def test_a_relative_locator_means_the_same_to_workers_elsewhere(folder):
    options = ["--chains", 1, "--clean=always"]
    run(*FIFTY, "zarr:jobs", folder, *options, folder=folder)
    _check_results(folder, 1)
    assert not (folder / "jobs").exists()
