"""What a run asks of the machine that runs it."""

from __future__ import annotations

from dataclasses import dataclass

# What a run has of its repeats, though no template gives it: resource -> the variable of
# the run's environment that holds it.
RUN_RESOURCES = {"random_seed": "HPCFLOW_RUN_SEED", "repeat_index": "HPCFLOW_REPEAT_IDX"}

AUTO_PACKED = 0  # `elements_per_job: auto`: as many as the time limit lets be


@dataclass(frozen=True, slots=True)
class Resources:
    """Resolved resources of one action of one element; hashable, to group by.

    None means: not said in the template. Memory in bytes, times in seconds.
    """

    scheduler: str | None = None  # None: the configuration's default
    shell: str = "bash"
    parallel_mode: str | None = None  # "distributed" | "shared" | "hybrid"
    num_cores: int = 1
    num_cores_per_node: int | None = None
    num_threads: int | None = None
    num_nodes: int | None = None
    num_tasks: int | None = None
    num_tasks_per_node: int | None = None
    num_cpus_per_task: int | None = None
    memory_bytes: int | None = None
    memory_per_core_bytes: int | None = None
    gpus: int | None = None
    time_limit_s: int | None = None
    partition: str | None = None
    account: str | None = None
    qos: str | None = None
    parallel_env: str | None = None  # Grid Engine's alone
    select: str | None = None  # PBS's alone, as its `-l select` has it
    # (option, value); None: a flag without a value
    directives: tuple[tuple[str, str | None], ...] = ()
    # the user's commands in place of the scheduler's: "submit", "show", "delete" -> words
    commands: tuple[tuple[str, tuple[str, ...]], ...] = ()
    use_job_array: bool | None = None
    max_array_items: int | None = None
    elements_per_job: int | None = None  # or AUTO_PACKED
    concurrency: int | None = None
    resources_id: str | None = None
    # the key of the environment, where it is another than the action's alone
    environment: str | None = None
    combine_scripts: bool = False
    write_app_logs: bool = False  # lines of what each item does
    combine_jobscript_std: bool = True  # stdout and stderr of a jobscript in one file
    shell_command: tuple[str, ...] = ()  # the bash that executes runs, and its options
    shebang_args: str = ""  # what follows `#!/bin/bash` in a jobscript
    skip_downstream_on_failure: bool = True
    success_exit_codes: tuple[int, ...] = (0,)
