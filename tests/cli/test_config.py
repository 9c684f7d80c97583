"""Settings, and sites that hold on the very host."""

from __future__ import annotations

import json
import socket

from tests.command_line import hpcflow


def test_settings_are_shown_and_changed_and_comments_stay(tmp_path):
    def config(*words: str, code: int = 0) -> str:
        done = hpcflow("config", *words, folder=tmp_path, exit_code=code)
        return (done.stdout or done.stderr).strip()

    file = tmp_path / ".config/hpcflow/config.yaml"
    assert config("get", "scheduler") == "local"
    assert config("set", "scheduler", "slurm") == str(file)
    file.write_text("# mine\nscheduler: slurm # why\n# end")
    config("set", "local_cores", "3")
    assert file.read_text() == "# mine\nscheduler: slurm # why\n# end\nlocal_cores: 3\n"
    config("set", "scheduler", "sge")
    config("unset", "local_cores")
    assert file.read_text() == "# mine\nscheduler: sge\n# end\n"
    assert config("get", "scheduler") == "sge"
    shown = json.loads(config("list", "--json"))
    assert shown["settings"]["scheduler"] == "sge"
    assert str(file) in shown["files"]
    assert "no setting 'shceduler'" in config("get", "shceduler", code=4)
    assert "there is no scheduler 'slrum'" in config("set", "scheduler", "slrum", code=3)
    assert "expected a number above 0" in config("set", "local_cores", "0", code=3)
    assert file.read_text() == "# mine\nscheduler: sge\n# end\n"


TEMPLATE = """
resources: {any: {scheduler: slurm}}
template_components:
  task_schemas:
    - objective: s
      actions: [{commands: [{command: "true"}]}]
tasks: [{schema: s}]
"""


def test_a_site_holds_on_its_own_hosts(tmp_path):
    (tmp_path / "t.yaml").write_text(TEMPLATE)
    words = ["--hosts", f"{socket.gethostname()[:-1]}*", "--scheduler", "slurm"]
    words += ["--setup", "export SITE=mine", "--partition", "here"]
    hpcflow("site", "add", "mine", *words, folder=tmp_path)
    assert hpcflow("config", "get", "scheduler", folder=tmp_path).stdout == "slurm\n"
    hpcflow("make", "t.yaml", "--path", "wk", folder=tmp_path)
    plan = hpcflow("submit", "wk", "--dry-run", folder=tmp_path).stdout
    assert "#SBATCH --partition=here" in plan
    assert "\nexport SITE=mine\n" in plan
    named = TEMPLATE.replace("slurm}", "slurm, SLURM_partition: other}")
    (tmp_path / "t.yaml").write_text(named)
    hpcflow("make", "t.yaml", "--path", "wk2", folder=tmp_path)
    plan = hpcflow("submit", "wk2", "--dry-run", folder=tmp_path).stdout
    assert "#SBATCH --partition=here" not in plan
    assert "#SBATCH --partition=other" in plan
