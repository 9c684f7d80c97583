"""One suite for the places where commands are run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from schedulers.ssh.transport import SshHost
from schedulers.transport import ThisHost
from schedulers.transport_testing import TransportConformance
from tests.services import SSH_CONFIG
from tests.ssh_site import HOST, folder_there

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from schedulers.transport import Transport


class TestThisHost(TransportConformance):
    @pytest.fixture
    def transport(self) -> Transport:
        return ThisHost()

    @pytest.fixture
    def folder(self, tmp_path: Path) -> str:
        return str(tmp_path)


@pytest.mark.ssh
class TestSsh(TransportConformance):
    @pytest.fixture
    def transport(self) -> Iterator[Transport]:
        host = SshHost(HOST, config=SSH_CONFIG)
        yield host
        host.close()

    @pytest.fixture
    def folder(self) -> Iterator[str]:
        with folder_there() as path:
            yield path
