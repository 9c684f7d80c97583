"""What actions have to do with files: their labels, and generators and parsers."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hpcflow.model.schema import RETURNS_NOTHING, RETURNS_VALUE, ActionFiles, Script
from hpcflow.template.nodes import Node, broken, child, entries, items, plain, value_of
from hpcflow.template.problems import listed, nearest
from hpcflow.template.scopes import GENERATOR, PARSER, scope
from hpcflow.template.scripts import ScriptError, read_function
from jobstores import values

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from hpcflow.template.context import Section
    from hpcflow.template.problems import Path

SCRIPT_FORM = re.compile(r"<<script:([^<>]+)>>")
ENV_SPEC = "env_spec"
PATH = "path"  # the argument of a generator's function that is its file


@dataclass(frozen=True, slots=True)
class Offer:
    """What a generator's or parser's function is called with.

    files: its arguments that are paths, with the labels of the files. inputs: those that
    are values; a parameter `p` stands for the labelled `p[one]`, `p[two]` too. env_spec:
    it gets its environment's name and specifiers, too. options: further arguments, and
    their encoded values.
    """

    files: tuple[tuple[str, str], ...]
    inputs: tuple[str, ...]
    env_spec: bool = False
    options: tuple[tuple[str, Any], ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all arguments."""
        named = [*(name for name, _ in self.files), *(n.split("[")[0] for n in self.inputs)]
        named += [ENV_SPEC] if self.env_spec else []
        return tuple(dict.fromkeys((*named, *(name for name, _ in self.options))))


def read_labels(node: Node, key: str, path: Path, section: Section) -> tuple[str, ...]:
    """The labels of a key that lists command files; unknown ones are reported."""
    found = [
        item.value
        for number, item in items(child(node, key))
        if section.context.command_files.find(
            item.value, item.at, (*path, key, number), section
        )
    ]
    return tuple(dict.fromkeys(found))


def read_label(node: Node, key: str, path: Path, section: Section) -> str | None:
    """The label that a key names; None where it is unknown, which is reported."""
    item = child(node, key)
    if item is None:
        return None
    found = section.context.command_files.find(item.value, item.at, (*path, key), section)
    return None if found is None else found.label


def generators(node: Node, path: Path) -> Iterator[tuple[Node, Path]]:
    """The input file generators of an action, each with its place."""
    for number, item in items(child(node, "input_file_generators")):
        yield item, (*path, "input_file_generators", number)


def parsers(node: Node, path: Path) -> Iterator[tuple[str, Node, Path]]:
    """The output file parsers of an action: output ("" for none), parser, place."""
    spec = child(node, "output_file_parsers")
    here = (*path, "output_file_parsers")
    if spec is not None and isinstance(spec.value, dict):
        for output, _, item in entries(spec):
            if not item.bad:
                yield output, item, (*here, output)
        return
    for number, item in items(spec):
        yield value_of(item, "output", ""), item, (*here, number)


def made_by_parsers(node: Node) -> list[str]:
    """The outputs that an action's parsers make; what can't be read is left out."""
    return [output for output, _, _ in parsers(node, ()) if output]


def generator_scope(node: Node) -> str:
    """The scope of a generator's runs."""
    return scope(GENERATOR, str(value_of(node, "input_file", "")))


def parser_scope(output: str) -> str:
    """The scope of a parser's runs."""
    return scope(PARSER, output)


def main_files(
    node: Node,
    path: Path,
    mentioned: Collection[str],
    before: Collection[str],
    section: Section,
    rendered: tuple[str, ...] = (),
) -> ActionFiles:
    """The files of a main action.

    mentioned: labels in its commands. before: labels that earlier actions make, its own
    generators among them. rendered: what is made of its template.
    """
    makes = read_labels(node, "output_files", path, section)
    saves = read_labels(node, "save_files", path, section)
    removes = read_labels(node, "clean_up", path, section)
    generated = [
        label
        for item, here in generators(node, path)
        if (label := value_of(item, "input_file")) is not None
    ]
    parsed = [
        label.value
        for _, item, _ in parsers(node, path)
        for _, label in items(child(item, "from_files"))
    ]
    needs = [*generated, *rendered, *read_labels(node, "input_files", path, section)]
    needs += [label for label in (*mentioned, *saves) if label in before]
    needs = [label for label in needs if label not in makes]
    known = {*needs, *before}
    # What its parsers read is as the action leaves it, even a file that was there before:
    # they wait for the action.
    makes += (*parsed, *(label for label in saves if label not in known))
    return ActionFiles(
        tuple(dict.fromkeys(needs)), tuple(dict.fromkeys(makes)), saves, removes
    )


def parser_files(
    node: Node, path: Path, section: Section, *, saves_what_it_reads: bool
) -> ActionFiles:
    """The files of a parser; one without a script is there to save those it reads."""
    reads = read_labels(node, "from_files", path, section)
    saves = read_labels(node, "save_files", path, section)
    if saves_what_it_reads:
        saves = tuple(dict.fromkeys((*reads, *saves)))
    makes = tuple(label for label in saves if label not in reads)
    removes = read_labels(node, "clean_up", path, section)
    arguments = tuple((label, label) for label in reads)
    return ActionFiles(reads, makes, saves, removes, arguments)


def read_names(
    node: Node, key: str, path: Path, available: Collection[str], section: Section
) -> tuple[str, ...]:
    """The parameters that a key lists; of a labelled one, all with its name."""
    found: dict[str, None] = {}
    for number, item in items(child(node, key)):
        name: str = item.value
        known = [n for n in available if name in (n, n.split("[")[0])]
        found.update(dict.fromkeys(known))
        if not known:
            section.add(
                item.at,
                (*path, key, number),
                f"{name!r} is neither an input of the schema nor made by an earlier action",
                f"one of {listed(available)}",
                nearest(name, available),
            )
    return tuple(found)


def read_options(node: Node, path: Path, section: Section) -> tuple[tuple[str, Any], ...]:
    """The `options` of a parser, encoded; those of a name that it has are reported."""
    taken = {
        *(item.value for _, item in items(child(node, "from_files"))),
        *(
            item.value
            for key in ("inputs", "outputs")
            for _, item in items(child(node, key))
        ),
        *([ENV_SPEC] if value_of(node, "script_pass_env_spec") else []),
    }
    found = []
    for name, at, item in entries(child(node, "options")):
        if name in taken:
            message = f"its function gets {name!r} already"
            section.add(at, (*path, "options", name), message, "another name")
        elif not broken(item):
            found.append((name, values.encode(plain(item))))
    return tuple(found)


def script_name(node: Node, path: Path, section: Section) -> str | None:
    """The file that a `script` names; None where it is not understood."""
    text: str = node.value.strip()
    match = SCRIPT_FORM.fullmatch(text)
    name = match[1].strip() if match else text
    if "<<" not in name:
        return name
    expected = "`<<script:NAME.py>>` or a path"
    section.add(node.at, path, f"{node.value!r} is not understood", expected)
    return None


def read_file_script(
    node: Node, path: Path, offer: Offer, output: str, section: Section
) -> Script | None:
    """The script of a generator, or of a parser that makes `output`."""
    name = script_name(node, path, section)
    if name is None:
        return None
    text = section.context.read_file(Node(name, node.at), path, "script")
    if text is None:
        section.faulty = True
        return None
    try:
        function = read_function(text, name)
    except ScriptError as error:
        section.add(node.at, path, error.message, error.expected, error.suggestion)
        return None
    what = f"the function {function.name!r} "
    for argument in function.required:
        if argument not in offer.names:
            message = f"{what}takes {argument!r}, which it is not given"
            meant = nearest(argument, offer.names)
            section.add(node.at, path, message, f"one of {listed(offer.names)}", meant)
    for argument in offer.names:
        if not function.open and argument not in function.parameters:
            message = f"{what}does not take {argument!r}, which it is given"
            meant = nearest(argument, function.parameters)
            section.add(node.at, path, message, "", meant)
    if output and not function.returns:
        section.add(node.at, path, f"{what}returns nothing", f"the value of {output!r}")
    returns = RETURNS_VALUE if output else RETURNS_NOTHING
    return Script(
        name.rsplit("/", 1)[-1],
        text,
        pass_env_spec=offer.env_spec,
        returns=returns,
        options=offer.options,
    )
