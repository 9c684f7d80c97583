"""The runs of an action's input file generators and output file parsers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hpcflow.model.schema import PYTHON_SCRIPT, Action, ActionFiles, Command, Script
from hpcflow.template.environments import NULL_ENV
from hpcflow.template.file_actions import (
    PATH,
    Offer,
    generator_scope,
    parser_files,
    parser_scope,
    read_file_script,
    read_label,
    read_names,
    read_options,
)
from hpcflow.template.nodes import Node, broken, child, value_of

if TYPE_CHECKING:
    from hpcflow.template.action_drafts import Draft, Reading
    from hpcflow.template.problems import Path


def read_generator(node: Node, path: Path, reading: Reading) -> Draft:
    """The run of an input file generator."""
    section = reading.section
    label = read_label(node, "input_file", path, section)
    if label is not None and reading.context.command_files.by_label[label].is_regex:
        section.add(
            node.at,
            (*path, "input_file"),
            f"the file {label!r} is a regular expression; a generator makes one file",
        )
    inputs = read_names(node, "from_inputs", path, reading.available, section)
    passes = value_of(node, "script_pass_env_spec", False)
    offer = Offer(((PATH, label or ""),), inputs, passes)
    script = _read_script(node, path, offer, "", reading)
    made = () if label is None else (label,)
    files = ActionFiles(makes=made, arguments=offer.files, replaceable=True)
    reading.draft.action = Action(
        reading.environment or NULL_ENV,
        (),
        script,
        inputs,
        files=files,
        scope=generator_scope(node),
        abortable=value_of(node, "abortable", False),
        rules=reading.rules(node, path),
    )
    return reading.draft


def read_parser(output: str, node: Node, path: Path, reading: Reading) -> Draft:
    """The run of an output file parser; output: what it makes, "" for nothing."""
    section, has_script = reading.section, child(node, "script") is not None
    files = parser_files(node, path, section, saves_what_it_reads=not has_script)
    inputs = read_names(node, "inputs", path, reading.available, section)
    inputs += read_names(node, "outputs", path, reading.available, section)
    script = None
    if has_script:
        passes = value_of(node, "script_pass_env_spec", False)
        options = read_options(node, path, section)
        offer = Offer(files.arguments, inputs, passes, options)
        script = _read_script(node, path, offer, output, reading)
    elif output and not broken(node):
        message = f"nothing makes {output!r}: the parser has no `script`"
        section.add(node.at, path, message)
    if output:
        reading.draft.made_at[output] = (node.at, path)
    reading.draft.action = Action(
        reading.environment or NULL_ENV,
        () if has_script else (Command(":"),),
        script,
        tuple(dict.fromkeys(inputs)),
        tuple(reading.draft.made_at),
        files=files,
        scope=parser_scope(output),
        abortable=value_of(node, "abortable", False),
        rules=reading.rules(node, path),
    )
    return reading.draft


def _read_script(
    node: Node, path: Path, offer: Offer, output: str, reading: Reading
) -> Script | None:
    spec = child(node, "script")
    if spec is None:
        return None
    here = (*path, "script")
    reading.check_executable(PYTHON_SCRIPT, spec.at, here)
    return read_file_script(spec, here, offer, output, reading.section)
