"""The front of the workflow face: `PersistentStore`.

Names and signatures are those of hpcflow's persistent store. Every method is a line or
two: the modules beside this one do the work.
"""

# ruff: noqa: N802, N803 (names of the interface)
from __future__ import annotations

import logging
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Self

from jobstores.open import open_port
from jobstores.workflow_face import (
    archive,
    arrays,
    creation,
    elements,
    files,
    loops,
    parameters,
    replaced,
    resources,
    runs,
    spec,
    submissions,
    template,
)
from jobstores.workflow_face.cache import RowCache
from jobstores.workflow_face.pending import Session
from jobstores.workflow_face.plural import PluralForms
from jobstores.workflow_face.reading import Reader
from jobstores.workflow_face.replaced import rename_path
from jobstores.workflow_face.spec import fill
from jobstores.workflow_store import WorkflowStore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

    from zarr.abc.store import Store

    from jobstores.port import ObjectPort
    from jobstores.workflow_face.rows import (
        StoreEAR,
        StoreElement,
        StoreElementIter,
        StoreParameter,
        StoreTask,
    )

_WAIT_S = 30.0
_NOT_SUBMITTABLE = ("zip:", "memory:")


class PersistentStore(PluralForms):
    """A workflow's store, by ids. For one thread at a time.

    Changes are committed at once, or with `save=False` once `save` is called, or at the
    end of a `batch_update`: always all of them, or none. Whoever adds rows without
    committing them holds the store's lease until then.

    Args:
        app: what has a `persistence_logger`, if anything.
        workflow: kept as `workflow`, and not used.
        path: a locator such as "zarr:PATH" or "s3://BUCKET/PREFIX", or a path.
        fs: an fsspec file system for paths beside the store; None is the local one.
        wait_s: how long a change waits for another process that holds the lease.

    Raises:
        NotFoundError: there is no store there.
        UnsupportedError: a newer version wrote it, or the locator is not known.
    """

    def __init__(
        self,
        app: Any,
        workflow: Any,
        path: str | os.PathLike[str],
        fs: Any = None,
        *,
        wait_s: float = _WAIT_S,
    ) -> None:
        self._connect(open_port(os.fspath(path)), wait_s)
        self.app = app
        self.workflow = workflow
        self.fs = fs

    def _connect(self, port: ObjectPort, wait_s: float) -> None:
        self.app = self.workflow = self.fs = None
        self.path = port.locator
        self._session = Session(WorkflowStore(port), wait_s)
        self._cache = RowCache()
        self._session.on_change = self._cache.clear

    @classmethod
    def open(cls, locator: str, *, wait_s: float = _WAIT_S) -> Self:
        """The store at a locator or a path."""
        return cls.on_port(open_port(locator), wait_s=wait_s)

    @classmethod
    def on_port(cls, port: ObjectPort, *, wait_s: float = _WAIT_S) -> Self:
        """The store on a port that is open."""
        store = cls.__new__(cls)
        store._connect(port, wait_s)  # noqa: SLF001 (a constructor of this class)
        return store

    # --- making ------------------------

    @classmethod
    def write_empty_workflow(
        cls,
        app: Any,  # noqa: ARG003
        template_js: dict[str, Any],
        template_components_js: dict[str, Any],
        wk_path: str,
        fs: Any,  # noqa: ARG003
        name: str,
        replaced_wk: str | None,
        ts_fmt: str,
        ts_name_fmt: str,
        creation_info: dict[str, Any],
        compressor: str | None = "blosc",
        compressor_kwargs: dict[str, Any] | None = None,
    ) -> None:
        """Write an empty workflow at a locator or path.

        compressor: of arrays: "blosc", "zstd", "gzip" or None; `compressor_kwargs` are
            its options.

        Raises:
            AlreadyExistsError: there is a store already.
        """
        settings = {
            "name": name,
            "replaced_workflow": replaced_wk,
            "ts_fmt": ts_fmt,
            "ts_name_fmt": ts_name_fmt,
            "creation_info": creation_info,
            "compressor": compressor,
            "compressor_kwargs": compressor_kwargs,
        }
        path = os.fspath(wk_path)
        creation.write_empty(path, template_js, template_components_js, settings)

    @classmethod
    def make_test_store_from_spec(
        cls,
        spec: Sequence[Mapping[str, Any]],
        dir: str | None = None,  # noqa: A002
        path: str = "test_store",
        overwrite: bool = False,
    ) -> Self:
        """A store with tasks, elements, iterations and runs as `spec` nests them."""
        locator = os.path.join(dir or ".", path) if dir or ":" not in path else path
        creation.make_room(locator, overwrite=overwrite)
        formats = (template.TS_FMT, template.TS_NAME_FMT)
        cls.write_empty_workflow(
            None, {}, {}, locator, None, "test_store", None, *formats, {}
        )
        store = cls.open(locator)
        fill(store, spec)
        return store

    @staticmethod
    def prepare_test_store_from_spec(task_spec: Sequence[Mapping[str, Any]]) -> spec.Rows:
        """Tasks, elements, iterations and runs of a nested specification."""
        return spec.rows_of(task_spec)

    # --- committing ------------------------

    @property
    def has_pending(self) -> bool:
        """Whether there are changes that were not committed."""
        return self._session.has_pending

    def save(self) -> None:
        """Commit what is pending, unless within a batch."""
        self._session.save()

    def discard(self) -> None:
        """Forget what is pending."""
        self._session.discard()

    @contextmanager
    def batch_update(self) -> Iterator[Self]:
        """Within it, changes become one commit: everything or, on an exception, nothing."""
        with self._session.batch():
            yield self

    # --- adding ------------------------

    def add_task(self, idx: int, task_template: dict[str, Any], save: bool = True) -> int:
        """Add a task at a place among the tasks; its id."""
        return elements.add_task(self._session, idx, task_template, save)

    def add_element_set(
        self, task_id: int, es_js: dict[str, Any], save: bool = True
    ) -> None:
        """Add an element set to a task's template."""
        elements.add_element_set(self._session, task_id, es_js, save)

    def add_element(
        self,
        task_ID: int,
        es_idx: int,
        seq_idx: dict[str, int],
        src_idx: dict[str, int],
        save: bool = True,
    ) -> int:
        """Add an element to a task; its id."""
        return self.add_elements(task_ID, [es_idx], [seq_idx], [src_idx], save)[0]

    def add_element_iteration(
        self,
        element_ID: int,
        data_idx: dict[str, Any],
        schema_parameters: list[str],
        loop_idx: dict[str, int] | None = None,
        save: bool = True,
    ) -> int:
        """Add an iteration to an element; its id."""
        return self.add_element_iterations(
            [element_ID], [data_idx], [schema_parameters], [loop_idx or {}], save
        )[0]

    def add_EAR(
        self,
        elem_iter_ID: int,
        action_idx: int,
        commands_idx: list[int],
        data_idx: dict[str, Any],
        metadata: dict[str, Any],
        save: bool = True,
    ) -> int:
        """Add a run to an iteration; its id."""
        return self.add_EARs(
            [elem_iter_ID], [action_idx], [commands_idx], [data_idx], [metadata], save
        )[0]

    def add_loop(
        self,
        loop_template: dict[str, Any],
        iterable_parameters: dict[str, Any],
        parents: list[str],
        num_added_iterations: Any,
        iter_IDs: list[int],
        save: bool = True,
    ) -> int:
        """Add a loop, of which the given iterations are the first; its index."""
        facts = {
            "iterable_parameters": iterable_parameters,
            "parents": parents,
            "num_added_iterations": num_added_iterations,
        }
        return loops.add(self._session, loop_template, facts, iter_IDs, save)

    def add_template_components(
        self, temp_comps: dict[str, dict[str, Any]], save: bool = True
    ) -> None:
        """Add template components, by kind and key; those that are known stay."""
        template.add_components(self._session, temp_comps, save)

    def add_submission(
        self, sub_idx: int, sub_js: dict[str, Any], save: bool = True
    ) -> None:
        """Add a submission."""
        submissions.add(self._session, sub_idx, sub_js, save)

    def add_submission_part(
        self, sub_idx: int, dt_str: str, submitted_js_idx: list[int], save: bool = True
    ) -> None:
        """Note which jobscripts of a submission were submitted at a time."""
        submissions.add_part(self._session, sub_idx, dt_str, submitted_js_idx, save)

    # --- runs, loops, submissions ------------------------

    def set_EARs_initialised(self, iter_ID: int, save: bool = True) -> None:
        """Mark the runs of an iteration as initialised."""
        elements.set_initialised(self._session, [iter_ID], save)

    def set_EAR_submission_index(
        self, EAR_ID: int, sub_idx: int, save: bool = True
    ) -> None:
        """Set the submission of a run."""
        runs.set_submission(self._session, [EAR_ID], sub_idx, save)

    def set_EAR_start(self, EAR_ID: int, save: bool = True) -> datetime:
        """Mark a run as started now; the time that was noted, in UTC."""
        return runs.start(self._session, [EAR_ID], save)

    def set_EAR_end(
        self, EAR_ID: int, exit_code: int, success: bool, save: bool = True
    ) -> datetime:
        """Mark a run as finished now; the time that was noted, in UTC."""
        return runs.end(self._session, [EAR_ID], exit_code, success, save)

    def set_EAR_skip(self, EAR_ID: int, save: bool = True) -> None:
        """Mark a run as skipped."""
        runs.skip(self._session, [EAR_ID], save)

    def update_loop_num_iters(
        self, index: int, num_added_iters: Any, save: bool = True
    ) -> None:
        """Set how many iterations were added to a loop."""
        facts = {"num_added_iterations": num_added_iters}
        loops.update(self._session, index, facts, save)

    def update_loop_parents(
        self, index: int, num_added_iters: Any, parents: list[str], save: bool = True
    ) -> None:
        """Set a loop's parents, and how many iterations were added to it."""
        facts = {"num_added_iterations": num_added_iters, "parents": parents}
        loops.update(self._session, index, facts, save)

    def set_jobscript_metadata(
        self,
        sub_idx: int,
        js_idx: int,
        version_info: dict[str, Any] | None = None,
        submit_time: str | None = None,
        submit_hostname: str | None = None,
        submit_machine: str | None = None,
        submit_cmdline: list[str] | None = None,
        os_name: str | None = None,
        shell_name: str | None = None,
        scheduler_name: str | None = None,
        scheduler_job_ID: str | None = None,
        process_ID: int | None = None,
        save: bool = True,
    ) -> None:
        """Set what is given of a jobscript's metadata; the rest stays."""
        facts = {
            "version_info": version_info,
            "submit_time": submit_time,
            "submit_hostname": submit_hostname,
            "submit_machine": submit_machine,
            "submit_cmdline": submit_cmdline,
            "os_name": os_name,
            "shell_name": shell_name,
            "scheduler_name": scheduler_name,
            "scheduler_job_ID": scheduler_job_ID,
            "process_ID": process_ID,
        }
        submissions.set_script(self._session, sub_idx, js_idx, facts, save)

    # --- parameters and files ------------------------

    def add_set_parameter(
        self, data: Any, source: dict[str, Any], save: bool = True
    ) -> int:
        """Add a parameter with a value; its id."""
        return self.add_set_parameters([data], [source], save)[0]

    def add_unset_parameter(self, source: dict[str, Any], save: bool = True) -> int:
        """Add a parameter without a value; its id."""
        return self.add_unset_parameters([source], save)[0]

    def set_parameter_value(
        self, param_id: int, value: Any, is_file: bool = False, save: bool = True
    ) -> None:
        """Set the value of a parameter; with `is_file` it is a file's description.

        Raises:
            AlreadyExistsError: it has one already.
            UnstorableError: it can't be stored; nothing was set.
        """
        if is_file:
            parameters.set_file(self._session, param_id, value, (), None, save)
        else:
            self.set_parameter_values([param_id], [value], save)

    def update_param_source(
        self, param_sources: dict[int, dict[str, Any]], save: bool = True
    ) -> None:
        """Set names in the sources of parameters, by id; names not given stay."""
        parameters.update_sources(self._session, param_sources, save)

    def add_file(
        self,
        store_contents: bool,
        is_input: bool,
        source: dict[str, Any],
        path: str | None = None,
        contents: str | bytes | None = None,
        filename: str | None = None,
        save: bool = True,
    ) -> int:
        """Add a parameter that is a file; its id.

        With `store_contents` the bytes of `contents`, or of the file at `path`, are
        kept in the store; without, the path is.
        """
        return files.add_file(
            self._session,
            source,
            save,
            store_contents=store_contents,
            is_input=is_input,
            path=path,
            contents=contents,
            filename=filename,
        )

    def set_file(
        self,
        store_contents: bool,
        is_input: bool,
        param_id: int | None = None,
        path: str | None = None,
        contents: str | bytes | None = None,
        filename: str | None = None,
        clean_up: bool = False,
        save: bool = True,
    ) -> None:
        """Note a file, as the value of a parameter if one is given.

        clean_up: remove the file at `path` once it is stored and committed.
        """
        files.set_file(
            self._session,
            param_id,
            save,
            clean_up=clean_up,
            store_contents=store_contents,
            is_input=is_input,
            path=path,
            contents=contents,
            filename=filename,
        )

    def get_file_contents(self, param_id: int) -> bytes:
        """The bytes of the file that a parameter is."""
        return files.contents(self._session, param_id)

    # --- reading ------------------------

    def get_name(self) -> str:
        """The name of the workflow."""
        return template.name(self._session.read())

    def get_creation_info(self) -> dict[str, Any]:
        """By what, and when, the workflow was made."""
        return template.creation_info(self._session.read())

    def get_ts_fmt(self) -> str:
        """The format of timestamps."""
        return template.formats(self._session.read())[0]

    def get_ts_name_fmt(self) -> str:
        """The format of timestamps in names."""
        return template.formats(self._session.read())[1]

    def get_template(self) -> dict[str, Any]:
        """The template, with tasks and loops that were added."""
        return template.template(self._session.read())

    def get_template_components(self) -> dict[str, Any]:
        """All template components, including pending."""
        return template.components(self._session.read())

    def get_tasks(self) -> list[StoreTask]:
        """All tasks in their order, including pending."""
        return self._reader().tasks()

    def get_tasks_by_IDs(self, id_lst: Iterable[int]) -> list[StoreTask]:
        """Tasks with the given ids."""
        return self._cache.get("tasks", id_lst, lambda ids: self._reader().tasks_by_id(ids))

    def get_task(self, task_idx: int) -> StoreTask:
        """The task at a place."""
        return self._reader().task_at(task_idx)

    def get_task_elements(
        self, task_id: int, idx_lst: Iterable[int] | None = None
    ) -> list[dict[str, Any]]:
        """Elements of a task as dicts, with their iterations and runs."""
        return self._reader().task_elements(task_id, idx_lst)

    def get_elements(self, id_lst: Iterable[int]) -> list[StoreElement]:
        """Elements with the given ids."""
        return self._cache.get("elements", id_lst, lambda ids: self._reader().elements(ids))

    def get_element_iterations(self, id_lst: Iterable[int]) -> list[StoreElementIter]:
        """Element iterations with the given ids."""
        return self._cache.get(
            "iterations", id_lst, lambda ids: self._reader().iterations(ids)
        )

    def get_EARs(self, id_lst: Iterable[int]) -> list[StoreEAR]:
        """Runs with the given ids."""
        return self._cache.get("runs", id_lst, lambda ids: self._reader().runs(ids))

    def get_EAR_skipped(self, EAR_ID: int) -> bool:
        """Whether a run was skipped."""
        return self.get_EARs([EAR_ID])[0].skip

    def get_parameters(
        self, id_lst: Iterable[int], *, dataset_copy: bool = False
    ) -> list[StoreParameter]:
        """Parameters with the given ids.

        dataset_copy: give arrays as NumPy arrays; else they are Zarr arrays, which
            read what is asked of them when it is.
        """

        def read(ids: Sequence[int]) -> list[StoreParameter]:
            return self._reader().parameters(ids, dataset_copy=dataset_copy)

        return (
            read(list(id_lst))
            if dataset_copy
            else self._cache.get("parameters", id_lst, read)
        )

    def get_parameter_sources(self, id_lst: Iterable[int]) -> list[dict[str, Any]]:
        """The sources of parameters."""
        return self._cache.get("sources", id_lst, lambda ids: self._reader().sources(ids))

    def get_parameter_set_statuses(self, id_lst: Iterable[int]) -> list[bool]:
        """Whether parameters are set."""
        return self._reader().are_set(list(id_lst))

    def check_parameters_exist(self, id_lst: Iterable[int]) -> list[bool]:
        """Whether there are parameters of these ids."""
        return self._reader().exist(list(id_lst))

    def get_loops(self) -> dict[int, dict[str, Any]]:
        """All loops by index, including pending."""
        return loops.get(self._session.read())

    def get_loops_by_IDs(self, id_lst: Iterable[int]) -> dict[int, dict[str, Any]]:
        """Loops of the given indices."""
        return loops.get(self._session.read(), list(id_lst))

    def get_submissions(self) -> dict[int, dict[str, Any]]:
        """All submissions by index, including pending."""
        return submissions.get(self._session.read())

    def get_submissions_by_ID(self, id_lst: Iterable[int]) -> dict[int, dict[str, Any]]:
        """Submissions of the given indices."""
        return submissions.get(self._session.read(), id_lst)

    def _reader(self) -> Reader:
        return Reader(self._session)

    # --- caches and resources ------------------------

    @property
    def use_cache(self) -> bool:
        """Whether rows that were read are kept."""
        return self._cache.in_use

    @contextmanager
    def cache_ctx(self) -> Iterator[None]:
        """Within it rows are read once, and what others commit is not seen."""
        before = self._cache.in_use
        with self._session.freeze():
            self._cache.clear()
            self._cache.in_use = True
            try:
                yield
            finally:
                self._cache.in_use = before
                self._cache.clear()

    @contextmanager
    def cached_load(self) -> Iterator[dict[str, Any]]:
        """Within it what others commit is not seen; gives the root attributes."""
        with self._session.freeze():
            yield resources.root(self._session.work)

    @contextmanager
    def using_resource(self, res_label: str, action: str) -> Iterator[Any]:
        """A document of the store, or all of them ("attrs"); "update" commits changes."""
        with resources.using(self._session, res_label, action) as content:
            yield content

    @property
    def task_cache(self) -> dict[int, StoreTask]:
        """Cached tasks, by id."""
        return self._cache.rows["tasks"]

    @property
    def element_cache(self) -> dict[int, StoreElement]:
        """Cached elements, by id."""
        return self._cache.rows["elements"]

    @property
    def element_iter_cache(self) -> dict[int, StoreElementIter]:
        """Cached iterations, by id."""
        return self._cache.rows["iterations"]

    @property
    def EAR_cache(self) -> dict[int, StoreEAR]:
        """Cached runs, by id."""
        return self._cache.rows["runs"]

    @property
    def parameter_cache(self) -> dict[int, StoreParameter]:
        """Cached parameters, by id."""
        return self._cache.rows["parameters"]

    @property
    def param_sources_cache(self) -> dict[int, dict[str, Any]]:
        """Cached sources of parameters, by id."""
        return self._cache.rows["sources"]

    @property
    def num_tasks_cache(self) -> int:
        """How many tasks are committed; while a cache is used, counted once."""
        return self._cache.count("tasks", lambda: self._session.read().num_tasks())

    @property
    def num_EARs_cache(self) -> int:
        """How many runs are committed; while a cache is used, counted once."""
        return self._cache.count("runs", lambda: self._session.read().num_runs())

    # --- what it is ------------------------

    @property
    def ts_fmt(self) -> str:
        """The format of timestamps."""
        return self.get_ts_fmt()

    @property
    def logger(self) -> logging.Logger:
        """The app's logger, or this package's."""
        given: logging.Logger | None = getattr(self.app, "persistence_logger", None)
        return given or logging.getLogger("jobstores.workflow_face")

    @property
    def is_submittable(self) -> bool:
        """Whether jobs can record to it: it can be changed, and by other processes."""
        return not self.path.startswith(_NOT_SUBMITTABLE)

    @property
    def zarr_store(self) -> Store:
        """The newest generation as a read-only Zarr store of one hierarchy."""
        from jobstores.workflow_face.zarr_view import generation_store

        work = self._session.read()
        cells = work.table("parameter_values")["value"].tolist()
        found = {
            work.first + row: [k for k in arrays.keys_of(text) if not k.endswith("/value")]
            for row, text in enumerate(cells)
            if '"$zarr"' in text
        }
        return generation_store(self._session.port, work.base.tables, found)

    # --- the whole ------------------------

    def zip(
        self,
        path: str = ".",
        log: Callable[[str], None] | None = None,
        overwrite: bool = False,
        include_execute: bool = False,
    ) -> str:
        """Write the store as one zip file; its path.

        path: the file, or a directory to make it in. include_execute: with the folders
        that runs were executed in.
        """
        return archive.zip_store(
            self._session,
            self.get_name(),
            path,
            log,
            overwrite=overwrite,
            include_execute=include_execute,
        )

    def unzip(self, path: str = ".", log: Callable[[str], None] | None = None) -> str:
        """Make a directory of a zipped store, and return its path."""
        return archive.unzip_store(self._session, self.get_name(), path, log)

    def copy(self, path: str | None = None) -> str:
        """Copy the store to a path or locator; the copy's locator."""
        return archive.copy_store(self._session, path)

    def delete(self) -> None:
        """Delete the store, if the user says yes when asked."""
        try:
            answer = input(f"Delete {self.path}, with all that is in it? [y/N] ")
        except EOFError:
            answer = ""
        if answer.strip().lower() in ("y", "yes"):
            self.delete_no_confirm()

    def delete_no_confirm(self) -> None:
        """Delete the store without asking."""
        archive.delete_store(self._session)

    def rechunk_runs(
        self,
        chunk_size: int | None = None,
        backup: bool | None = True,
        status: bool | None = True,
    ) -> None:
        """Write the columns of runs anew, in chunks of so many rows, or of a good size."""
        self._rechunk(("runs", "run_states"), chunk_size, backup, status)

    def rechunk_parameter_base(
        self,
        chunk_size: int | None = None,
        backup: bool | None = True,
        status: bool | None = True,
    ) -> None:
        """Write the columns of parameters anew, as `rechunk_runs` does those of runs."""
        self._rechunk(
            ("parameters", "parameter_values", "files"), chunk_size, backup, status
        )

    def _rechunk(
        self,
        tables: tuple[str, ...],
        chunk_size: int | None,
        backup: bool | None,
        status: bool | None,
    ) -> None:
        def tell(done: int, total: int | None) -> None:
            self.logger.info("rechunked %s of %s columns", done, total)

        archive.rechunk_tables(
            self._session,
            tables,
            chunk_size,
            backup=bool(backup),
            progress=tell if status else None,
        )

    def remove_path(self, path: str, fs: Any = None) -> None:
        """Remove a file or directory, trying again while something holds on to it."""
        replaced.remove_path(path, fs)

    def rename_path(self, replaced: str, original: str, fs: Any = None) -> None:
        """Give what was renamed its original name back."""
        rename_path(replaced, original, fs)

    def reinstate_replaced_dir(self) -> None:
        """Put the workflow that this one replaced back in its place, and remove this."""
        replaced.reinstate(self._session, self.fs)

    def remove_replaced_dir(self) -> None:
        """Remove the workflow that this one replaced."""
        replaced.remove(self._session, self.fs)
