"""What a template says of its whole workflow: configuration, and the store's columns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hpcflow.model.resources import AUTO_PACKED
from hpcflow.template.context import Section
from hpcflow.template.keys.additions import ADDING_KEYS
from hpcflow.template.nodes import broken, child, entries, key_at, value_of
from hpcflow.template.problems import listed, nearest
from hpcflow.template.quantities import COMPRESSORS

if TYPE_CHECKING:
    from hpcflow.model.resources import Resources
    from hpcflow.template.context import Context, Place
    from hpcflow.template.nodes import Node

GZIP_LEVEL = 9  # the highest

# Resources that are of use to one scheduler alone: field -> key, scheduler.
_FOREIGN = {"parallel_env": ("SGE_parallel_env", "sge"), "select": ("PBS_select", "pbs")}


def check_settings(root: Node, context: Context) -> None:
    """Report what is wrong with `config` and `store_kwargs`, beside their shapes."""
    section = Section(context)
    given = child(child(root, "config"), "scheduler")
    if given is not None and given.value not in context.schedulers:
        section.add(
            given.at,
            ("config", "scheduler"),
            f"unknown scheduler {given.value!r}",
            f"one of {listed(context.schedulers)}",
            nearest(given.value, context.schedulers),
        )
    store = child(root, "store_kwargs")
    if store is None or broken(store):
        return
    name = _compressor(store)
    known = COMPRESSORS.get(name or "", ())
    path = ("store_kwargs", "compressor_kwargs")
    level = child(child(store, "compressor_kwargs"), "level")
    if name == "gzip" and level is not None and level.value > GZIP_LEVEL:
        message = f"gzip has no level {level.value}"
        section.add(level.at, (*path, "level"), message, f"0 to {GZIP_LEVEL}")
    for key, at, item in entries(child(store, "compressor_kwargs")):
        if key not in known and item.value is not None:
            section.add(
                at,
                (*path, key),
                f"{name} has no option {key!r}"
                if name
                else f"without a compressor there is no option {key!r}",
                f"one of {listed(known)}" if known else "",
                nearest(key, known),
            )


def refuse_settings(root: Node, context: Context) -> None:
    """Report settings of the whole workflow in a template that is added to one."""
    for key in ("config", "store_kwargs"):
        if child(root, key) is not None:
            Section(context).add(
                key_at(root, key),
                (key,),
                f"the workflow keeps the {key!r} that it was made with",
                f"no {key!r} in a template that is added to a workflow",
            )


def check_additions(root: Node, context: Context) -> None:
    """Report that a template adds nothing to the workflow that it is added to."""
    if not any(key in root.value for key in ADDING_KEYS):
        message = "the template adds nothing"
        Section(context).add(root.at, (), message, f"one of the keys {listed(ADDING_KEYS)}")


def note_commands(resources: Resources, place: Place, section: Section) -> None:
    """Remember the commands that resources give a scheduler; it can have one of a kind."""
    name, context = resources.scheduler, section.context
    if resources.commands and name == "local":
        message = "the scheduler 'local' has no commands"
        section.add(place.at, place.path, message, "no `submit_cmd`, `show_cmd`, `del_cmd`")
        return
    for what, words in resources.commands:
        text = " ".join(words)
        other = context.commands.setdefault((name, what), text)
        if other != text:
            whose = repr(name) if name else "of the configuration"
            section.add(
                place.at,
                place.path,
                f"the scheduler {whose} has two commands to {what} jobs: {other!r} and "
                f"{text!r}",
                "one for the whole workflow",
            )


def tell_foreign(resources: Resources, place: Place, section: Section) -> None:
    """Warn of resources that only another scheduler uses: a template may serve both."""
    context = section.context
    scheduler = resources.scheduler or context.scheduler
    for field, (key, owner) in _FOREIGN.items():
        told = (key, scheduler)
        given = getattr(resources, field) is not None
        if not given or scheduler == owner or told in context.foreign:
            continue
        context.foreign.add(told)
        context.problems.add(
            place.at,
            place.path,
            f"{key!r} is of no use to the scheduler {scheduler!r}, only to {owner!r}",
            severity="warning",
        )


def note_packing(resources: Resources, place: Place, section: Section) -> None:
    """Refuse `elements_per_job: auto` where nothing says how long a run may take."""
    if resources.elements_per_job == AUTO_PACKED and resources.time_limit_s is None:
        message = "'elements_per_job: auto' needs to know how long a run may take"
        section.add(place.at, place.path, message, "a `time_limit` beside it")


def _compressor(store: Node) -> str | None:
    """The compressor's name; None for none at all."""
    found = store.value.get("compressor")
    return "zstd" if found is None else found.value


def read_compression(store: Node | None) -> dict[str, Any]:
    """What `store_kwargs` says, as the store keeps it; empty for the default."""
    if store is None:
        return {}
    options = {
        key: value
        for key, value in value_of(store, "compressor_kwargs", {}).items()
        if value is not None
    }
    given = {"compressor": _compressor(store)}
    return {**given, "compressor_kwargs": options} if options else given
