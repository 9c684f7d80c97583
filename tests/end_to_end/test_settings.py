"""What a template says of its whole workflow holds wherever it is run."""

from __future__ import annotations

import json

import pytest

from hpcflow.app.workflow import Workflow
from hpcflow.errors import StorageError

TEMPLATE = """
tasks: [{schema: count, sequences: [{path: inputs.x, values: [1, 2, 3]}]}]
template_components:
  task_schemas:
    - objective: count
      inputs: [{parameter: x}]
      outputs: [{parameter: y}]
      actions:
        - commands: [{command: echo <<parameter:x>>, stdout: <<int(parameter:y)>>}]
"""


def make(folder, settings):
    path = folder / "template.yaml"
    path.write_text(settings + TEMPLATE)
    return Workflow.make(path, path=folder / "made")


def jobs(workflow):
    """The text of the jobscripts and what `job.json` says."""
    (files,) = workflow.plan().values()
    return files["job.sh"].decode(), json.loads(files["job.json"])


@pytest.mark.key("config", "config.scheduler")
def test_the_template_s_scheduler_counts_before_the_user_s(tmp_path):
    script, _ = jobs(make(tmp_path, "config: {scheduler: slurm}"))
    assert "#SBATCH" in script


@pytest.mark.key("config.local_cores")
def test_the_template_s_cores_are_those_of_the_local_scheduler(tmp_path):
    _, two = jobs(make(tmp_path, "config: {local_cores: 2}"))
    (tmp_path / "made").rename(tmp_path / "two")
    _, one = jobs(make(tmp_path, "config: {local_cores: 1}"))
    assert (two["items"], one["items"]) == (2, 1)


def columns(workflow):
    """The codecs of all columns of a workflow's store."""
    heads = [json.loads(path.read_text()) for path in workflow.path.rglob("zarr.json")]
    return {
        json.dumps(codec["configuration"], sort_keys=True) + codec["name"]
        for head in heads
        if head["node_type"] == "array"
        for codec in head["codecs"]
        if codec["name"] in ("zstd", "gzip", "blosc")
    }


@pytest.mark.key(
    "store_kwargs",
    "store_kwargs.compressor",
    "store_kwargs.compressor_kwargs",
    "store_kwargs.compressor_kwargs.level",
    "store_kwargs.compressor_kwargs.cname",
    "store_kwargs.compressor_kwargs.clevel",
    "store_kwargs.compressor_kwargs.shuffle",
    "store_kwargs.compressor_kwargs.blocksize",
)
@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("{compressor: zstd, compressor_kwargs: {level: 7}}", ['"level": 7', "zstd"]),
        ("{compressor: gzip, compressor_kwargs: {level: 2}}", ['"level": 2', "gzip"]),
        (
            (
                "{compressor: blosc, "
                "compressor_kwargs: {cname: lz4, clevel: 3, shuffle: 2, blocksize: 512}}"
            ),
            ['"blocksize": 512', '"clevel": 3', '"lz4"', '"bitshuffle"', "blosc"],
        ),
    ],
)
def test_columns_are_compressed_as_the_template_says(tmp_path, given, expected):
    workflow = make(tmp_path, f"store_kwargs: {given}")
    workflow.submit(scheduler="local")
    workflow.wait(timeout_s=120)
    found = columns(workflow)
    assert found
    for text in found:
        assert [piece for piece in expected if piece not in text] == []
    assert workflow.results("count").columns["y"].tolist() == [1, 2, 3]


@pytest.mark.key("store_kwargs.compressor")
def test_columns_may_be_left_uncompressed(tmp_path):
    workflow = make(tmp_path, "store_kwargs: {compressor: null}")
    assert columns(workflow) == set()
    assert workflow.results("count").columns["x"].tolist() == [1, 2, 3]


COMMAND = """#!/bin/sh
case "$(basename "$0") $*" in
  *ping*) echo 'Slurmctld(primary) at here is UP' ;;
  *config*) echo 'MaxArraySize = 1001' ;;
  mysbatch*) echo 17 ;;
esac
echo "$(basename "$0")" "$@" >> LOG
"""


@pytest.mark.key(
    "resources.any.scheduler_args.submit_cmd",
    "resources.any.scheduler_args.show_cmd",
    "resources.any.scheduler_args.del_cmd",
)
def test_other_commands_may_stand_in_place_of_the_scheduler_s(tmp_path, monkeypatch):
    log = tmp_path / "log"
    for name in ("scontrol", "sacct", "mysbatch", "mysqueue", "myscancel"):
        path = tmp_path / "bin" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(COMMAND.replace("LOG", str(log)))
        path.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:/usr/bin:/bin")
    workflow = make(
        tmp_path,
        "resources: {any: {scheduler: slurm, scheduler_args: {submit_cmd: mysbatch "
        "--clusters=a, show_cmd: mysqueue --local, del_cmd: myscancel}}}",
    )
    workflow.submit()
    workflow.status()
    workflow.cancel()
    called = log.read_text().splitlines()
    assert [line.split()[:3] for line in called if line.startswith("mysb")] == [
        ["mysbatch", "--clusters=a", "--parsable"]
    ]
    assert [line for line in called if line.startswith("mysqueue --local --me")]
    assert "myscancel 17" in called


def test_a_store_of_text_has_no_compressor(tmp_path):
    path = tmp_path / "template.yaml"
    path.write_text("store_kwargs: {compressor: gzip}" + TEMPLATE)
    with pytest.raises(StorageError, match="leave `store_kwargs` out"):
        Workflow.make(path, path=tmp_path / "made", store="file")
    assert not (tmp_path / "made").exists()


@pytest.mark.key("resources.any.write_app_logs")
@pytest.mark.parametrize("wanted", [True, False])
def test_a_log_of_what_hpcflow_does_is_written_where_it_is_wanted(tmp_path, wanted):
    asked = f"resources: {{any: {{write_app_logs: {str(wanted).lower()}}}}}"
    workflow = make(tmp_path, asked)
    workflow.submit(scheduler="local")
    workflow.wait(timeout_s=120)
    logs = [path.read_text() for path in workflow.path.glob("logs/0/0/*.app.log")]
    lines = sorted(line.split(" ", 1)[1] for log in logs for line in log.splitlines())
    ends = [line for line in lines if line.startswith("end ")]
    assert [line.split()[1] for line in ends] == ["run=0", "run=1", "run=2"][: 3 * wanted]
    assert all("ok=True exit=0" in line for line in ends)
    assert ("close why='done'" in lines) is wanted
