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

_EXPANSIONS = {
    Quoting.PLAIN: '"${%s}"',
    Quoting.DOUBLE: "${%s}",
    Quoting.SINGLE: "'\"${%s}\"'",
    Quoting.ANSI_C: "'\"${%s}\"$'",
    Quoting.ARITHMETIC: "${%s}",
    Quoting.HERE_DOCUMENT: "${%s}",
    Quoting.COMMENT: "${%s}",
}


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
    out = [literals[0]]
    for name, place, literal in zip(names, found, literals[1:], strict=True):
        if place.before == "$":
            out[-1] = out[-1][:-1] + "\\$"
        elif place.before and place.quoting is Quoting.PLAIN:
            out[-1] = out[-1][:-1]
        elif place.before:
            out[-1] += "\\"
        out.append(_EXPANSIONS[place.quoting] % name)
        out.append(literal)
    return "".join(out)
