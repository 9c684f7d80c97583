"""The template language as tables: which keys there are and what they hold.

Parts of the language that are not supported yet stand here as `Later`, so that they
are refused by name. `docs/reference/template.md` describes the same in prose.
"""

from __future__ import annotations

import re
import shlex

from hpcflow.model.conditions import CASTS
from hpcflow.template.generators import (
    FLAG,
    GENERATORS,
    LATIN_HYPERCUBE,
    NATURAL,
    SEED,
    TEXT,
    is_number,
)
from hpcflow.template.quantities import (
    COMPRESSORS,
    MEMORY,
    MEMORY_PATTERN,
    TIME,
    TIME_PATTERN,
    parse_memory,
    parse_time,
)
from hpcflow.template.scopes import EXPECTED, parse_scope
from hpcflow.template.scopes import KINDS as SCOPE_KINDS
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
from jobstores.zarr_columns import SHUFFLES

_NAME = re.compile(r"[A-Za-z_]\w*")
_LABEL = re.compile(r"[\w\-]+")
_PLACE = re.compile(r"[^.\s]+(\.[^.\s]+)*")

NAME = Scalar(
    "a name (letters, digits and _)",
    lambda value: isinstance(value, str) and _NAME.fullmatch(value) is not None,
    {"type": "string", "pattern": r"^[^\W\d]\w*$"},
)
LABEL = Scalar(
    "a label (letters, digits, _ and -)",
    lambda value: isinstance(value, str) and _LABEL.fullmatch(value) is not None,
    {"type": "string", "pattern": r"^[\w\-]+$"},
)
ENVIRONMENT_NAME = Scalar(
    "a name (letters, digits, _, - and .)",
    lambda value: isinstance(value, str) and re.fullmatch(r"[\w\-.]+", value) is not None,
    {"type": "string", "pattern": r"^[\w\-.]+$"},
)
MODULE = Scalar(
    "a module's name, such as package.module",
    lambda value: isinstance(value, str) and all(map(str.isidentifier, value.split("."))),
    {"type": "string", "pattern": r"^[^\d\W]"},
)
WORKFLOW_NAME = Scalar(
    "text without '/' that does not begin with '.'",
    lambda value: (
        isinstance(value, str)
        and bool(value.strip())
        and not value.startswith(".")
        and not set(value) & set("/\0\n")
    ),
    {"type": "string", "pattern": r"^[^./\n][^/\n]*$"},
)
FILLED_TEXT = Scalar(
    "text",
    lambda value: isinstance(value, str) and bool(value.strip()),
    {"type": "string", "pattern": r"\S"},
)
POSITIVE = Scalar(
    "a whole number of at least 1",
    lambda v: type(v) is int and v >= 1,
    {"type": "integer", "minimum": 1},
)
PACKING = Scalar(
    "a whole number of at least 1, or auto",
    lambda v: (type(v) is int and v >= 1) or v == "auto",
    {"anyOf": [{"type": "integer", "minimum": 1}, {"const": "auto"}]},
)
NESTING = Scalar(
    "a number of at least 0",
    lambda value: is_number(value) and value >= 0,
    {"type": "number", "minimum": 0},
)
EXIT_CODE = Scalar(
    "an exit code, 0 to 255",
    lambda v: type(v) is int and 0 <= v <= 255,
    {"type": "integer", "minimum": 0, "maximum": 255},
)
DIRECTIVE = Scalar(
    "text, a number, or null for an option without a value",
    lambda value: value is None or isinstance(value, str) or is_number(value),
    {"type": ["string", "number", "null"]},
)
OPTION = Scalar(
    "an option such as --time",
    lambda value: isinstance(value, str) and value.startswith("-"),
    {"type": "string", "pattern": "^-"},
)
TEXTS = Either(scalar=TEXT, items=Items(TEXT))
_TEXT_OR_WHOLE = Scalar(
    "text", lambda v: type(v) in (str, int), {"type": ["string", "integer"]}
)
_TEXT_OR_NUMBER = Either(
    scalar=Scalar(
        "text or a number",
        lambda v: isinstance(v, str) or is_number(v),
        {"type": ["string", "number"]},
    )
)
_NULL = Scalar("a map", lambda value: value is None, {"type": "null"})
_SIZE = Scalar(
    MEMORY,
    lambda v: parse_memory(v) is not None,
    {"type": ["string", "integer"], "pattern": MEMORY_PATTERN, "minimum": 1},
)
_DURATION = Scalar(
    TIME,
    lambda v: parse_time(v) is not None,
    {"type": ["string", "integer"], "pattern": TIME_PATTERN, "minimum": 1},
)

_TYPE_NAME = Scalar(
    f"one of {', '.join(CASTS)}",
    lambda value: isinstance(value, str) and value in CASTS,
    {"enum": list(CASTS)},
)

LATER = Key(Later())

SPECIFIER = Scalar(
    "text, a number, true or false",
    lambda value: isinstance(value, str | bool) or is_number(value),
    {"type": ["string", "number", "boolean"]},
)
SPECIFIERS = Map(SPECIFIER, names=NAME)
ENVIRONMENTS = Map(SPECIFIERS, names=ENVIRONMENT_NAME)
SCOPE = Scalar(
    EXPECTED,
    lambda value: parse_scope(value) is not None,
    {"type": "string", "pattern": rf"^({'|'.join(SCOPE_KINDS)})(\[.*\])?$"},
)

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
    "a command, words as bash has them", _is_command, {"type": "string", "pattern": r"\S"}
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
        "memory": Key(_SIZE),
        "memory_per_core": Key(_SIZE),
        "gpus": Key(POSITIVE),
        "time_limit": Key(_DURATION),
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
        "resources_id": Key(Either(scalar=_TEXT_OR_WHOLE)),
        "skip_downstream_on_failure": Key(FLAG),
        "success_exit_codes": Key(
            Either(scalar=EXIT_CODE, items=Items(EXIT_CODE, least=1))
        ),
        "SGE_parallel_env": Key(FILLED_TEXT, "what gives several slots"),
        "PBS_select": Key(FILLED_TEXT, "chunks, in PBS's own words"),
        "SLURM_partition": Key(FILLED_TEXT),
        "SLURM_num_tasks": Key(POSITIVE),
        "SLURM_num_tasks_per_node": Key(POSITIVE),
        "SLURM_num_nodes": Key(POSITIVE),
        "SLURM_num_cpus_per_task": Key(POSITIVE),
        "combine_scripts": Key(FLAG, "one interpreter for all of an item's Python scripts"),
        "environments": Key(ENVIRONMENTS, "specifiers of the environments to take"),
        **dict.fromkeys(
            (
                "max_attempts",
                "on_retry",
            ),
            LATER,
        ),
    },
)

SCOPES = Record(
    "resources by scope",
    {scope: Key(RESOURCES) for scope in SCOPE_KINDS},
    others=(SCOPE, Key(RESOURCES)),
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
        "values::from_latin_hypercube": Key(LATIN_HYPERCUBE.arguments, "over `paths`"),
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

SEEDED_REPEATS = Record(
    "repeats",
    {
        **REPEAT.keys,
        "master_seed": Key(SEED, "what all seeds follow from; drawn where it is not given"),
        "generate_seed_sequence": Key(FLAG, "false: each run's seed is `master_seed`"),
    },
)

INPUT_VALUE = Record(
    "an input's value",
    {
        "parameter": Key(NAME, required=True),
        "label": Key(LABEL),
        "path": Key(FILLED_TEXT, "a place inside the value, such as a.0"),
        "value": Key(Anything(), required=True),
        "value_class_method": Key(NAME, "a constructor of the value, or a generator"),
    },
)

_TYPE = Choice(CASTS)
RULE = Record(
    "a rule",
    {
        "path": Key(
            FILLED_TEXT,
            "`inputs.P`, `outputs.P` or `resources.ITEM`, or a part of it",
        ),
        "condition": Key(Anything(), "a condition such as `{value.less_than: 3}`"),
        "cast": Key(Map(_TYPE, names=_TYPE_NAME), "types to convert a value from and to"),
        "default": Key(Anything(), "what counts where there is no value"),
        "check_exists": Key(FILLED_TEXT, "a path that must have a value"),
        "check_missing": Key(FILLED_TEXT, "a path that must have none"),
        "doc": Key(TEXTS),
    },
)
RULES = Key(Items(RULE), "all must hold")
WHERE = Key(Either(map=RULE, items=Items(RULE)), "a rule, or rules that must all hold")

GROUP = Record(
    "a group",
    {
        "name": Key(NAME, required=True),
        "where": WHERE,
        "group_by_distinct": Key(FILLED_TEXT, "a group for each value of this input"),
    },
)

PLACE = Scalar(
    "a place inside a value, such as a.0",
    lambda v: type(v) is int or (isinstance(v, str) and _PLACE.fullmatch(v) is not None),
    {"type": ["string", "integer"], "pattern": r"^[^.\s]+(\.[^.\s]+)*$"},
)
TASK_REFERENCE = Scalar(
    "a task's index or unique name",
    lambda value: (type(value) is int and value >= 0) or isinstance(value, str),
    {"type": ["integer", "string"]},
)

ITER_IDS = Items(NATURAL, least=1)
SOURCE_MAP = Record(
    "an input's source",
    {
        "source_type": Key(Choice(("local", "default", "task", "import"))),
        "task_ref": Key(
            Either(
                scalar=Scalar(
                    "a task's index or unique name",
                    lambda v: (
                        (type(v) is int and v >= 0) or (isinstance(v, str) and v != "")
                    ),
                    {"type": ["integer", "string"]},
                )
            ),
            "the index or unique name of an earlier task",
        ),
        "task_source_type": Key(
            Choice(("output", "input", "any")), "any: its output, or else its input"
        ),
        "element_iters": Key(ITER_IDS, "the element iterations to take, by their ids"),
        "where": WHERE,
        "path": Key(PLACE, "take this part of each value"),
        "import": Key(
            Record(
                "an import",
                {
                    "workflow": Key(
                        FILLED_TEXT, "its folder or zip file, or a locator", required=True
                    ),
                    "task": Key(
                        Either(scalar=TASK_REFERENCE), "index or unique name", required=True
                    ),
                    "output": Key(FILLED_TEXT, "default: the input's own parameter"),
                    "input": Key(FILLED_TEXT, "in place of `output`"),
                    "where": WHERE,
                },
            ),
            "values of another workflow",
        ),
    },
)
INPUT_SOURCE = Either(
    scalar=FILLED_TEXT,
    items=Items(Either(scalar=FILLED_TEXT, map=SOURCE_MAP), least=1),
    map=SOURCE_MAP,
)

_WORD = Scalar(
    "text or a number",
    lambda v: isinstance(v, str) or is_number(v),
    {"type": ["string", "number"]},
)
_GIVEN_FILE = {
    "path": Key(FILLED_TEXT, "from the template's directory"),
    "contents": Key(_WORD, "what the file holds"),
    "extension": Key(FILLED_TEXT, "of a file that is given by its contents"),
    "store_contents": Key(FLAG, "false: the file is only read when a run needs it"),
}

_ELEMENT_SET_KEYS = {
    "input_files": Key(
        Either(
            map=Map(Either(scalar=FILLED_TEXT, map=Record("a file", _GIVEN_FILE))),
            items=Items(
                Record("a file", {"file": Key(LABEL, required=True), **_GIVEN_FILE})
            ),
        ),
        "files by their label, in place of what generates them",
    ),
    "inputs": Key(Either(map=Map(Anything()), items=Items(INPUT_VALUE))),
    "sequences": Key(Items(SEQUENCE)),
    "multi_path_sequences": Key(Items(SEQUENCE)),
    "resources": Key(SCOPES),
    "environments": Key(ENVIRONMENTS, "specifiers of the environments to take"),
    "env_preset": Key(TEXT, "one of the schema's `environment_presets`"),
    "repeats": Key(Either(scalar=POSITIVE, items=Items(REPEAT), map=SEEDED_REPEATS)),
    "groups": Key(Items(GROUP)),
    "input_sources": Key(Map(INPUT_SOURCE)),
    "sourceable_elem_iters": Key(
        ITER_IDS, "the ids of the element iterations that inputs may come from"
    ),
    "allow_non_coincident_task_sources": Key(
        FLAG, "true: what comes from one task need not be of the same elements"
    ),
    "nesting_order": Key(Map(NESTING)),
    **dict.fromkeys(
        (),
        LATER,
    ),
}
ELEMENT_SET = Record("an element set", _ELEMENT_SET_KEYS)

_VALIDATION = Items(
    Record(
        "a rule of a parameter",
        {
            "path": Key(
                Either(scalar=PLACE, items=Items(_TEXT_OR_WHOLE)),
                "a place inside the value, as a.0 or a list; the whole without it",
            ),
            "condition": Key(
                Anything(), "a condition such as `{value.less_than: 3}`", required=True
            ),
            "cast": Key(Map(_TYPE, names=_TYPE_NAME), "types to convert from and to"),
            "doc": Key(TEXTS),
        },
    )
)

PARAMETER = Record(
    "a parameter",
    {
        "type": Key(NAME, required=True),
        "is_file": Key(FLAG, "true: values are names of files, from the template's folder"),
        "sub_parameters": Key(
            Items(
                Record(
                    "a parameter inside",
                    {
                        "address": Key(PLACE, "such as a.0", required=True),
                        "parameter": Key(NAME, "its type", required=True),
                    },
                )
            ),
            "the parameters of parts of its values",
        ),
        "_validation": Key(
            Either(
                items=_VALIDATION,
                map=Record("a validation", {"rules": Key(_VALIDATION, required=True)}),
            ),
            "what the values that a template gives have to fulfil",
        ),
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
        "specifiers": Key(SPECIFIERS, "what tells it from others of its name"),
    },
)

TOLERANCE = Scalar(
    "true, false, a number of runs, or a fraction from 0 to 1",
    lambda v: (
        isinstance(v, bool) or (is_number(v) and v >= 0 and (type(v) is int or v <= 1))
    ),
    {"type": ["boolean", "number"], "minimum": 0},
)
_MODE = Key(Choice(("implicit",), later=("explicit", "never")))
_INPUT_KEYS = {
    "default_value": Key(Anything()),
    "group": Key(NAME),
    "propagation_mode": _MODE,
    "allow_failed_dependencies": Key(
        Either(scalar=TOLERANCE),
        "whether, or how many or which fraction of, the runs that "
        "make it may have failed: their values are null",
    ),
}

SCHEMA_INPUT = Record(
    "a schema's input",
    {
        "parameter": Key(NAME, required=True),
        "multiple": Key(
            FLAG, "true: with the labels that a task gives, as `labels: {'*': {}}`"
        ),
        "labels": Key(
            Map(
                Either(
                    scalar=_NULL,
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

_ARGUMENT = Scalar(
    "text or a number",
    lambda value: isinstance(value, str) or is_number(value),
    {"type": ["string", "number"]},
)
COMMAND = Record(
    "a command",
    {
        "command": Key(FILLED_TEXT, "bash"),
        "executable": Key(FILLED_TEXT, "in place of `command`: `<<executable:LABEL>>`"),
        "arguments": Key(Items(_ARGUMENT), "what follows the `executable`"),
        "variables": Key(Map(_ARGUMENT, names=NAME), "what `<<NAME>>` stands for"),
        "stdin": Key(FILLED_TEXT, "`<<parameter:NAME>>`, `<<file:LABEL>>` or a file name"),
        "stdout": Key(FILLED_TEXT, "`<<TYPE(parameter:OUTPUT)>>` or a file name"),
        "stderr": Key(FILLED_TEXT, "`<<TYPE(parameter:OUTPUT)>>` or a file name"),
        "rules": RULES,
    },
)

_FORMAT = Choice(("direct", "json", "hdf5"))
_SCRIPT_DATA = Key(
    Either(
        scalar=_FORMAT,
        map=Map(
            Either(
                scalar=_FORMAT,
                map=Record(
                    "a parameter's data",
                    {
                        "format": Key(_FORMAT, required=True),
                        "all_iterations": Key(
                            FLAG, "an input's values in all iterations up to this one"
                        ),
                    },
                ),
            )
        ),
    ),
    "a format for all, or for each parameter; `*` for the rest",
)
_FILE_LABELS = Key(Items(LABEL), "labels of command files")
_FILE_FORMAT = Choice(("json", "hdf5"))
_PROGRAM_DATA = Key(Either(scalar=_FILE_FORMAT, map=Map(_FILE_FORMAT)))

GENERATOR = Record(
    "an input file generator",
    {
        "input_file": Key(LABEL, "the label of the file that it makes", required=True),
        "from_inputs": Key(Items(FILLED_TEXT), "parameters that its function gets"),
        "script": Key(FILLED_TEXT, "`<<script:NAME.py>>` or a path", required=True),
        "abortable": Key(FLAG),
        "script_pass_env_spec": Key(FLAG, "it gets its environment as `env_spec`"),
        "rules": RULES,
    },
)

_PARSER_KEYS = {
    "from_files": Key(Items(LABEL, least=1), "the files that it reads", required=True),
    "script": Key(FILLED_TEXT, "`<<script:NAME.py>>` or a path"),
    "inputs": Key(Items(FILLED_TEXT), "parameters that its function gets beside files"),
    "outputs": Key(Items(FILLED_TEXT), "outputs of earlier actions that it gets"),
    "save_files": _FILE_LABELS,
    "clean_up": _FILE_LABELS,
    "abortable": Key(FLAG),
    "script_pass_env_spec": Key(FLAG, "it gets its environment as `env_spec`"),
    "rules": RULES,
    "options": Key(Map(Anything(), names=NAME), "further arguments of its function"),
}
PARSER = Record("an output file parser", _PARSER_KEYS)

_ACTION_ENVIRONMENT = Either(
    scalar=ENVIRONMENT_NAME,
    map=Record(
        "an environment with specifiers",
        {"name": Key(ENVIRONMENT_NAME, required=True)},
        others=(NAME, Key(SPECIFIER)),
    ),
)

ACTION = Record(
    "an action",
    {
        "environments": Key(
            Either(
                map=Record(
                    "environments by scope",
                    {scope: Key(_ACTION_ENVIRONMENT) for scope in SCOPE_KINDS},
                    others=(SCOPE, Key(_ACTION_ENVIRONMENT)),
                ),
                items=Items(
                    Record(
                        "a scope's environment",
                        {
                            "scope": Key(
                                Either(
                                    scalar=SCOPE,
                                    map=Record(
                                        "a scope",
                                        {
                                            "type": Key(Choice(SCOPE_KINDS), required=True),
                                            "kwargs": Key(
                                                Record(
                                                    "what a scope is for",
                                                    {
                                                        "file": Key(LABEL),
                                                        "output": Key(NAME),
                                                    },
                                                )
                                            ),
                                        },
                                    ),
                                )
                            ),
                            "environment": Key(_ACTION_ENVIRONMENT, required=True),
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
        "data_files_use_opt": Key(
            FLAG, "a script that is not Python is given `--inputs-json FILE`, not `FILE`"
        ),
        "script_data_files_use_opt": Key(FLAG, "the old name of `data_files_use_opt`"),
        "script_pass_env_spec": Key(
            FLAG, "the function gets its environment's name and specifiers as `env_spec`"
        ),
        "program": Key(FILLED_TEXT, "an executable file: `<<program:NAME>>` or a path"),
        "program_path": Key(FILLED_TEXT, "the same"),
        "program_exe": Key(LABEL, "the executable that runs the program, if not itself"),
        "program_data_in": _PROGRAM_DATA,
        "program_data_out": _PROGRAM_DATA,
        "requires_dir": Key(FLAG),
        "rules": RULES,
        "input_file_generators": Key(Items(GENERATOR, least=1)),
        "output_file_parsers": Key(
            Either(
                map=Map(PARSER, names=NAME),
                items=Items(
                    Record(
                        "an output file parser",
                        {"output": Key(NAME, "what it makes, if anything"), **_PARSER_KEYS},
                    )
                ),
            ),
            "by the output that each makes",
        ),
        "jinja_template": Key(FILLED_TEXT, "a template that is rendered: a path"),
        "jinja_template_path": Key(FILLED_TEXT, "the same"),
        "abortable": Key(FLAG, "its runs may be ended by `hpcflow abort`"),
        "input_files": Key(Items(LABEL), "files that have to be there: labels"),
        "output_files": Key(Items(LABEL), "files that it makes, or fails: labels"),
        "save_files": Key(Items(LABEL), "files to keep with the workflow: labels"),
        "clean_up": Key(Items(LABEL), "files to delete after a run: labels"),
        **dict.fromkeys(
            (),
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
        "environment_presets": Key(
            Map(ENVIRONMENTS), "specifiers of environments, by a name for all of them"
        ),
        "parameter_class_modules": Key(
            Items(MODULE), "modules with the classes of parameters' values"
        ),
        "version": Key(_TEXT_OR_NUMBER, "of the schema; workflows keep it"),
        "web_doc": Key(FLAG, "false: lists of the known schemas leave it out"),
    },
)

LOOP = Record(
    "a loop",
    {
        "name": Key(LABEL, "loop_0, loop_1, ... where it is left out"),
        "tasks": Key(
            Items(TASK_REFERENCE, least=1),
            "indices or unique names of tasks that follow one another",
            required=True,
        ),
        "num_iterations": Key(POSITIVE, "the most that an element has", required=True),
        "non_iterable_parameters": Key(
            Items(FILLED_TEXT), "inputs that are the same in every iteration"
        ),
        "termination": Key(
            Record(
                "a termination",
                {
                    "path": Key(FILLED_TEXT, "`outputs.P`, or a part of it", required=True),
                    "condition": Key(
                        Anything(), "such as `{value.less_than: 0.1}`", required=True
                    ),
                },
            ),
            "an element that fulfils it needs no further iteration",
        ),
        "termination_task": Key(
            TASK_REFERENCE, "whose values the termination looks at: default the last task"
        ),
    },
)

COMMAND_FILE = Record(
    "a command file",
    {
        "label": Key(LABEL, required=True),
        "name": Key(
            Either(
                scalar=FILLED_TEXT,
                map=Record(
                    "a file name",
                    {
                        "name": Key(FILLED_TEXT, "`{}` for each of `args`", required=True),
                        "args": Key(Items(_WORD)),
                        "is_regex": Key(FLAG, "`name` is a regular expression"),
                    },
                ),
            ),
            "a path in the run's directory",
            required=True,
        ),
    },
)

TASK = Record(
    "a task",
    {
        "schema": Key(
            Either(
                scalar=FILLED_TEXT,
                map=TASK_SCHEMA,
                items=Items(Either(scalar=FILLED_TEXT, map=TASK_SCHEMA), least=1),
            ),
            required=True,
        ),
        "element_sets": Key(Items(ELEMENT_SET, least=1)),
        "output_labels": Key(
            Items(
                Record(
                    "an output's label",
                    {
                        "parameter": Key(NAME, required=True),
                        "label": Key(LABEL, required=True),
                        "where": WHERE,
                    },
                )
            ),
            "inputs of later tasks, by their labels, that outputs of this task go to",
        ),
        **_ELEMENT_SET_KEYS,
    },
)

_META_PARAMETERS = Items(Record("a parameter", {"parameter": Key(NAME, required=True)}))

META_TASK_SCHEMA = Record(
    "a meta-task's schema",
    {
        "objective": Key(NAME, required=True),
        "method": Key(NAME),
        "implementation": Key(NAME),
        "doc": Key(TEXTS),
        "inputs": Key(_META_PARAMETERS, "what its tasks must take"),
        "outputs": Key(_META_PARAMETERS, "what its tasks must make"),
    },
)

COMPONENTS = Record(
    "template components",
    {
        "parameters": Key(Items(PARAMETER)),
        "environments": Key(Items(ENVIRONMENT)),
        "task_schemas": Key(Items(TASK_SCHEMA)),
        "command_files": Key(Items(COMMAND_FILE)),
        "meta_task_schemas": Key(Items(META_TASK_SCHEMA)),
    },
)

_COMPRESSOR = Scalar(
    f"one of {', '.join(COMPRESSORS)}, or null",
    lambda value: value is None or value in COMPRESSORS,
    {"enum": [*COMPRESSORS, None]},
)


def _whole(least: int, most: int) -> Scalar:
    return Scalar(
        f"a whole number, {least} to {most}",
        lambda value: type(value) is int and least <= value <= most,
        {"type": "integer", "minimum": least, "maximum": most},
    )


_COMPRESSOR_OPTIONS = Record(
    "a compressor's options",
    {
        "level": Key(_whole(0, 22), "of zstd and gzip"),
        "cname": Key(Choice(("lz4", "lz4hc", "blosclz", "zstd", "zlib"))),
        "clevel": Key(_whole(0, 9), "of blosc"),
        "shuffle": Key(
            Scalar(
                "noshuffle, shuffle, bitshuffle, or 0, 1, 2",
                lambda v: v in SHUFFLES or (type(v) is int and 0 <= v < len(SHUFFLES)),
                {"enum": [*SHUFFLES, *range(len(SHUFFLES))]},
            ),
            "of blosc",
        ),
        "blocksize": Key(_whole(0, 2**31 - 1), "of blosc"),
    },
)

TEMPLATE = Record(
    "a template",
    {
        "name": Key(WORKFLOW_NAME),
        "doc": Key(TEXTS),
        "tasks": Key(Items(TASK, least=1), required=True),
        "resources": Key(SCOPES),
        "merge_resources": Key(FLAG, "false: `resources` are for nothing but to be read"),
        "environments": Key(ENVIRONMENTS, "specifiers of the environments to take"),
        "env_presets": Key(TEXTS, "presets; a task takes the first that its schema has"),
        "merge_envs": Key(FLAG, "false: tasks don't take these environments and presets"),
        "loops": Key(Items(LOOP), "ranges of tasks that are executed several times"),
        "meta_tasks": Key(
            Map(Items(TASK, least=1)), "the tasks that a meta-task's schema stands for"
        ),
        "template_components": Key(COMPONENTS),
        "config": Key(
            Record(
                "configuration items",
                {
                    "scheduler": Key(FILLED_TEXT, "for resources that name none"),
                    "local_cores": Key(POSITIVE, "what the local scheduler may use"),
                },
            ),
            "the configuration while this workflow runs",
        ),
        "store_kwargs": Key(
            Record(
                "a store's settings",
                {
                    "compressor": Key(
                        Either(scalar=_COMPRESSOR),
                        "of columns; null: they are not compressed",
                    ),
                    "compressor_kwargs": Key(_COMPRESSOR_OPTIONS, "its options"),
                },
            )
        ),
    },
)
