"""How bash reads the places in a text where a form stands. Pure.

A text is scanned as bash would read it: quotes of all kinds, `$(...)` and backticks
(in which quoting starts anew), `${...}`, arithmetic, here-documents and comments. At
each place that is marked, the scanner says which quotes are open, from which
`splice` finds the expansion of a variable that bash reads as one literal piece of
text there, whatever the variable holds.

What a command does with its text is its own business: `eval`, `bash -c` and `awk`
read it as a program, with the value in it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hpcflow.compile.shell_commands import CommandScanner
from hpcflow.compile.shell_words import MARK, Place, Quoting
from hpcflow.model.command_text import CommandTextError

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["MARK", "Place", "Quoting", "places", "splice"]

# Quotes that end before an expansion, and begin again after it if more follows.
_CLOSED = {Quoting.SINGLE: "'", Quoting.ANSI_C: "$'"}


def places(text: str) -> list[Place]:
    """How bash reads each `MARK` of a text, in order.

    Raises:
        CommandTextError: no expansion can stand at one of them, or bash would find a
            quote or here-document that never ends; `offset` is its place.
    """
    found = sorted(CommandScanner(text).scan().items())
    for at, place in found:
        if place.before and place.quoting is Quoting.ARITHMETIC:
            raise CommandTextError(
                f"`{place.before}` before a value that bash computes with", at
            )
    return [place for _, place in found]


def splice(literals: Sequence[str], names: Sequence[str], found: Sequence[Place]) -> str:
    """Join literal texts by expansions of variables, each as its place needs it.

    There is one literal more than there are names; `found` are the places of the
    text in which the literals are joined by `MARK`.
    """
    texts = list(literals)
    out = []
    for number, (name, place) in enumerate(zip(names, found, strict=True)):
        before, expansion = _guarded(texts[number], place), f"${{{name}}}"
        if place.quoting in _CLOSED:
            opening, after = _CLOSED[place.quoting], texts[number + 1]
            at_start, at_end = before.endswith(opening), after.startswith("'")
            before = before.removesuffix(opening) if at_start else before + "'"
            texts[number + 1] = after[1:] if at_end else opening + after
        if place.quoting in _CLOSED or place.quoting is Quoting.PLAIN:
            expansion = f'"{expansion}"'
        out += [before, expansion]
    return "".join((*out, texts[-1]))


def _guarded(text: str, place: Place) -> str:
    """The text before a place, its last character changed where that would act on it."""
    if place.before == "$":
        return text[:-1] + "\\$"
    if place.before:
        return text[:-1] if place.quoting is Quoting.PLAIN else text + "\\"
    return text
