"""The grammar of the `<<...>>` forms in commands and captures. Pure.

A form is `<<KIND>>`, `<<KIND:NAME>>` or `<<FUNCTION[OPTIONS](parameter:NAME)>>`. Other
uses of `<<` stay what bash makes of them: here-documents (`<<EOF`), here-strings
(`<<<`) and shifts (`$((1<<n))`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from hpcflow.model.schema import Capture

NAMED_KINDS = ("parameter", "executable", "file", "script", "env", "resource")
BARE_KINDS = (
    "args",
    "num_cores",
    "script_name",
    "script_name_no_ext",
    "script_dir",
    "script_path",
    "program_name",
    "program_name_no_ext",
    "program_dir",
    "program_path",
)
APPLY = ("sum", "join")  # what may be applied to a parameter in a command
CAPTURE_TYPES = ("str", "int", "float", "bool", "list", "array")
ITEM_TYPES = ("str", "int", "float", "bool")

_START = re.compile(r"<<+")
_HEAD = re.compile(r"[A-Za-z_]\w*(?=[:(\[]|>>)")
_SPACED = re.compile(r"\s+(?:%s):" % "|".join(NAMED_KINDS))  # noqa: UP031
_NAME = re.compile(r"[^<>\s()\[\],:]+")
_PARAMETER = re.compile(r"(?P<name>[A-Za-z_]\w*)(?:\[(?P<label>[^\[\]<>]*)\])?")
_STEP = re.compile(r"\.(\w+)")
_OPTION = re.compile(
    r"""\s*(?P<key>[A-Za-z_]\w*)\s*=\s*
        (?:"(?P<double>(?:[^"\\]|\\.)*)"|'(?P<single>[^']*)'|(?P<bare>[^\s,\]"']+))\s*""",
    re.VERBOSE,
)
_ARGUMENT = re.compile(_OPTION.pattern.replace("[^\\s,\\]", "[^\\s,)"), re.VERBOSE)
_ESCAPE = re.compile(r"\\(.)")
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "0": "\0"}


class CommandTextError(ValueError):
    """A `<<...>>` form that can't be understood; `offset` is its place in the text."""

    def __init__(
        self, message: str, offset: int, *, found: str = "", valid: tuple[str, ...] = ()
    ) -> None:
        super().__init__(message)
        self.message = message
        self.offset = offset
        self.found = found  # the wrong word, where one word is wrong
        self.valid = valid  # what may stand in its place


@dataclass(frozen=True, slots=True)
class Form:
    """One `<<...>>` form.

    kind: one of `NAMED_KINDS` or `BARE_KINDS`; `name` is empty for the latter.
    path: where the form selects inside a parameter's value; whole numbers as int.
    apply: the function around a parameter, else None; `options` are its own.
    method: of the parameter's class, that gives the text; `options` are its arguments.
    offset, end: the form is `text[offset:end]`.
    """

    kind: str
    name: str = ""
    path: tuple[str | int, ...] = ()
    label: str | None = None
    apply: str | None = None
    options: tuple[tuple[str, str], ...] = ()
    offset: int = 0
    end: int = 0
    method: str = ""

    @property
    def parameter(self) -> str:
        """The input's name as schemas have it: "p" or "p[label]"."""
        return self.name if self.label is None else f"{self.name}[{self.label}]"


def parse_command_text(text: str) -> tuple[str | Form, ...]:
    """Split a command into literal text and forms, in order; literals are not empty.

    Raises: CommandTextError
    """
    parts: list[str | Form] = []
    done = 0
    for form in _forms(text):
        if form.apply is not None and form.apply not in APPLY:
            raise CommandTextError(
                f"unknown function {form.apply!r}",
                form.offset,
                found=form.apply,
                valid=APPLY,
            )
        if not form.method:
            _check_options(form.apply, form.options, form.offset)
        if form.offset > done:
            parts.append(text[done : form.offset])
        parts.append(form)
        done = form.end
    if done < len(text):
        parts.append(text[done:])
    return tuple(parts)


def parse_capture_text(text: str) -> Capture:
    """Read a command's `stdout` or `stderr`: `<<TYPE[...](parameter:out)>>` or a file name.

    Raises: CommandTextError
    """
    forms = _forms(text.strip())
    if not forms:
        return Capture(file=text)
    form = forms[0]
    if len(forms) > 1 or (form.offset, form.end) != (0, len(text.strip())):
        raise CommandTextError("text and `<<...>>` forms can't be mixed here", form.offset)
    if form.kind != "parameter":
        raise CommandTextError(
            f"only an output parameter can be captured into, not {form.kind!r}", form.offset
        )
    if form.method and form.apply is None and form.label is None:
        return Capture(
            output=form.name, type="class", options=form.options, method=form.method
        )
    if form.path or form.label is not None or form.method:
        raise CommandTextError("an output is captured whole, without [label] or path", 0)
    kind = form.apply or "str"
    if kind not in CAPTURE_TYPES:
        raise CommandTextError(
            f"unknown capture type {kind!r}", form.offset, found=kind, valid=CAPTURE_TYPES
        )
    _check_options(kind, form.options, form.offset)
    return Capture(output=form.name, type=kind, options=form.options)


_OPTIONS_OF = {
    "join": ("delim",),
    "list": ("item_type", "delim"),
    "array": ("item_type", "delim"),
}


def _check_options(
    apply: str | None, options: tuple[tuple[str, str], ...], at: int
) -> None:
    valid = _OPTIONS_OF.get(apply or "", ())
    for key, value in options:
        if key not in valid:
            raise CommandTextError(
                f"unknown option {key!r} of {apply!r}", at, found=key, valid=valid
            )
        if key == "item_type" and value not in ITEM_TYPES:
            raise CommandTextError(
                f"unknown item type {value!r}", at, found=value, valid=ITEM_TYPES
            )
        if key == "delim" and not value:
            raise CommandTextError("the delimiter is empty", at)


def _forms(text: str) -> list[Form]:
    forms: list[Form] = []
    position = 0
    while match := _START.search(text, position):
        position = match.end()
        offset = position - 2
        head = _HEAD.match(text, position)
        if head is None:
            if len(match[0]) == 2 and _SPACED.match(text, position):
                raise CommandTextError("no space may follow `<<` in a form", offset)
            continue
        if not _is_meant(text, head, len(match[0])):
            continue
        form = _Reader(text, offset).form()
        forms.append(form)
        position = form.end
    return forms


def _is_meant(text: str, head: re.Match[str], brackets: int) -> bool:
    """Whether a form is meant, not a here-document, here-string or shift of bash."""
    known = head[0] in NAMED_KINDS and text[head.end()] == ":"
    if known:
        return True
    if brackets == 3:
        return head[0] in BARE_KINDS + APPLY
    line_end = text.find("\n", head.end())
    return ">>" in text[head.end() : line_end if line_end >= 0 else len(text)]


class _Reader:
    """Reads one form, from its `<<`."""

    def __init__(self, text: str, offset: int) -> None:
        self._text = text
        self._offset = offset
        self._at = offset + 2

    def form(self) -> Form:
        word = self._take(_HEAD) or ""
        if self._next("[") or self._next("("):
            form = self._applied(word)
        elif self._next(":"):
            form = self._named(word)
        elif word in BARE_KINDS:
            form = Form(word)
        else:
            raise self._unknown(word)
        if not self._skip(">>"):
            raise self._error("the form is not closed by `>>`")
        return Form(
            form.kind,
            form.name,
            form.path,
            form.label,
            form.apply,
            form.options,
            self._offset,
            self._at,
            form.method,
        )

    def _applied(self, function: str) -> Form:
        options = self._options() if self._skip("[") else ()
        if not self._skip("(parameter:"):
            raise self._error(f"expected `(parameter:NAME)` after {function!r}")
        form = self._parameter()
        if form.method:
            raise self._error(f"{function!r} takes a parameter, not a method's text")
        if not self._skip(")"):
            raise self._error("the form's `(` is not closed")
        return Form(form.kind, form.name, form.path, form.label, function, options)

    def _named(self, kind: str) -> Form:
        if kind not in NAMED_KINDS:
            raise self._unknown(kind)
        self._skip(":")
        if kind == "parameter":
            return self._parameter()
        name = self._take(_NAME)
        if name is None:
            raise self._error(f"a name is missing after `{kind}:`")
        return Form(kind, name)

    def _parameter(self) -> Form:
        match = _PARAMETER.match(self._text, self._at)
        if match is None:
            raise self._error("a name is missing after `parameter:`")
        self._at = match.end()
        path: list[str | int] = []
        while step := _STEP.match(self._text, self._at):
            self._at = step.end()
            path.append(int(step[1]) if step[1].isdecimal() else step[1])
        method = ""
        options: tuple[tuple[str, str], ...] = ()
        if path and self._skip("("):
            method, options = str(path.pop()), self._options(")")
            if path:
                raise self._error("a method is that of the whole value, not of a part")
        name, label = match["name"], match["label"]
        return Form("parameter", name, tuple(path), label, options=options, method=method)

    def _options(self, closing: str = "]") -> tuple[tuple[str, str], ...]:
        options: list[tuple[str, str]] = []
        while not self._skip(closing):
            pattern = _OPTION if closing == "]" else _ARGUMENT
            match = pattern.match(self._text, self._at)
            if match is None:
                form = "[KEY=VALUE, ...]" if closing == "]" else "(KEY=VALUE, ...)"
                raise self._error(f"expected `{form}`")
            self._at = match.end()
            if match["double"] is not None:
                value = _ESCAPE.sub(lambda m: _ESCAPES.get(m[1], m[1]), match["double"])
            else:
                value = match["single"] if match["single"] is not None else match["bare"]
            if match["key"] in dict(options):
                raise self._error(f"option {match['key']!r} is given twice")
            options.append((match["key"], value))
            if not self._skip(",") and not self._next(closing):
                raise self._error(f"expected `,` or `{closing}` after an option")
        return tuple(options)

    def _take(self, pattern: re.Pattern[str]) -> str | None:
        match = pattern.match(self._text, self._at)
        if match is None:
            return None
        self._at = match.end()
        return match[0]

    def _next(self, literal: str) -> bool:
        return self._text.startswith(literal, self._at)

    def _skip(self, literal: str) -> bool:
        if not self._next(literal):
            return False
        self._at += len(literal)
        return True

    def _error(self, message: str) -> CommandTextError:
        return CommandTextError(message, self._offset)

    def _unknown(self, word: str) -> CommandTextError:
        named = self._next(":")
        end = self._text.find(">>", self._at)
        text = self._text[self._offset : end + 2] if end >= 0 else f"<<{word}...>>"
        return CommandTextError(
            f"unknown form `{text}`",
            self._offset,
            found=word,
            valid=NAMED_KINDS if named else BARE_KINDS,
        )
