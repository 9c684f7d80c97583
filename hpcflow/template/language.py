"""The template language as tables: which keys there are and what they hold.

Parts of the language that are not supported yet stand here as `Later`, so that they
are refused by name. `docs/reference/template.md` describes the same in prose.
"""

from __future__ import annotations

import re

from hpcflow.template.generators import (
    FLAG,
    GENERATORS,
    TEXT,
    is_number,
)
from hpcflow.template.quantities import MEMORY, TIME, parse_memory, parse_time
from hpcflow.template.shape import (
    Anything,
    Choice,
    Either,
    Items,
    Key,
    Later,
    Map,
    Record,
    Scalar,
)

_NAME = re.compile(r"[A-Za-z_]\w*")
_LABEL = re.compile(r"[\w\-]+")

NAME = Scalar(
    "a name (letters, digits and _)",
    lambda value: isinstance(value, str) and _NAME.fullmatch(value) is not None,
)
LABEL = Scalar(
    "a label (letters, digits, _ and -)",
    lambda value: isinstance(value, str) and _LABEL.fullmatch(value) is not None,
)
ENVIRONMENT_NAME = Scalar(
    "a name (letters, digits, _, - and .)",
    lambda value: isinstance(value, str) and re.fullmatch(r"[\w\-.]+", value) is not None,
)
WORKFLOW_NAME = Scalar(
    "text without '/' that does not begin with '.'",
    lambda value: (
        isinstance(value, str)
        and bool(value.strip())
        and not value.startswith(".")
        and not set(value) & set("/\0\n")
    ),
)
FILLED_TEXT = Scalar("text", lambda value: isinstance(value, str) and bool(value.strip()))
POSITIVE = Scalar("a whole number of at least 1", lambda v: type(v) is int and v >= 1)
NESTING = Scalar("a number of at least 0", lambda value: is_number(value) and value >= 0)
EXIT_CODE = Scalar("an exit code, 0 to 255", lambda v: type(v) is int and 0 <= v <= 255)
DIRECTIVE = Scalar(
    "text, a number, or null for an option without a value",
    lambda value: value is None or isinstance(value, str) or is_number(value),
)
OPTION = Scalar(
    "an option such as --time",
    lambda value: isinstance(value, str) and value.startswith("-"),
)
TEXTS = Either(scalar=TEXT, items=Items(TEXT))

LATER = Key(Later())

RESOURCES = Record(
    "resources",
    {
        "scheduler": Key(FILLED_TEXT, "the scheduler's name"),
        "shell": Key(Choice(("bash",), later=("powershell", "wsl", "wsl+bash"))),
        "parallel_mode": Key(Choice(("distributed", "shared", "hybrid"))),
        "num_cores": Key(POSITIVE),
        "num_cores_per_node": Key(POSITIVE),
        "num_threads": Key(POSITIVE),
        "num_nodes": Key(POSITIVE),
        "memory": Key(Scalar(MEMORY, lambda v: parse_memory(v) is not None)),
        "memory_per_core": Key(Scalar(MEMORY, lambda v: parse_memory(v) is not None)),
        "gpus": Key(POSITIVE),
        "time_limit": Key(Scalar(TIME, lambda v: parse_time(v) is not None)),
        "partition": Key(FILLED_TEXT),
        "queue": Key(FILLED_TEXT, "another name for `partition`"),
        "account": Key(FILLED_TEXT),
        "qos": Key(FILLED_TEXT),
        "scheduler_args": Key(
            Record(
                "scheduler_args",
                {
                    "directives": Key(
                        Map(Either(scalar=DIRECTIVE, items=Items(DIRECTIVE)), names=OPTION)
                    ),
                    **dict.fromkeys(
                        (
                            "options",
                            "submit_cmd",
                            "show_cmd",
                            "del_cmd",
                            "shebang_args",
                            "shell_args",
                            "array_switch",
                            "array_item_var",
                            "cwd_switch",
                        ),
                        LATER,
                    ),
                },
            )
        ),
        "use_job_array": Key(FLAG),
        "max_array_items": Key(POSITIVE),
        "elements_per_job": Key(POSITIVE),
        "concurrency": Key(POSITIVE),
        "resources_id": Key(Either(scalar=Scalar("text", lambda v: type(v) in (str, int)))),
        "skip_downstream_on_failure": Key(FLAG),
        "success_exit_codes": Key(
            Either(scalar=EXIT_CODE, items=Items(EXIT_CODE, least=1))
        ),
        "SLURM_partition": Key(FILLED_TEXT),
        "SLURM_num_tasks": Key(POSITIVE),
        "SLURM_num_tasks_per_node": Key(POSITIVE),
        "SLURM_num_nodes": Key(POSITIVE),
        "SLURM_num_cpus_per_task": Key(POSITIVE),
        **dict.fromkeys(
            (
                "write_app_logs",
                "combine_jobscript_std",
                "combine_scripts",
                "shell_args",
                "os_name",
                "environments",
                "SGE_parallel_env",
                "PBS_select",
                "max_attempts",
                "on_retry",
            ),
            LATER,
        ),
    },
)

SCOPES = Record(
    "resources by scope",
    {
        "any": Key(RESOURCES, "for every action"),
        "main": Key(RESOURCES, "for main actions; wins over `any`"),
        **dict.fromkeys(
            ("processing", "input_file_generator", "output_file_parser"), LATER
        ),
    },
)

SEQUENCE = Record(
    "a sequence",
    {
        "path": Key(FILLED_TEXT, "`inputs.P`, `inputs.P[LABEL]` or `resources.SCOPE.ITEM`"),
        "paths": Key(
            Items(FILLED_TEXT, least=1), "several paths; `values` has a row for each"
        ),
        "values": Key(Items(Anything(), least=1)),
        "nesting_order": Key(NESTING),
        "label": Key(LABEL, "the label of `path`'s input"),
        **{f"values::{name}": Key(method.arguments) for name, method in GENERATORS.items()},
        "values::from_latin_hypercube": LATER,
    },
)

REPEAT = Record(
    "repeats",
    {
        "name": Key(TEXT),
        "number": Key(POSITIVE, required=True),
        "nesting_order": Key(NESTING),
    },
)

GROUP = Record(
    "a group",
    {"name": Key(NAME, required=True), "where": LATER, "group_by_distinct": LATER},
)

INPUT_SOURCE = Either(
    scalar=FILLED_TEXT,
    items=Items(
        Either(scalar=FILLED_TEXT, map=Later("a map as an input's source")), least=1
    ),
    map=Later("a map as an input's source"),
)

_ELEMENT_SET_KEYS = {
    "inputs": Key(Either(map=Map(Anything()), items=Later("a list of inputs"))),
    "sequences": Key(Items(SEQUENCE)),
    "multi_path_sequences": Key(Items(SEQUENCE)),
    "resources": Key(SCOPES),
    "repeats": Key(
        Either(
            scalar=POSITIVE, items=Items(REPEAT), map=Later("a map of repeats (with seeds)")
        )
    ),
    "groups": Key(Items(GROUP)),
    "input_sources": Key(Map(INPUT_SOURCE)),
    "nesting_order": Key(Map(NESTING)),
    **dict.fromkeys(
        (
            "input_files",
            "env_preset",
            "environments",
            "sourceable_elem_iters",
            "allow_non_coincident_task_sources",
        ),
        LATER,
    ),
}
ELEMENT_SET = Record("an element set", _ELEMENT_SET_KEYS)

TASK = Record(
    "a task",
    {
        "schema": Key(
            Either(
                scalar=FILLED_TEXT,
                map=Later("a schema inside a task (name one of template_components)"),
                items=Later("a list of schemas"),
            ),
            required=True,
        ),
        "element_sets": Key(Items(ELEMENT_SET, least=1)),
        "output_labels": LATER,
        **_ELEMENT_SET_KEYS,
    },
)

PARAMETER = Record(
    "a parameter",
    {
        "type": Key(NAME, required=True),
        **dict.fromkeys(("is_file", "sub_parameters", "_validation"), LATER),
    },
)

CORE_RANGE = Record(
    "core numbers",
    {
        "start": Key(POSITIVE, required=True),
        "stop": Key(POSITIVE, required=True),
        "step": Key(POSITIVE),
    },
)

ENVIRONMENT = Record(
    "an environment",
    {
        "name": Key(ENVIRONMENT_NAME, required=True),
        "setup": Key(TEXTS, "shell lines"),
        "executables": Key(
            Items(
                Record(
                    "an executable",
                    {
                        "label": Key(LABEL, required=True),
                        "instances": Key(
                            Items(
                                Record(
                                    "an executable's instance",
                                    {
                                        "command": Key(FILLED_TEXT, required=True),
                                        "num_cores": Key(
                                            Either(scalar=POSITIVE, map=CORE_RANGE)
                                        ),
                                        "parallel_mode": Key(
                                            Choice(("distributed", "shared", "hybrid"))
                                        ),
                                    },
                                ),
                                least=1,
                            ),
                            required=True,
                        ),
                    },
                )
            )
        ),
        "specifiers": LATER,
    },
)

_MODE = Key(Choice(("implicit",), later=("explicit", "never")))
_INPUT_KEYS = {
    "default_value": Key(Anything()),
    "group": Key(NAME),
    "propagation_mode": _MODE,
    "allow_failed_dependencies": LATER,
}

SCHEMA_INPUT = Record(
    "a schema's input",
    {
        "parameter": Key(NAME, required=True),
        "multiple": LATER,
        "labels": Key(
            Map(
                Either(
                    scalar=Scalar("a map", lambda value: value is None),
                    map=Record("a label", _INPUT_KEYS),
                )
            )
        ),
        **_INPUT_KEYS,
    },
)

SCHEMA_OUTPUT = Record(
    "a schema's output",
    {"parameter": Key(NAME, required=True), "propagation_mode": _MODE},
)

COMMAND = Record(
    "a command",
    {
        "command": Key(FILLED_TEXT, required=True),
        "stdout": Key(FILLED_TEXT, "`<<TYPE(parameter:OUTPUT)>>` or a file name"),
        "stderr": Key(FILLED_TEXT, "`<<TYPE(parameter:OUTPUT)>>` or a file name"),
        **dict.fromkeys(("stdin", "rules", "executable", "arguments", "variables"), LATER),
    },
)

_SCRIPT_DATA = Key(
    Either(
        scalar=Choice(("direct", "json"), later=("hdf5",)),
        map=Later("a format for each parameter"),
    )
)

_ACTION_SCOPES = ("any", "main")
_LATER_SCOPES = ("processing", "input_file_generator", "output_file_parser")

ACTION = Record(
    "an action",
    {
        "environments": Key(
            Either(
                map=Record(
                    "environments by scope",
                    {
                        **{scope: Key(ENVIRONMENT_NAME) for scope in _ACTION_SCOPES},
                        **dict.fromkeys(_LATER_SCOPES, LATER),
                    },
                ),
                items=Items(
                    Record(
                        "a scope's environment",
                        {
                            "scope": Key(
                                Either(
                                    scalar=Choice(_ACTION_SCOPES, later=_LATER_SCOPES),
                                    map=Record(
                                        "a scope",
                                        {
                                            "type": Key(
                                                Choice(_ACTION_SCOPES, later=_LATER_SCOPES),
                                                required=True,
                                            ),
                                            "kwargs": LATER,
                                        },
                                    ),
                                )
                            ),
                            "environment": Key(ENVIRONMENT_NAME, required=True),
                        },
                    )
                ),
            )
        ),
        "commands": Key(Items(COMMAND, least=1)),
        "script": Key(FILLED_TEXT, "`<<script:NAME.py>>` or a path"),
        "script_data_in": _SCRIPT_DATA,
        "script_data_out": _SCRIPT_DATA,
        "script_exe": Key(LABEL, "the executable that runs the script"),
        "requires_dir": Key(FLAG),
        **dict.fromkeys(
            (
                "data_files_use_opt",
                "script_pass_env_spec",
                "jinja_template",
                "jinja_template_path",
                "program",
                "program_path",
                "program_exe",
                "program_data_in",
                "program_data_out",
                "abortable",
                "input_file_generators",
                "output_file_parsers",
                "input_files",
                "output_files",
                "rules",
                "save_files",
                "clean_up",
            ),
            LATER,
        ),
    },
)

TASK_SCHEMA = Record(
    "a task schema",
    {
        "objective": Key(NAME, required=True),
        "method": Key(NAME),
        "implementation": Key(NAME),
        "doc": Key(TEXTS),
        "inputs": Key(Items(SCHEMA_INPUT)),
        "outputs": Key(Items(SCHEMA_OUTPUT)),
        "actions": Key(Items(ACTION)),
        **dict.fromkeys(
            ("version", "parameter_class_modules", "web_doc", "environment_presets"), LATER
        ),
    },
)

COMPONENTS = Record(
    "template components",
    {
        "parameters": Key(Items(PARAMETER)),
        "environments": Key(Items(ENVIRONMENT)),
        "task_schemas": Key(Items(TASK_SCHEMA)),
        "command_files": LATER,
        "meta_task_schemas": LATER,
    },
)

TEMPLATE = Record(
    "a template",
    {
        "name": Key(WORKFLOW_NAME),
        "doc": Key(TEXTS),
        "tasks": Key(Items(TASK, least=1), required=True),
        "resources": Key(SCOPES),
        "template_components": Key(COMPONENTS),
        **dict.fromkeys(
            (
                "meta_tasks",
                "loops",
                "config",
                "environments",
                "env_presets",
                "store_kwargs",
                "merge_resources",
                "merge_envs",
            ),
            LATER,
        ),
    },
)
