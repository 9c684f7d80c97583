"""Workflows whose jobs run on another host: the loopback SSH site, as another user.

What is here is for its owner alone, so that nothing of it is used there by accident.
"""

from __future__ import annotations

import json
import subprocess
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.jobstores.store_doubles import EFFORT
from tests.services import SSH_CONFIG
from tests.ssh_site import (
    HOST,
    KNOWN_HOSTS,
    config_through,
    folder_there,
    open_way,
    private,
    ssh,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.ssh

# Runs leave a line each in a file of the other host, by which they are counted.
TEMPLATE = """
name: far
template_components:
  command_files: [{{label: table, name: table.txt}}, {{label: log, name: log.txt}}]
  task_schemas:
    - objective: pick
      inputs: [{{parameter: x}}]
      outputs: [{{parameter: y}}, {{parameter: big}}]
      actions:
        - input_files: [table]
          output_files: [log]
          save_files: [log]
          commands:
            - command: |
                echo pick-<<parameter:x>> >>{there}/runs; echo kept >log.txt
                echo "in $PWD" >&2
                sed -n "<<parameter:x>>p" <<file:table>>
              stdout: <<int(parameter:y)>>
            - command: head -c 20000 /dev/zero | tr '\\0' b
              stdout: <<str(parameter:big)>>
    - objective: add
      inputs: [{{parameter: y, group: all}}]
      outputs: [{{parameter: sum}}]
      actions:
        - script: add.py
          script_data_in: direct
          script_data_out: direct
          script_exe: python_script
          environments: [{{scope: {{type: any}}, environment: python_env}}]
    - objective: fail
      inputs: [{{parameter: sum}}]
      actions:
        - commands:
            - command: |
                echo fail-<<parameter:sum>> >>{there}/runs
                echo gone wrong; exit 3
tasks:
  - schema: pick
    sequences: [{{path: inputs.x, values: [1, 2, 3]}}]
    input_files: {{table: {{path: table.txt, store_contents: false}}}}
    groups: [{{name: all}}]
  - schema: add
  - schema: fail
"""
ADD = "def add(y):\n    return {'sum': sum(y)}\n"
NAP = """
name: nap
template_components:
  task_schemas:
    - objective: nap
      inputs: [{{parameter: x}}]
      actions:
        - commands: [{{command: "echo nap-<<parameter:x>> >>{there}/runs; sleep 1000"}}]
tasks:
  - schema: nap
    sequences: [{{path: inputs.x, values: [1, 2, 3]}}]
"""
QUICK = NAP.replace("; sleep 1000", "").replace(
    "tasks:", "resources: {{any: {{elements_per_job: 2, concurrency: 1}}}}\ntasks:"
)


@pytest.fixture
def there() -> Iterator[str]:
    with folder_there() as path:
        yield path


@pytest.fixture
def laptop(cli, there):
    """`hpcflow` with a site; `laptop.site(...)` says of it what differs."""
    private(cli.folder)

    def site(**keys: Any) -> None:
        path = cli.folder / ".config/hpcflow/sites.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        document = {"host": HOST, "work": there, "ssh_config": SSH_CONFIG, **keys}
        path.write_text(yaml.safe_dump({"there": document}))

    cli.site = site
    site()
    return cli


def runs(there: str) -> Counter[str]:
    """How often each run ran."""
    return Counter(ssh(f"cat {there}/runs 2>/dev/null || true").split())


def test_a_workflow_runs_on_another_host_and_is_seen_from_here(laptop, there, tmp_path):
    laptop.template("10\n20\n30\n", "table.txt")
    laptop.template(ADD, "add.py")
    template = laptop.template(TEMPLATE.format(there=there))
    laptop.site(setup=["export FROM_SITE=yes"])
    went = laptop("--on", "there", "go", template, "--path", "wk", "--wait", code=1)
    (laptop.folder / "table.txt").unlink()
    shown = laptop.json("show", "wk")
    assert {t["name"]: t["states"] for t in shown["tasks"]} == {
        "pick": {"succeeded": 3},
        "add": {"succeeded": 1},
        "fail": {"failed": 1},
    }
    assert shown["path"].startswith(f"{there}/template-")
    (failure,) = shown["failures"]
    assert failure["log"]["path"].startswith(shown["path"])
    assert "gone wrong" in went.stdout
    assert f"{failure['log']['path']}" in went.stdout
    assert laptop.column("wk", "pick", "y") == [10, 20, 30]
    assert laptop.column("wk", "pick", "big") == ["b" * 20000] * 3
    assert laptop.column("wk", "add", "sum") == [60]
    assert f"in {shown['path']}/execute" in laptop("logs", "wk", "pick", 1).stdout
    assert runs(there) == {"pick-1": 1, "pick-2": 1, "pick-3": 1, "fail-60": 1}
    script = ssh(f"cat {shown['path']}/submissions/0/jobs/0/job.sh")
    assert "\nexport FROM_SITE=yes\n" in script
    assert str(tmp_path) not in script
    # all of it can be taken along
    laptop("zip", "wk")
    ssh(f"rm -rf {shown['path']}")
    assert laptop.column("wk.zip", "pick", "big") == ["b" * 20000] * 3
    assert "gone wrong" in laptop("logs", "wk.zip", "fail").stdout
    kept = laptop.json("store", "info", "wk.zip")
    assert json.dumps(kept)


def test_tasks_are_added_behind_jobs_that_run_there(laptop, there, until):
    laptop(
        "--on", "there", "go", laptop.template(QUICK.format(there=there)), "--path", "wk"
    )
    more = QUICK.replace("objective: nap", "objective: more").replace("nap-", "more-")
    more = more.replace("schema: nap", "schema: more").replace(
        "resources: {{any: {{elements_per_job: 2, concurrency: 1}}}}\n", ""
    )
    laptop("add", "wk", laptop.template(more.format(there=there), "more.yaml"))
    laptop("submit", "wk", "--wait")
    expected = {f"{word}-{k}": 1 for word in ("nap", "more") for k in (1, 2, 3)}
    assert runs(there) == expected


def test_jobs_there_are_cancelled_from_here(laptop, there, until):
    laptop("--on", "there", "go", laptop.template(NAP.format(there=there)), "--path", "wk")
    until(lambda: sum(runs(there).values()) >= 1)
    laptop("--on", "there", "cancel", "wk")
    laptop("wait", "wk", code=1)
    (states,) = laptop.states("wk").values()
    assert set(states) == {"cancelled"}
    (folder,) = ssh(f"ls -d {there}/template-*").split()
    laptop("store", "delete", "wk", "--yes")
    assert ssh(f"ls -d {folder} || true") == ""
    assert not (laptop.folder / "wk").exists()
    laptop("--on", "there", "make", "template.yaml", "--path", "wk")
    elsewhere = laptop("--on", "elsewhere", "show", "wk", code=7)
    assert "has its jobs on there, not on elsewhere" in elsewhere.stderr
    refused = laptop("--on", "there", "check", "template.yaml", code=2)
    assert "--on does not go with check" in refused.stderr


def test_a_go_that_is_cut_anywhere_is_taken_up_and_nothing_is_submitted_twice(
    laptop, there, tmp_path
):
    """Cut after so many bytes: before, in and behind each step; then done again."""
    template = laptop.template(QUICK.format(there=there))
    expected = {f"nap-{k}": 1 for k in (1, 2, 3)}
    with open_way() as way:
        laptop.site(ssh_config=str(config_through(tmp_path, way.port)))
        laptop("site", "check", "there")  # what is sent once is there then
        way.passed = 0
        laptop("--on", "there", "go", template, "--path", "first")
        going = way.passed
        laptop("wait", "first")
        assert runs(there) == expected
        cut, times = 0, 2 + 2 * min(EFFORT, 3)
        for number in range(times):
            ssh(f"rm -f {there}/runs")
            way.passed = 0
            # each time later; what is done over one connection is mostly in the second half
            way.cut_after = going * (number + 2) // (times + 2)
            done = laptop(
                "--on", "there", "go", template, "--path", f"wk{number}", code=None
            )
            cut += done.returncode != 0
            way.mend()
            if done.returncode:
                assert done.returncode == 6, done.stderr
                assert "Traceback" not in done.stderr
            if not (laptop.folder / f"wk{number}").exists():
                laptop("--on", "there", "go", template, "--path", f"wk{number}")
            elif done.returncode:
                laptop("submit", f"wk{number}")
            laptop("wait", f"wk{number}")
            assert runs(there) == expected, (number, way.cut_after)
        assert cut


def test_a_host_with_a_changed_key_gets_nothing(laptop, there, tmp_path):
    template = laptop.template(QUICK.format(there=there))
    laptop("--on", "there", "go", template, "--path", "wk", "--wait")
    make = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / "k")]
    subprocess.run(make, check=True)
    known = tmp_path / "known_hosts"
    name, kind, _ = Path(KNOWN_HOSTS).read_text().split()
    known.write_text(f"{name} {kind} {(tmp_path / 'k.pub').read_text().split()[1]}\n")
    config = tmp_path / "config"
    config.write_text(Path(SSH_CONFIG).read_text().replace(KNOWN_HOSTS, str(known)))
    laptop.site(ssh_config=str(config))
    refused = laptop("--on", "there", "go", template, "--path", "other", code=6)
    assert "CHANGED" in refused.stderr
    assert "ssh-keygen -R" in refused.stderr
    assert not (laptop.folder / "other").exists()
    checked = laptop("site", "check", "there", code=6)
    assert "FAILED  connection" in checked.stdout


def test_a_site_is_added_checked_and_listed(laptop, there):
    words = ("--work", f"{there}/a/b", "--ssh-config", SSH_CONFIG, "--module", "gcc/12")
    laptop("site", "add", "mine", "--host", HOST, "--hosts", "127.0.*", *words)
    taken = laptop("site", "add", "mine", code=5)
    assert "--replace" in taken.stderr
    laptop("site", "add", "old", "--host", HOST, *words, "--python", "/usr/bin/python2")
    (_, mine, _) = laptop.json("site", "list")["sites"]
    assert mine["name"] == "mine"
    assert mine["setup"] == ["module load gcc/12"]
    steps = laptop.json("site", "check", "mine")["steps"]
    assert [step["name"] for step in steps] == [
        "connection", "python", "work folder", "programs", "scheduler", "submission",
    ]  # fmt: skip
    assert all(step["ok"] for step in steps)
    found = laptop("site", "check", "old", code=6)
    assert "no '/usr/bin/python2' on the PATH" in found.stdout
    laptop("site", "add", "full", "--host", HOST, *words, "--work", "/proc/x")
    assert "the work folder can't be used" in laptop("site", "check", "full", code=6).stdout
    laptop.template("mine:\n  hots: x\n  scheduler: slrum\n", ".config/hpcflow/sites.yaml")
    bad = laptop("site", "list", code=3).stderr
    assert "sites.yaml:2:3: mine.hots: there is no such key" in bad
    assert "did you mean 'hosts'?" in bad
    assert "sites.yaml:3:14: mine.scheduler: there is no scheduler 'slrum'" in bad
    assert "did you mean 'slurm'?" in bad


@pytest.mark.slurm
def test_jobs_go_to_the_cluster_of_a_login_node(laptop, there):
    laptop.site(scheduler="slurm")
    checked = laptop("site", "check", "there")
    assert "sbatch would take a job" in checked.stdout
    template = laptop.template(QUICK.format(there=there))
    laptop("--on", "there", "go", template, "--path", "wk", "--wait")
    assert runs(there) == {f"nap-{k}": 1 for k in (1, 2, 3)}
    assert {job["scheduler"] for job in laptop.json("show", "wk")["jobs"]} == {"slurm"}
