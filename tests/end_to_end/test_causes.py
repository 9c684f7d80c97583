"""Items that SLURM ended are named as such, with the log and what to do."""

from __future__ import annotations

import os

import pytest

from tests.end_to_end.living_slurm import Site

# What each item does to itself is what happens to one that asks for too little: TERM to
# the item at its time limit, KILL to the run that takes too much memory (then the item
# goes on), KILL to the item itself when its node is lost.
TEMPLATE = """
name: ends
resources: {any: {scheduler: slurm, elements_per_job: 1}}
template_components:
  task_schemas:
    - objective: end
      inputs: [{parameter: how}]
      outputs: [{parameter: y}]
      actions:
        - commands:
            - command: |
                parent() { sed -n 's/^PPid:[^0-9]*//p' /proc/$1/status; }
                eval <<parameter:how>>; echo 1
              stdout: <<int(parameter:y)>>
tasks:
  - schema: end
    sequences:
      - path: inputs.how
        values:
          - 'kill -TERM $(parent $$); sleep 60'
          - 'kill -KILL $$; sleep 60'
          - 'kill -KILL $(parent $$); sleep 60'
          - 'true'
"""
STATES = {"0": "TIMEOUT", "1": "OUT_OF_MEMORY", "2": "NODE_FAIL"}
NAMED = [
    ("time_limit", "the time limit was reached"),
    ("out_of_memory", "out of memory"),
    ("node_failure", "the node was lost"),
]


@pytest.fixture
def site(cli, monkeypatch):
    made = Site(cli.folder / "slurm")
    monkeypatch.setenv("PATH", f"{made.folder}{os.pathsep}{os.environ['PATH']}")
    return made


def check(cli):
    failures = cli.json("show", "wk")["failures"]
    found = [(failure["cause"], failure["why"].partition(" (")[0]) for failure in failures]
    assert found == NAMED
    shown = cli("show", "wk").stdout
    for item, (_, words) in enumerate(NAMED):
        assert words in shown
        assert f"wk/logs/0/0/{item}." in shown
    for advice in ("a longer `time_limit`", "more `memory`", "nothing is wrong with it"):
        assert advice in shown


def test_a_time_limit_a_memory_kill_and_a_lost_node_are_named_also_when_forgotten(
    cli, site
):
    site.allows(ends=STATES)
    cli("go", cli.template(TEMPLATE), "--path", "wk", "--wait", "--quiet", code=1)
    check(cli)
    (site.folder / "jobs.json").write_text("{}")  # SLURM has forgotten them
    check(cli)
    assert cli.column("wk", "end", "y") == [None, None, None, 1]


def test_what_the_site_would_never_run_is_refused_before_anything_is_submitted(cli, site):
    nodes = "4|idle|n[1-4]|2|2000|(null)"
    sinfo = f"main*|up|infinite|{nodes}\nshort|up|5:00|{nodes}"
    (site.folder / "sinfo").write_text(f"#!/bin/sh\ncat <<'E'\n{sinfo}\nE\n")
    asked = 'elements_per_job: 1, time_limit: "00:10:00", partition: short, memory: 3GB'
    template = TEMPLATE.replace("elements_per_job: 1", asked)
    said = cli("go", cli.template(template), "--path", "wk", code=6).stderr
    assert "nothing was submitted, as the site would never run it:" in said
    assert "job 0: it asks for 00:10:00, and partition 'short' allows 00:05:00" in said
    assert "a node of partition 'short' has 2000 MiB" in said
    assert "sbatch" not in site.lines("calls")
    assert cli.json("show", "wk")["phase"] == "made"


def test_a_memory_kill_alone_is_named_where_no_item_was_told_to_stop(cli, site):
    site.allows(ends={"0": "OUT_OF_MEMORY"})
    head, _ = TEMPLATE.split("          - 'kill -TERM")
    template = f"{head}          - 'kill -KILL $$; sleep 60'\n"
    cli("go", cli.template(template), "--path", "wk", "--wait", "--quiet", code=1)
    (site.folder / "jobs.json").write_text("{}")
    (failure,) = cli.json("show", "wk")["failures"]
    assert (failure["state"], failure["cause"]) == ("failed", "out_of_memory")
