"""Resources, and the scopes that they are for."""

from __future__ import annotations

import re
import shlex

from hpcflow.template.generators import FLAG, TEXT
from hpcflow.template.keys.environments import ENVIRONMENTS, SCOPE
from hpcflow.template.keys.values import (
    DIRECTIVE,
    DURATION,
    EXIT_CODE,
    FILLED_TEXT,
    LATER,
    OPTION,
    PACKING,
    POSITIVE,
    SIZE,
    TEXT_OR_WHOLE,
)
from hpcflow.template.scopes import KINDS as SCOPE_KINDS
from hpcflow.template.shape import Choice, Either, Items, Key, Map, Record, Scalar

_DIRECTIVES = Map(Either(scalar=DIRECTIVE, items=Items(DIRECTIVE)), names=OPTION)

_SHEBANG_ARGS = Scalar(
    "one option of bash, such as --login (Linux passes all as one argument)",
    lambda value: isinstance(value, str) and re.fullmatch(r"-\S+", value) is not None,
    {"type": "string", "pattern": r"^-\S+$"},
)

_ONLY_BASH = Scalar(
    "bash: hpcflow runs on Linux, so there is no powershell and no wsl",
    lambda value: value == "bash",
    {"const": "bash"},
)

_ONLY_POSIX = Scalar(
    "posix: hpcflow runs on Linux", lambda value: value == "posix", {"const": "posix"}
)

_ABSOLUTE = Scalar(
    "the absolute path of a bash",
    lambda value: isinstance(value, str) and value.startswith("/"),
    {"type": "string", "pattern": "^/"},
)


def _is_command(value: object) -> bool:
    try:
        return isinstance(value, str) and bool(shlex.split(value))
    except ValueError:  # an open quotation
        return False


def _nothing(why: str) -> Scalar:
    """What no value can be, and why."""
    return Scalar(f"nothing: {why}", lambda _: False, {"not": {}})


_PROGRAM = Scalar(
    "a command, words as bash has them",
    _is_command,
    {"type": "string", "pattern": r"[^ \t\r\n]"},
)

_OURS = {  # what other versions let templates say, and who says it here
    "shell_args": "`shell_args` of the resources is the shell of runs",
    "array_switch": "hpcflow writes the options of job arrays itself",
    "array_item_var": "hpcflow knows the variable of each scheduler's job arrays",
    "cwd_switch": "jobs work in folders that hpcflow chooses",
}

RESOURCES = Record(
    "resources",
    {
        "scheduler": Key(FILLED_TEXT, "the scheduler's name"),
        "shell": Key(_ONLY_BASH),
        "shell_args": Key(
            Record(
                "shell_args",
                {"executable": Key(Either(scalar=_ABSOLUTE, items=Items(TEXT, least=1)))},
            ),
            "the bash that executes runs: its absolute path, or a list of it and options",
        ),
        "os_name": Key(_ONLY_POSIX),
        "write_app_logs": Key(FLAG, "true: a log of what hpcflow itself does in a job"),
        "combine_jobscript_std": Key(
            FLAG, "false: a jobscript's stderr has a file of its own, ITEM.err"
        ),
        "parallel_mode": Key(Choice(("distributed", "shared", "hybrid"))),
        "num_cores": Key(POSITIVE),
        "num_cores_per_node": Key(POSITIVE),
        "num_threads": Key(POSITIVE),
        "num_nodes": Key(POSITIVE),
        "memory": Key(SIZE),
        "memory_per_core": Key(SIZE),
        "gpus": Key(POSITIVE),
        "time_limit": Key(DURATION),
        "partition": Key(FILLED_TEXT),
        "queue": Key(FILLED_TEXT, "another name for `partition`"),
        "account": Key(FILLED_TEXT),
        "qos": Key(FILLED_TEXT),
        "scheduler_args": Key(
            Record(
                "scheduler_args",
                {
                    "directives": Key(_DIRECTIVES),
                    "options": Key(_DIRECTIVES, "the old name of `directives`"),
                    "shebang_args": Key(
                        _SHEBANG_ARGS, "what follows `#!/bin/bash` in a jobscript"
                    ),
                    "submit_cmd": Key(_PROGRAM, "in place of sbatch"),
                    "show_cmd": Key(_PROGRAM, "in place of squeue"),
                    "del_cmd": Key(_PROGRAM, "in place of scancel"),
                    **{
                        key: Key(_nothing(why), f"nothing: {why}")
                        for key, why in _OURS.items()
                    },
                },
            )
        ),
        "use_job_array": Key(FLAG),
        "max_array_items": Key(POSITIVE),
        "elements_per_job": Key(PACKING),
        "concurrency": Key(POSITIVE),
        "resources_id": Key(Either(scalar=TEXT_OR_WHOLE)),
        "skip_downstream_on_failure": Key(FLAG),
        "success_exit_codes": Key(
            Either(scalar=EXIT_CODE, items=Items(EXIT_CODE, least=1))
        ),
        "SLURM_partition": Key(FILLED_TEXT),
        "SLURM_num_tasks": Key(POSITIVE),
        "SLURM_num_tasks_per_node": Key(POSITIVE),
        "SLURM_num_nodes": Key(POSITIVE),
        "SLURM_num_cpus_per_task": Key(POSITIVE),
        "combine_scripts": Key(FLAG, "one interpreter for all of an item's Python scripts"),
        "environments": Key(ENVIRONMENTS, "specifiers of the environments to take"),
        "SGE_parallel_env": Key(FILLED_TEXT, "Grid Engine's `-pe`: where ranks may run"),
        "PBS_select": Key(FILLED_TEXT, "PBS's `-l select`, in place of what hpcflow asks"),
        **dict.fromkeys(("max_attempts", "on_retry"), LATER),
    },
)

SCOPES = Record(
    "resources by scope",
    {scope: Key(RESOURCES) for scope in SCOPE_KINDS},
    others=(SCOPE, Key(RESOURCES)),
)
