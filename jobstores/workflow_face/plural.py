"""The plural forms: many rows in one call, and so in one commit."""

# ruff: noqa: N802, N803 (names of the interface)
from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jobstores.workflow_face import elements, parameters, runs

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from jobstores.workflow_face.pending import Session


class PluralForms:
    """Methods for many ids at once; arguments are sequences of one length."""

    _session: Session

    def add_elements(
        self,
        task_ID: int,
        es_idx: Sequence[int],
        seq_idx: Sequence[Mapping[str, int]],
        src_idx: Sequence[Mapping[str, int]],
        save: bool = True,
    ) -> list[int]:
        """Add elements to a task; their ids."""
        return elements.add_elements(self._session, task_ID, es_idx, seq_idx, src_idx, save)

    def add_element_iterations(
        self,
        element_IDs: Sequence[int],
        data_idx: Sequence[Mapping[str, Any]],
        schema_parameters: Sequence[Sequence[str]],
        loop_idx: Sequence[Mapping[str, int]] | None = None,
        save: bool = True,
    ) -> list[int]:
        """Add an iteration to each of some elements; their ids."""
        loops: Sequence[Mapping[str, int]] = loop_idx or [{}] * len(element_IDs)
        return elements.add_iterations(
            self._session, element_IDs, data_idx, schema_parameters, loops, save
        )

    def add_EARs(
        self,
        elem_iter_IDs: Sequence[int],
        action_idx: Sequence[int],
        commands_idx: Sequence[Sequence[int]],
        data_idx: Sequence[Mapping[str, Any]],
        metadata: Sequence[Mapping[str, Any]],
        save: bool = True,
    ) -> list[int]:
        """Add a run to each of some iterations; their ids."""
        return elements.add_runs(
            self._session, elem_iter_IDs, action_idx, commands_idx, data_idx, metadata, save
        )

    def add_set_parameters(
        self, data: Sequence[Any], sources: Sequence[Mapping[str, Any]], save: bool = True
    ) -> list[int]:
        """Add parameters with values; their ids."""
        return parameters.add_set(self._session, data, sources, save)

    def add_unset_parameters(
        self, sources: Sequence[Mapping[str, Any]], save: bool = True
    ) -> list[int]:
        """Add parameters without values; their ids."""
        return parameters.add_unset(self._session, sources, save)

    def set_parameter_values(
        self, ids: Iterable[int], values: Sequence[Any], save: bool = True
    ) -> None:
        """Set the values of parameters: of all, or of none if one is refused."""
        parameters.set_values(self._session, ids, values, save)

    def set_EARs_start(self, ids: Iterable[int], save: bool = True) -> datetime:
        """Mark runs as started now; the time that was noted."""
        return runs.start(self._session, ids, save)

    def set_EARs_end(
        self,
        ids: Iterable[int],
        exit_codes: Sequence[int] | int,
        successes: Sequence[bool] | bool,
        save: bool = True,
    ) -> datetime:
        """Mark runs as finished now; one exit code and success for all, or one each."""
        return runs.end(self._session, ids, exit_codes, successes, save)

    def set_EARs_skip(self, ids: Iterable[int], save: bool = True) -> None:
        """Mark runs as skipped."""
        runs.skip(self._session, ids, save)

    def set_EARs_submission_index(
        self, ids: Iterable[int], sub_idx: int, save: bool = True
    ) -> None:
        """Set the submission of runs."""
        runs.set_submission(self._session, ids, sub_idx, save)
