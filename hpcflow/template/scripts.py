"""What can be known of a Python script without running it."""

from __future__ import annotations

import ast
import posixpath
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hpcflow.template.problems import listed, nearest

if TYPE_CHECKING:
    from collections.abc import Iterator

INPUT_FILES = "_input_files"
OUTPUT_FILES = "_output_files"
ENV_SPEC = "env_spec"


class ScriptError(ValueError):
    """A script that can't be used; the message says why."""

    def __init__(
        self,
        message: str,
        expected: str = "",
        suggestion: str = "",
        *,
        without_function: bool = False,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.expected = expected
        self.suggestion = suggestion
        self.without_function = without_function


@dataclass(frozen=True, slots=True)
class Function:
    """The function that a script's run calls.

    parameters: names it takes; required: those without a default. open: it takes any
    name (`**kwargs`, or its definition can't be seen). returned: the keys of the dicts
    it returns, None where they can't be seen. returns: whether it returns anything.
    """

    name: str
    parameters: tuple[str, ...] = ()
    required: tuple[str, ...] = ()
    open: bool = True
    returned: tuple[str, ...] | None = None
    returns: bool = True


def read_function(text: str, file: str) -> Function:
    """The function named as a script's file.

    Raises: ScriptError
    """
    base = posixpath.basename(file)
    name, extension = posixpath.splitext(base)
    if extension != ".py":
        raise ScriptError(
            f"the script {base!r} has no function to call", expected="a Python script, *.py"
        )
    if not name.isidentifier():
        raise ScriptError(
            f"no function can be named as the script {base!r}",
            expected="a file name of letters, digits and _",
            without_function=True,
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            module = ast.parse(text)
    except SyntaxError as error:
        place = f":{error.lineno}:{error.offset or 0}" if error.lineno else ""
        raise ScriptError(f"{base}{place}: {error.msg}") from error
    except ValueError as error:
        raise ScriptError(f"{base}: {error}") from error
    definitions = dict(_definitions(module.body))
    if name not in definitions:
        functions = [n for n, made in definitions.items() if made is not None]
        raise ScriptError(
            f"{base} has no function {name!r}",
            expected=f"a function named as the file; it has {listed(functions)}",
            suggestion=nearest(name, functions),
            without_function=True,
        )
    found = definitions[name]
    return Function(name) if found is None else _describe(found)


def defines_function(text: str, file: str) -> bool:
    """Whether a script has a function named as its file, or can't be understood."""
    try:
        read_function(text, file)
    except ScriptError as error:
        return not error.without_function
    return True


_Def = ast.FunctionDef | ast.AsyncFunctionDef


def _definitions(body: list[ast.stmt]) -> Iterator[tuple[str, _Def | None]]:
    """Names that a module binds, with the function where it is one that can be seen."""
    for statement in body:
        match statement:
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                plain_function = not statement.decorator_list
                yield statement.name, statement if plain_function else None
            case ast.ClassDef():
                yield statement.name, None
            case ast.Import() | ast.ImportFrom():
                for alias in statement.names:
                    yield alias.asname or alias.name.split(".")[0], None
            case ast.Assign() | ast.AnnAssign():
                for part in ast.walk(statement):
                    if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store):
                        yield part.id, None
            case ast.If() | ast.Try() | ast.With():
                yield from _definitions(statement.body)
                yield from _definitions(getattr(statement, "orelse", []))
                for handler in getattr(statement, "handlers", []):
                    yield from _definitions(handler.body)


def _describe(function: _Def) -> Function:
    arguments = function.args
    positional = [*arguments.posonlyargs, *arguments.args]
    optional = len(arguments.defaults)
    required = positional[: len(positional) - optional] + [
        argument
        for argument, default in zip(
            arguments.kwonlyargs, arguments.kw_defaults, strict=True
        )
        if default is None
    ]
    returns = list(_returns(function.body))
    return Function(
        function.name,
        tuple(a.arg for a in (*positional, *arguments.kwonlyargs)),
        tuple(a.arg for a in required),
        arguments.kwarg is not None,
        _returned_keys(returns),
        bool(returns),
    )


def _returns(body: list[ast.stmt]) -> Iterator[ast.expr]:
    """The values of a function's return statements, not those of functions inside it."""
    stack: list[ast.AST] = list(reversed(body))
    while stack:
        node = stack.pop()
        if isinstance(node, ast.Return):
            if node.value is not None and not _is_none(node.value):
                yield node.value
        elif not isinstance(
            node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda
        ):
            stack.extend(reversed(list(ast.iter_child_nodes(node))))


def _is_none(value: ast.expr) -> bool:
    return isinstance(value, ast.Constant) and value.value is None


def _returned_keys(returns: list[ast.expr]) -> tuple[str, ...] | None:
    keys: dict[str, None] = {}
    for value in returns:
        found = _dict_keys(value)
        if found is None:
            return None
        keys.update(dict.fromkeys(found))
    return tuple(keys) if returns else None


def _dict_keys(value: ast.expr) -> list[str] | None:
    """The keys of a dict that is written out; None where it is anything else."""
    if isinstance(value, ast.Dict):
        keys = [
            key.value
            for key in value.keys
            if isinstance(key, ast.Constant) and isinstance(key.value, str)
        ]
        return keys if len(keys) == len(value.keys) else None
    if (
        isinstance(value, ast.Call)
        and isinstance(value.func, ast.Name)
        and value.func.id == "dict"
        and not value.args
        and all(keyword.arg for keyword in value.keywords)
    ):
        return [keyword.arg for keyword in value.keywords if keyword.arg]
    return None


@dataclass(frozen=True, slots=True)
class Binding:
    """What a script reads and makes, and what keeps it from fitting its action.

    wrong: (message, expected, suggestion) of each.
    """

    reads: tuple[str, ...]
    makes: tuple[str, ...]
    wrong: tuple[tuple[str, str, str], ...]


DIRECT, JSON, HDF5 = "direct", "json", "hdf5"
FILES = (JSON, HDF5)


@dataclass(frozen=True, slots=True)
class Formats:
    """How data are handed over: `named` by parameter, "p" or "p[label]"; else as `rest`.

    "" is not at all. all_iterations: inputs of which all iterations are handed over.
    """

    rest: str = DIRECT
    named: tuple[tuple[str, str], ...] = ()
    all_iterations: tuple[str, ...] = ()

    def of(self, name: str) -> str:
        """The format of one input or output."""
        given = dict(self.named)
        return given.get(name) or given.get(name.partition("[")[0]) or self.rest

    @property
    def used(self) -> set[str]:
        """All formats."""
        return {*(form for _, form in self.named), self.rest} - {""}


def bind(
    function: Function,
    formats: tuple[Formats, Formats],
    inputs: tuple[str, ...],
    available: tuple[str, ...],
    outputs: tuple[str, ...],
    *,
    env_spec: bool = False,
) -> Binding:
    """Fit a function to an action.

    formats: of the data in and out. inputs: the schema's; available: these and what
    earlier actions make; outputs: those that no command makes. A parameter `p`
    takes the labelled inputs `p[one]`, `p[two]` too. env_spec: it is given that, too.
    """
    data_in, data_out = formats
    special = {INPUT_FILES: data_in, OUTPUT_FILES: data_out}
    others = [*special, *([ENV_SPEC] if env_spec else [])]
    names = [name for name in function.parameters if name not in others]
    wrong = _wrong_files(function, special)
    if env_spec and not function.open and ENV_SPEC not in function.parameters:
        message = f"does not take {ENV_SPEC!r}, which `script_pass_env_spec` gives"
        wrong.append((message, "", ""))
    reads = {name: None for name in available if data_in.of(name) in FILES}
    if function.open:
        reads.update(dict.fromkeys(n for n in inputs if data_in.of(n) == DIRECT))
    for name in names:
        known = [item for item in available if item.split("[")[0] == name]
        direct = [item for item in known if data_in.of(item) == DIRECT]
        reads.update(dict.fromkeys(direct))
        if not direct and name in function.required:
            wrong.append(_not_given(name, known, data_in, available))
    makes, problems = _made(function, data_out, outputs)
    what = f"the function {function.name!r} "
    told = (*wrong, *problems)
    return Binding(tuple(reads), makes, tuple((what + m, e, s) for m, e, s in told))


def bind_program(
    formats: tuple[Formats, Formats], available: tuple[str, ...], outputs: tuple[str, ...]
) -> Binding:
    """Fit a script without a function to an action: its data are files."""
    data_in, data_out = formats
    wrong = [
        (f"a script that is executed as a program takes no direct data ({key})", *_FILES)
        for key, given in (("script_data_in", data_in), ("script_data_out", data_out))
        if DIRECT in given.used
    ]
    reads = tuple(name for name in available if data_in.of(name) in FILES)
    makes = tuple(name for name in outputs if data_out.of(name) in FILES)
    return Binding(reads, makes, tuple(wrong))


_FILES = ("json or hdf5", "")  # what is expected instead, and no suggestion


def _not_given(
    name: str, known: list[str], data_in: Formats, available: tuple[str, ...]
) -> tuple[str, str, str]:
    """Why a function's argument is not given to it."""
    if known and data_in.of(known[0]):
        form = data_in.of(known[0]).upper()
        return (
            f"takes {name!r}, but its inputs come as a {form} file"
            if not data_in.named
            else f"takes {name!r}, which comes in a {form} file",
            "`script_data_in: direct`",
            "",
        )
    if known:
        message = f"takes {name!r}, of which `script_data_in` says nothing"
        return message, f"`{name}: direct` in it", ""
    message = f"takes {name!r}, which the schema does not have as an input, "
    message += "nor an earlier action as an output"
    return message, f"one of {listed(available)}", nearest(name, available)


def _made(
    function: Function, data_out: Formats, outputs: tuple[str, ...]
) -> tuple[tuple[str, ...], list[tuple[str, str, str]]]:
    """The outputs that a function makes, and what is wrong with what it returns."""
    in_files = [name for name in outputs if data_out.of(name) in FILES]
    direct = [name for name in outputs if data_out.of(name) == DIRECT]
    if DIRECT not in data_out.used:
        return tuple(in_files), []
    if function.returned is None:
        if direct and not function.returns:
            return (), [("returns nothing", f"a dict of outputs: {listed(direct)}", "")]
        return (*direct, *in_files), []
    wrong = [
        (
            f"returns {name!r}, which `script_data_out` expects "
            + (f"in a {data_out.of(name).upper()} file" if name in in_files else "nowhere"),
            f"`{name}: direct`",
            "",
        )
        for name in function.returned
        if data_out.of(name) != DIRECT
    ]
    return tuple(dict.fromkeys((*function.returned, *in_files))), wrong


def _wrong_files(
    function: Function, formats: dict[str, Formats]
) -> list[tuple[str, str, str]]:
    """Whether a function takes the paths of its data files just where there are any."""
    wrong = []
    for name, given in formats.items():
        takes = function.open or name in function.parameters
        used = [form for form in FILES if form in given.used]
        if used and not takes:
            words = " and ".join(form.upper() for form in used)
            message = f"does not take {name!r}, the paths of its {words} files"
            wrong.append((message, "", ""))
        elif not used and name in function.required:
            key = "script_data_in" if name == INPUT_FILES else "script_data_out"
            wrong.append((f"takes {name!r}", f"`{key}: json`", ""))
    return wrong
