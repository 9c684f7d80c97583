"""One process for each operation, which all tests of it strike."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.campaigns.operations import OPERATIONS
from tests.campaigns.struck import Striker
from tests.jobstores.decoded_once import decode_once

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session", params=OPERATIONS)
def struck(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Striker]:
    """A striker for each operation in turn; what it needs undisturbed is measured once."""
    made = Striker(request.param, tmp_path_factory.mktemp("struck"))
    with pytest.MonkeyPatch.context() as patch:
        decode_once(patch)  # in this process, which only looks
        try:
            made.measure()
            yield made
        finally:
            made.close()
