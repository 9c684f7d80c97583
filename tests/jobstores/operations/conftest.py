"""The same fifty columns are looked at again and again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.jobstores.decoded_once import decode_once

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module", autouse=True)
def _decoded_once() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        decode_once(patch)
        yield
