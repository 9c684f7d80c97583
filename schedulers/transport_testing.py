"""The conformance suite of transports: what every place that runs commands must do.

Derive from `TransportConformance`, override `transport` and `folder`, and run it with
pytest.
"""

from __future__ import annotations

import secrets
import time
from typing import TYPE_CHECKING

import pytest

from schedulers.errors import UnavailableError
from schedulers.transport import CommandNotFoundError, CommandTimeoutError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from schedulers.transport import Result, Transport

_ENVIRONMENT = {"PATH": "/usr/local/bin:/usr/bin:/bin"}
_KILLED = (-9, 128 + 9)  # as the place can tell


class TransportConformance:
    """Tests of one transport."""

    patience_s = 30.0

    @pytest.fixture
    def transport(self) -> Transport:
        """The transport."""
        raise NotImplementedError

    @pytest.fixture
    def folder(self) -> str:
        """A folder there that its user can write to."""
        raise NotImplementedError

    def run(
        self,
        transport: Transport,
        *argv: str,
        environment: Mapping[str, str] = _ENVIRONMENT,
        timeout_s: float | None = None,
    ) -> Result:
        """Run a command."""
        timeout_s = self.patience_s if timeout_s is None else timeout_s
        return transport.run(argv, environment=environment, timeout_s=timeout_s)

    def test_a_command_gives_its_output_its_errors_and_its_exit_code(
        self, transport: Transport
    ) -> None:
        script = "echo out; echo err >&2; exit 3"
        assert self.run(transport, "sh", "-c", script) == (3, "out\n", "err\n")

    def test_words_arrive_as_they_are(self, transport: Transport) -> None:
        words = [
            "a b",
            "",
            "'",
            '"',
            "$HOME",
            "*",
            "\\",
            "a\nb",
            "-n",
            "é",
            "!",
            "`id`",
            "#",
        ]
        result = self.run(transport, "printf", "%s\\0", *words)
        assert result.stdout.split("\0")[:-1] == words

    def test_the_environment_is_the_one_that_was_given(self, transport: Transport) -> None:
        given = {**_ENVIRONMENT, "ODD": "a 'b' \"$c\"\nd", "BASH_FUNC_f%%": "() { :; }"}
        result = self.run(transport, "env", "-0", environment=given)
        entries = (entry.partition("=") for entry in result.stdout.split("\0") if entry)
        found = {name: value for name, _, value in entries}
        assert {k: v for k, v in found.items() if k not in ("PWD", "SHLVL", "_")} == given

    def test_a_command_has_no_input(self, transport: Transport) -> None:
        assert self.run(transport, "cat") == (0, "", "")

    def test_a_command_that_is_not_there_is_named(self, transport: Transport) -> None:
        for name in ("no-such-command", "/no/such/command"):
            with pytest.raises(CommandNotFoundError, match=name):
                self.run(transport, name, "argument")

    def test_a_command_that_exits_as_if_it_were_not_there_is_there(
        self, transport: Transport
    ) -> None:
        assert self.run(transport, "sh", "-c", "exit 127").exit_code == 127

    def test_the_signal_that_killed_a_command_is_in_its_exit_code(
        self, transport: Transport
    ) -> None:
        assert self.run(transport, "sh", "-c", "kill -KILL $$").exit_code in _KILLED

    def test_much_output_is_whole_and_what_is_no_text_is_replaced(
        self, transport: Transport
    ) -> None:
        script = (
            "yes 0123456789 | head -c 3000000; printf '\\377'; yes e | head -c 300000 >&2"
        )
        result = self.run(transport, "sh", "-c", script)
        assert len(result.stdout) == 3_000_001
        assert result.stdout[-1] == "\N{REPLACEMENT CHARACTER}"
        assert len(result.stderr) == 300_000

    def test_after_its_time_a_command_and_its_children_are_killed(
        self, transport: Transport, folder: str
    ) -> None:
        pid_file = f"{folder}/{secrets.token_hex(4)}"
        script = 'sleep 1000 & echo $! >"$1"; wait'
        with pytest.raises(CommandTimeoutError, match=r"sh did not answer within 0\.5 s"):
            self.run(transport, "sh", "-c", script, "-", pid_file, timeout_s=0.5)
        pid = self.run(transport, "cat", pid_file).stdout.strip()
        give_up = time.monotonic() + self.patience_s
        look = 'read -r _ _ state _ </proc/"$1"/stat && test "$state" != Z'
        while self.run(transport, "sh", "-c", look, "-", pid).exit_code == 0:
            assert time.monotonic() < give_up, f"process {pid} is alive"
            time.sleep(0.05)

    def test_directories_are_made_and_may_be_there_already(
        self, transport: Transport, folder: str
    ) -> None:
        paths = [f"{folder}/a b/{secrets.token_hex(4)}/'c'", f"{folder}/-d"]
        transport.make_directories(paths)
        transport.make_directories(paths)
        for path in paths:
            assert self.run(transport, "test", "-d", path).exit_code == 0
        transport.make_directories([])

    def test_a_directory_that_cannot_be_made_is_named(
        self, transport: Transport, folder: str
    ) -> None:
        taken = f"{folder}/{secrets.token_hex(4)}"
        assert self.run(transport, "touch", taken).exit_code == 0
        with pytest.raises(UnavailableError, match=taken):
            transport.make_directories([f"{taken}/below"])
