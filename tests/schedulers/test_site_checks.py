"""What a site could never run is known before anything is submitted."""

from __future__ import annotations

import pytest

from schedulers.job import JobResources, Limits
from schedulers.site_checks import listed_problems, max_walltime_s, site_problems
from schedulers.slurm import sites
from tests.schedulers.recordings import recorded

MIB = 1024 * 1024
SINFO = recorded("slurm", "00-version", "sinfo -h -o").stdout
ASSOCIATIONS = recorded("slurm", "site-limits", "sacctmgr -nP show assoc").stdout
SITE = Limits(
    partitions=sites.parse_partitions(SINFO), accounts=sites.parse_accounts(ASSOCIATIONS)
)
NO_ACCOUNTS = Limits(partitions=SITE.partitions)


def test_partitions_as_sinfo_tells_them():
    main, short = SITE.partitions
    assert (main.name, main.is_default, main.max_walltime_s) == ("main", True, None)
    assert (short.name, short.is_default, short.max_walltime_s) == ("short", False, 300)
    assert (short.num_nodes, short.cores_per_node) == (4, 2)
    assert short.memory_per_node_bytes == 2000 * MIB


def test_nodes_that_differ_and_kinds_of_nodes_leave_open_what_is_not_known():
    text = "a|up|1-00:00:00|2|idle|n[1-2]|16|1000|x\na|up|1-00:00:00|1|mix|n3|64|9000+|x\n"
    (one,) = sites.parse_partitions(text)
    assert (one.num_nodes, one.cores_per_node, one.max_walltime_s) == (3, 64, 86400)
    assert one.memory_per_node_bytes is None
    assert sites.parse_partitions("hello\n") == ()


def test_the_users_own_default_partition_is_the_default():
    assert max_walltime_s(NO_ACCOUNTS, None) is None
    own = Limits(partitions=sites.parse_partitions(SINFO, "short"))
    assert max_walltime_s(own, None) == 300


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({}, ""),
        ({"walltime_s": 300, "partition": "short"}, ""),
        ({"walltime_s": 301, "partition": "short"}, "00:05:01, and partition 'short'"),
        ({"walltime_s": 10**7}, ""),  # the default partition has no limit
        ({"walltime_s": 301, "partition": "short,main"}, ""),  # it may run in main
        ({"partition": "shrt"}, "no partition 'shrt' for you here (did you mean 'short'?)"),
        (
            {"num_cores": 64},
            "asks for 64 cores on one node, and a node of partition 'main'",
        ),
        ({"num_cores": 2, "num_tasks": 2}, ""),
        ({"num_cores": 9, "num_tasks": 9}, "asks for 9 cores, and partition 'main' has 8"),
        ({"num_nodes": 9, "num_cores": 9}, "asks for 9 nodes, and partition 'main' has 4"),
        ({"memory_bytes": 100 * 1024**3}, "asks for 100 GiB on a node"),
        ({"memory_bytes": 2000 * MIB}, ""),
        ({"memory_per_core_bytes": 1200 * MIB, "num_cores": 2}, "asks for 2400 MiB"),
        ({"account": "proj1", "qos": "normal"}, ""),
        ({"account": "proj2"}, "no account 'proj2' for you here (did you mean 'proj1'?)"),
        ({"qos": "nosuch"}, "no QOS 'nosuch' for you here; there is normal"),
    ],
)
def test_what_a_job_may_ask_for(asked, expected):
    problems = site_problems(JobResources(**asked), SITE)
    assert expected in " ".join(problems)
    assert bool(expected) == bool(problems)


@pytest.mark.parametrize(
    ("asked", "directive"),
    [
        ({"walltime_s": 301, "partition": "short"}, ("--partition", "main")),
        ({"walltime_s": 301, "partition": "short"}, ("--time", "1:00")),
        ({"num_cores": 64}, ("-c", "1")),
        ({"memory_bytes": 100 * 1024**3}, ("--mem", "1G")),
        ({"account": "proj2"}, ("-A", "proj1")),
    ],
)
def test_what_raw_directives_decide_is_left_to_the_scheduler(asked, directive):
    assert site_problems(JobResources(**asked, directives=(directive,)), SITE) == []


def test_accounts_are_only_looked_at_where_the_site_insists_on_them():
    config = recorded("slurm", "00-version", "scontrol show config").stdout
    assert not sites.accounts_are_enforced(config)
    assert sites.accounts_are_enforced("AccountingStorageEnforce = associations,limits,qos")
    assert site_problems(JobResources(account="x", qos="y"), NO_ACCOUNTS) == []


def test_nothing_is_a_problem_where_nothing_is_known():
    asked = JobResources(partition="x", walltime_s=10**9, num_cores=10**6, account="y")
    assert site_problems(asked, Limits()) == []


def test_problems_are_listed_once_with_all_that_have_them():
    found = [("job 0", ["a"]), ("job 1", ["a", "b"]), ("job 2", [])]
    assert listed_problems(found) == "  job 0, job 1: a\n  job 1: b"
