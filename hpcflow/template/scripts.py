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


class ScriptError(ValueError):
    """A script that can't be used; the message says why."""

    def __init__(self, message: str, expected: str = "", suggestion: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.expected = expected
        self.suggestion = suggestion


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
            f"the script {base!r} is not supported yet", expected="a Python script, *.py"
        )
    if not name.isidentifier():
        raise ScriptError(
            f"no function can be named as the script {base!r}",
            expected="a file name of letters, digits and _",
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
        )
    found = definitions[name]
    return Function(name) if found is None else _describe(found)


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


def bind(
    function: Function,
    formats: tuple[str, str],
    inputs: tuple[str, ...],
    available: tuple[str, ...],
    outputs: tuple[str, ...],
) -> Binding:
    """Fit a function to an action.

    formats: of the data in and out. inputs: the schema's; available: these and what
    earlier actions make; outputs: those that no command makes. A parameter `p`
    takes the labelled inputs `p[one]`, `p[two]` too.
    """
    data_in, data_out = formats
    special = {INPUT_FILES: data_in, OUTPUT_FILES: data_out}
    names = [name for name in function.parameters if name not in special]
    wrong = _wrong_files(function, special)
    reads: dict[str, None] = {}
    if data_in == "json":
        reads.update(dict.fromkeys(available))
        taken = [name for name in names if name in function.required]
        if taken:
            message = f"takes {listed(taken)}, but its inputs come as a JSON file"
            wrong.append((message, "`script_data_in: direct`", ""))
    else:
        if function.open:
            reads.update(dict.fromkeys(inputs))
        for name in names:
            known = [item for item in available if item.split("[")[0] == name]
            reads.update(dict.fromkeys(known))
            if not known and name in function.required:
                message = f"takes {name!r}, which the schema does not have as an input, "
                message += "nor an earlier action as an output"
                meant = nearest(name, available)
                wrong.append((message, f"one of {listed(available)}", meant))
    makes = outputs
    if data_out == "direct" and function.returned is not None:
        makes = function.returned
    elif data_out == "direct" and outputs and not function.returns:
        wrong.append(("returns nothing", f"a dict of outputs: {listed(outputs)}", ""))
    what = f"the function {function.name!r} "
    return Binding(tuple(reads), makes, tuple((what + m, e, s) for m, e, s in wrong))


def _wrong_files(function: Function, formats: dict[str, str]) -> list[tuple[str, str, str]]:
    """Whether a function takes the paths of its JSON files just where there are any."""
    wrong = []
    for name, data_format in formats.items():
        takes = function.open or name in function.parameters
        if data_format == "json" and not takes:
            wrong.append((f"does not take {name!r}, the paths of its JSON files", "", ""))
        elif data_format != "json" and name in function.required:
            key = "script_data_in" if name == INPUT_FILES else "script_data_out"
            wrong.append((f"takes {name!r}", f"`{key}: json`", ""))
    return wrong
