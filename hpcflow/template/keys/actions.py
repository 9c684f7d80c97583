"""Actions of task schemas: commands, scripts, programs, files."""

from __future__ import annotations

from hpcflow.template.generators import FLAG
from hpcflow.template.keys.environments import SCOPE, SPECIFIER
from hpcflow.template.keys.rules import RULES
from hpcflow.template.keys.values import (
    ENVIRONMENT_NAME,
    FILLED_TEXT,
    LABEL,
    NAME,
    TEXT_OR_NUMBER,
)
from hpcflow.template.scopes import KINDS as SCOPE_KINDS
from hpcflow.template.shape import Anything, Choice, Either, Items, Key, Map, Record

COMMAND = Record(
    "a command",
    {
        "command": Key(FILLED_TEXT, "bash"),
        "executable": Key(FILLED_TEXT, "in place of `command`: `<<executable:LABEL>>`"),
        "arguments": Key(Items(TEXT_OR_NUMBER), "what follows the `executable`"),
        "variables": Key(Map(TEXT_OR_NUMBER, names=NAME), "what `<<NAME>>` stands for"),
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
    },
)
