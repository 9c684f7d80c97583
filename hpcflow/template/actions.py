"""The actions of a task schema."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from hpcflow.model.command_text import (
    BARE_KINDS,
    CommandTextError,
    Form,
    parse_capture_text,
    parse_command_text,
)
from hpcflow.model.parameter_value import PARSE
from hpcflow.model.schema import (
    MAIN,
    PYTHON_SCRIPT,
    Action,
    ActionFiles,
    Capture,
    Command,
    Script,
)
from hpcflow.template.command_forms import check_specifier, command_text, read_stdin
from hpcflow.template.context import Section
from hpcflow.template.environments import (
    NULL_ENV,
    PYTHON_ENV,
    environment_name,
    environment_specifiers,
    is_for_scripts,
)
from hpcflow.template.file_actions import (
    PATH,
    Offer,
    generator_scope,
    generators,
    made_by_parsers,
    main_files,
    parser_files,
    parser_scope,
    parsers,
    read_file_script,
    read_label,
    read_names,
    read_options,
)
from hpcflow.template.jinja import KEYS, TARGET, read_rendering
from hpcflow.template.labels import any_label
from hpcflow.template.nodes import Node, broken, child, items, key_at, value_of
from hpcflow.template.problems import listed, nearest
from hpcflow.template.programs import KEYS as PROGRAM_KEYS
from hpcflow.template.programs import check_no_program, read_program
from hpcflow.template.resources import RESOURCES_IN_COMMANDS, RESOURCES_IN_RULES
from hpcflow.template.rules import read_rules
from hpcflow.template.scopes import EXPECTED, parse_scope, scope_text, scopes_of
from hpcflow.template.script_reader import Surroundings, read_script
from hpcflow.template.value_classes import check_method

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hpcflow.template.context import Context
    from hpcflow.template.problems import Path
    from hpcflow.template.value_classes import Classes

_SCRIPT_FORM = re.compile(r"<<script:([^<>]+)>>")
# An output that a command sets itself: `callback set NAME`, `"$HPCFLOW_CALLBACK" set NAME`.
_CALLBACK_SET = re.compile(
    r"""(?:\bcallback|\$\{?HPCFLOW_CALLBACK\}?["']?)[\s\\]+set\s+"""
    r"""(?:--json\s+)?["']?([A-Za-z_]\w*)"""
)
_STREAMS = ("stdout", "stderr")
_DOES = ("commands", "script", *PROGRAM_KEYS)  # what makes an action more than files


@dataclass(slots=True)
class Draft:
    """An action as read. made_at: where each output is made, for problems with it."""

    action: Action
    made_at: dict[str, tuple[int, Path]] = field(default_factory=dict)
    faulty: bool = False


def made_without_script(action: Node) -> list[str]:
    """The outputs that an action's commands and parsers make, as far as can be read."""
    found = made_by_parsers(action)
    for _, command in items(child(action, "commands")):
        found += _CALLBACK_SET.findall(value_of(command, "command", ""))
        for stream in _STREAMS:
            text = value_of(command, stream)
            try:
                capture = parse_capture_text(text) if text is not None else None
            except CommandTextError:
                capture = None
            if capture is not None and capture.output is not None:
                found.append(capture.output)
    return found


class ActionReader:
    """Reads the actions of one schema, in order."""

    def __init__(
        self, context: Context, inputs: tuple[str, ...], outputs: tuple[str, ...]
    ) -> None:
        self._context = context
        self.classes: Classes = {}
        self._inputs = inputs
        self._outputs = outputs
        self._available: dict[str, None] = {}
        self._draft = Draft(Action())
        self._section = Section(context)
        self._environment: str | None = None
        self._environments: dict[str, Node] | None = {}
        self._read: dict[str, None] = {}
        self._mentioned: dict[str, None] = {}
        self._scripts: dict[str, str] = {}  # of the command that is read

    def read(
        self, node: Node, path: Path, earlier: Sequence[Draft], elsewhere: frozenset[str]
    ) -> list[Draft]:
        """Read one action: its generators, itself, its parsers, each with its own runs.

        elsewhere: outputs that other actions' commands and parsers make.
        """
        self._section = Section(self._context, faulty=broken(node))
        self._environments = self._read_environments(node, path)
        drafts = list(earlier)
        for item, here in generators(node, path):
            drafts.append(self._read_generator(item, here, drafts))
        rendering = self._read_rendering(node, path, drafts)
        drafts += rendering
        own = {*_DOES} & set(node.value)
        has_none = len(drafts) == len(earlier) and not any(parsers(node, path))
        if own or (has_none and not set(KEYS) & set(node.value)):
            made_elsewhere = elsewhere | set(made_by_parsers(node))
            rendered = tuple(label for d in rendering for label in d.action.files.makes)
            drafts.append(self._read_main(node, path, drafts, made_elsewhere, rendered))
        for output, item, here in parsers(node, path):
            drafts.append(self._read_parser(output, item, here, drafts))
        found = drafts[len(earlier) :]
        rules = self._read_rules(node, path)
        for draft in found:
            draft.faulty |= self._section.faulty
            directory = self._requires_dir(node, draft.action)
            abortable = draft.action.scope == MAIN and value_of(node, "abortable", False)
            draft.action = replace(
                draft.action,
                rules=(*rules, *draft.action.rules),
                requires_dir=directory,
                abortable=draft.action.abortable or abortable,
            )
            if draft not in rendering:
                specifiers = self._specifiers_of(draft.action.scope)
                draft.action = replace(draft.action, environment_specifiers=specifiers)
        self._check_directory(found, node, path)
        self._check_removed(found, node, path)
        return found

    def _begin(self, earlier: Sequence[Draft], scope: str, default: str) -> None:
        """Start with the next of the actions that one of the template stands for."""
        self._draft = Draft(Action())
        self._read, self._mentioned = {}, {}
        made_before = [name for draft in earlier for name in draft.action.outputs]
        self._available = dict.fromkeys((*self._inputs, *made_before))
        self._environment = self._environment_of(scope, default)

    def _read_rendering(
        self, node: Node, path: Path, earlier: Sequence[Draft]
    ) -> list[Draft]:
        """The run that renders the action's template, if it has one."""
        self._begin(earlier, MAIN, PYTHON_ENV)
        found = read_rendering(node, path, tuple(self._available), self._section)
        if found is None:
            return []
        label = found.file.label
        files = ActionFiles(makes=(label,), arguments=((TARGET, label),))
        alone = not {*_DOES} & set(node.value)
        if alone:
            files = main_files(node, path, (), (), self._section)
            files = replace(
                files,
                makes=tuple(dict.fromkeys((label, *files.makes))),
                arguments=((TARGET, label),),
            )
        self._draft.action = Action(PYTHON_ENV, (), found.script, found.inputs, files=files)
        return [self._draft]

    def _read_main(
        self,
        node: Node,
        path: Path,
        earlier: Sequence[Draft],
        elsewhere: frozenset[str],
        rendered: tuple[str, ...],
    ) -> Draft:
        commands_node, script_node = child(node, "commands"), child(node, "script")
        self._begin(earlier, MAIN, PYTHON_ENV if script_node is not None else NULL_ENV)
        program = any(child(node, key) is not None for key in PROGRAM_KEYS)
        kinds = [commands_node is not None, script_node is not None, program]
        if sum(kinds) != 1 and not self._section.faulty:
            names = ("`commands`", "a `script`", "a `program`")
            given = [name for name, there in zip(names, kinds, strict=True) if there]
            self._section.add(
                node.at,
                path,
                "an action has either `commands`, a `script` or a `program`; this one has "
                + (" and ".join(given) if given else "none of them"),
            )
        commands = self._read_commands(commands_node, path) if commands_node else ()
        script = self._read_script(node, path, elsewhere) if script_node else None
        if program and script is None:
            script = self._read_program(node, path, elsewhere)
        elif not program:
            check_no_program(node, path, self._section)
        before = {label for draft in earlier for label in draft.action.files.makes}
        self._draft.action = Action(
            self._environment or NULL_ENV,
            commands,
            script,
            tuple(self._read),
            tuple(self._draft.made_at),
            files=main_files(node, path, self._mentioned, before, self._section, rendered),
        )
        return self._draft

    # files

    def _read_generator(self, node: Node, path: Path, earlier: Sequence[Draft]) -> Draft:
        scope = generator_scope(node)
        self._begin(earlier, scope, PYTHON_ENV)
        label = read_label(node, "input_file", path, self._section)
        if label is not None and self._context.command_files.by_label[label].is_regex:
            self._section.add(
                node.at,
                (*path, "input_file"),
                f"the file {label!r} is a regular expression; a generator makes one file",
            )
        inputs = read_names(node, "from_inputs", path, self._available, self._section)
        passes = value_of(node, "script_pass_env_spec", False)
        offer = Offer(((PATH, label or ""),), inputs, passes)
        script = self._read_file_script(node, path, offer, "")
        made = () if label is None else (label,)
        files = ActionFiles(makes=made, arguments=offer.files, replaceable=True)
        self._draft.action = Action(
            self._environment or NULL_ENV,
            (),
            script,
            inputs,
            files=files,
            scope=scope,
            abortable=value_of(node, "abortable", False),
            rules=self._read_rules(node, path),
        )
        return self._draft

    def _read_parser(
        self, output: str, node: Node, path: Path, earlier: Sequence[Draft]
    ) -> Draft:
        scope, has_script = parser_scope(output), child(node, "script") is not None
        self._begin(earlier, scope, PYTHON_ENV if has_script else NULL_ENV)
        files = parser_files(node, path, self._section, saves_what_it_reads=not has_script)
        inputs = read_names(node, "inputs", path, self._available, self._section)
        inputs += read_names(node, "outputs", path, self._available, self._section)
        script = None
        if has_script:
            passes = value_of(node, "script_pass_env_spec", False)
            options = read_options(node, path, self._section)
            offer = Offer(files.arguments, inputs, passes, options)
            script = self._read_file_script(node, path, offer, output)
        elif output and not broken(node):
            message = f"nothing makes {output!r}: the parser has no `script`"
            self._section.add(node.at, path, message)
        if output:
            self._draft.made_at[output] = (node.at, path)
        self._draft.action = Action(
            self._environment or NULL_ENV,
            () if has_script else (Command(":"),),
            script,
            tuple(dict.fromkeys(inputs)),
            tuple(self._draft.made_at),
            files=files,
            scope=scope,
            abortable=value_of(node, "abortable", False),
            rules=self._read_rules(node, path),
        )
        return self._draft

    def _read_file_script(
        self, node: Node, path: Path, offer: Offer, output: str
    ) -> Script | None:
        spec = child(node, "script")
        if spec is None:
            return None
        here = (*path, "script")
        self._check_executable(PYTHON_SCRIPT, spec.at, here)
        return read_file_script(spec, here, offer, output, self._section)

    def _requires_dir(self, node: Node, action: Action) -> bool:
        """Whether a run works in a directory of its element."""
        said: bool | None = value_of(node, "requires_dir")
        if said is None:
            return bool(action.files.used) or _writes_files(action.commands)
        return said

    def _check_directory(self, drafts: Sequence[Draft], node: Node, path: Path) -> None:
        """What has files is not told to do without a directory."""
        used = dict.fromkeys(n for draft in drafts for n in draft.action.files.used)
        if value_of(node, "requires_dir") is False and used:
            self._section.add(
                key_at(node, "requires_dir"),
                (*path, "requires_dir"),
                f"the action has files ({listed(used)}), so its runs need a directory",
            )
            for draft in drafts:
                draft.faulty = True

    def _check_removed(self, drafts: Sequence[Draft], node: Node, path: Path) -> None:
        """No file is deleted that a later part of the same action needs."""
        for number, draft in enumerate(drafts):
            later = {n for other in drafts[number + 1 :] for n in other.action.files.needs}
            for label in draft.action.files.removes:
                if label in later:
                    message = f"{label!r} is deleted before it is read"
                    self._section.add(node.at, path, message, "`clean_up` of what reads it")
                    draft.faulty = True

    # environments and executables

    def _read_environments(self, node: Node, path: Path) -> dict[str, Node] | None:
        """The environments that are given, by scope; None where they are not understood."""
        spec = child(node, "environments")
        found: dict[str, tuple[Node, Path]] = {}
        for scope, item, here in _scoped(spec, (*path, "environments")):
            if parse_scope(scope) is None:
                self._section.add(item.at, here, f"{scope!r} is no scope", EXPECTED)
            if scope in found:
                self._section.add(item.at, here, f"the scope {scope!r} is given twice")
            found[scope] = (item, here)
        known = self._context.environments
        for item, here in found.values():
            name = environment_name(item)
            if name not in known:
                self._section.add(
                    item.at,
                    here,
                    f"unknown environment {name!r}",
                    expected=f"one of {listed(known)}",
                    suggestion=nearest(name, known),
                )
        if spec is not None and broken(spec):
            return None
        return {scope: item for scope, (item, _) in found.items()}

    def _environment_of(self, scope: str, default: str) -> str | None:
        """The environment of the most specific scope given; None where it is not known."""
        if self._environments is None:
            return None
        given = [s for s in scopes_of(scope) if s in self._environments]
        name = environment_name(self._environments[given[-1]]) if given else default
        return name if name in self._context.environments else None

    def _specifiers_of(self, scope: str) -> tuple[tuple[str, Any], ...]:
        """What the environment of the most specific scope given must have."""
        known = self._environments or {}
        given = [s for s in scopes_of(scope) if s in known]
        return environment_specifiers(known[given[-1]]) if given else ()

    def _check_executable(
        self, label: str, at: int, path: Path, *, in_command: bool = False
    ) -> None:
        if self._environment is None:
            return
        environment = self._context.environments[self._environment]
        known = {executable.label: executable for executable in environment.executables}
        if label not in known:
            self._section.add(
                at,
                path,
                f"the environment {environment.name!r} has no executable {label!r}",
                f"one of {listed(known)}" if known else "an environment with it",
                nearest(label, known),
            )
        elif in_command and is_for_scripts(known[label]):
            message = f"the executable {label!r} is for a `script`, not for commands"
            self._section.add(at, path, message)

    # commands

    def _read_commands(self, node: Node, path: Path) -> tuple[Command, ...]:
        places = [((*path, "commands", number), item) for number, item in items(node)]
        commands = tuple(self._read_command(item, here) for here, item in places)
        for here, item in places:
            for key in ("command", "executable"):
                text = child(item, key)
                if text is not None:
                    self._read_callbacks(text, (*here, key))
        return commands

    def _read_callbacks(self, text: Node, path: Path) -> None:
        """The outputs that a command sets by callbacks; they may be captured as well."""
        for match in _CALLBACK_SET.finditer(text.value):
            at = self._context.offset_in(text, match.start(1))
            self._draft.made_at.setdefault(match[1], (at, path))

    def _read_command(self, node: Node, path: Path) -> Command:
        self._scripts = {}
        found = command_text(node, path, self._section)
        if found is not None:
            self._read_text(*found)
        stdin = read_stdin(node, path, self._section, self._check_form_at)
        rules = self._read_rules(node, path)
        stdout, stderr = (
            self._read_capture(child(node, stream), (*path, stream), ruled=bool(rules))
            for stream in _STREAMS
        )
        text = "" if found is None else found[0].value
        scripts = tuple(self._scripts.items())
        return Command(text, stdout, stderr, rules, stdin, scripts)

    def _read_rules(self, node: Node, path: Path) -> tuple[dict[str, Any], ...]:
        """The rules of the action, or of one of its commands."""
        names = {
            "inputs": self._inputs,
            "outputs": tuple(dict.fromkeys((*self._available, *self._outputs))),
            "resources": RESOURCES_IN_RULES,
        }
        return read_rules(child(node, "rules"), (*path, "rules"), names, self._section)

    def _read_text(self, node: Node, path: Path) -> None:
        try:
            parts = parse_command_text(node.value)
            self._context.check_command(node.value)
        except CommandTextError as error:
            self._section.command_error(node, path, error)
            return
        for form in parts:
            if isinstance(form, Form):
                at = self._context.offset_in(node, form.offset)
                self._check_form(form, node.value[form.offset : form.end], at, path)

    def _check_form(self, form: Form, text: str, at: int, path: Path) -> None:
        if form.kind == "parameter":
            self._use(form.parameter, at, path)
            if form.method:
                self._check_method(form.name, form.method, at, path)
        elif form.kind == "executable":
            self._check_executable(form.name, at, path, in_command=True)
        elif form.kind == "resource" and form.name not in RESOURCES_IN_COMMANDS:
            self._section.add(
                at,
                path,
                f"unknown resource {form.name!r}",
                suggestion=nearest(form.name, RESOURCES_IN_COMMANDS),
            )
        elif form.kind == "resource":
            pass  # whether it is set depends on the task
        elif form.kind == "file":
            self._mention(form.name, at, path)
        elif form.kind == "env":
            check_specifier(form.name, self._environment, at, path, self._section)
        elif form.kind == "script":
            content = self._context.read_file(Node(form.name, at), path, "script")
            if content is None:
                self._section.faulty = True
            else:
                self._scripts[form.name] = content
        elif form.kind in BARE_KINDS:
            expected = "a command of an environment's executable, which may hold it"
            self._section.add(at, path, f"`{text}` has no meaning in a command", expected)

    def _check_form_at(self, form: Form, text: str, at: int, path: Path) -> None:
        self._check_form(form, text, at, path)

    def _check_method(
        self, parameter: str, method: str, at: int, path: Path, *, parses: bool = False
    ) -> None:
        """Check that the class of a parameter has a method."""
        kind = self.classes.get(parameter)
        if kind is None:
            message = f"{parameter!r} has no class, so no method {method!r}"
            expected = "a class of it in `parameter_class_modules`"
            self._section.add(at, path, message, expected)
            return
        wrong = check_method(kind, method, parses=parses)
        if wrong is not None:
            self._section.add(at, path, *wrong)

    def _mention(self, label: str, at: int, path: Path) -> None:
        """Note a file whose name a command uses."""
        file = self._context.command_files.find(label, at, path, self._section)
        if file is not None and file.is_regex:
            message = f"the name of the file {label!r} is not known: it is found by a "
            self._section.add(at, path, message + "regular expression")
        self._mentioned[label] = None

    def _use(self, name: str, at: int, path: Path) -> None:
        self._read[name] = None
        parameter, bracket, _ = name.partition("[")
        if name in self._available or (bracket and any_label(parameter) in self._available):
            return
        what = f"the command uses {name!r}, which"
        if name in self._draft.made_at:
            message = f"{what} the same action makes"
            self._section.add(at, path, message, "a later action to use it")
            return
        self._section.add(
            at,
            path,
            f"{what} is neither an input of the schema nor made by an earlier action",
            f"one of {listed(self._available)}",
            nearest(name, self._available),
        )

    def _read_capture(
        self, node: Node | None, path: Path, *, ruled: bool = False
    ) -> Capture | None:
        if node is None:
            return None
        try:
            capture = parse_capture_text(node.value)
        except CommandTextError as error:
            self._section.command_error(node, path, error)
            return None
        if capture.output is not None:
            output = capture.output
            if output in self.classes and capture.type != "class" and "(" not in node.value:
                capture = replace(capture, type="class", method=PARSE)
            if capture.type == "class":
                self._check_method(output, capture.method, node.at, path, parses=True)
            if output in self._draft.made_at and not ruled:
                self._section.add(node.at, path, f"the action captures {output!r} twice")
            self._draft.made_at[output] = (node.at, path)
        return capture

    # scripts

    def _read_script(
        self, node: Node, path: Path, elsewhere: frozenset[str]
    ) -> Script | None:
        spec = child(node, "script")
        assert spec is not None
        at, here = spec.at, (*path, "script")
        match = _SCRIPT_FORM.fullmatch(spec.value.strip())
        name = match[1].strip() if match else spec.value.strip()
        if "<<" in name:
            self._section.add(
                at,
                here,
                f"{spec.value!r} is not understood",
                "`<<script:NAME.py>>` or a path",
            )
            return None
        executable = value_of(node, "script_exe", PYTHON_SCRIPT)
        exe_node = child(node, "script_exe")
        self._check_executable(
            executable,
            exe_node.at if exe_node else at,
            (*path, "script_exe") if exe_node else here,
        )
        around = Surroundings(
            self._inputs,
            tuple(self._available),
            tuple(name for name in self._outputs if name not in elsewhere),
            self._environment,
        )
        found = read_script(node, name, path, around, self._section)
        if found is None:
            return None
        script, binding = found
        self._read.update(dict.fromkeys(binding.reads))
        self._draft.made_at.update(dict.fromkeys(binding.makes, (at, here)))
        return script

    def _read_program(
        self, node: Node, path: Path, elsewhere: frozenset[str]
    ) -> Script | None:
        outputs = tuple(name for name in self._outputs if name not in elsewhere)
        available = tuple(self._available)
        around = Surroundings(self._inputs, available, outputs, self._environment)
        spec = child(node, "program_exe")
        if spec is not None:
            self._check_executable(spec.value, spec.at, (*path, "program_exe"))
        found = read_program(node, path, around, self._section)
        if found is None:
            return None
        script, binding = found
        self._read.update(dict.fromkeys(binding.reads))
        self._draft.made_at.update(dict.fromkeys(binding.makes, (node.at, path)))
        return script


def _scoped(spec: Node | None, path: Path) -> list[tuple[str, Node, Path]]:
    """The environment names of an action with their scopes, from either form."""
    if spec is None:
        return []
    if isinstance(spec.value, dict):
        return [
            (parse_scope(scope) or scope, item, (*path, scope))
            for scope, item in spec.value.items()
            if not item.bad and item.value is not None
        ]
    found = []
    for number, item in items(spec):
        scope, name = child(item, "scope"), child(item, "environment")
        if name is None or (scope is None and "scope" in item.value):
            continue
        kind = "any"
        if scope is not None and isinstance(scope.value, dict):
            kind = scope_text(value_of(scope, "type", "any"), value_of(scope, "kwargs"))
        elif scope is not None:
            kind = parse_scope(scope.value) or scope.value
        found.append((kind, name, (*path, number, "environment")))
    return found


def _writes_files(commands: tuple[Command, ...]) -> bool:
    return any(
        capture is not None and capture.file is not None
        for command in commands
        for capture in (command.stdout, command.stderr)
    )
