"""Hosts over SSH: how they are found, whom they are, and what a cut connection does."""

from __future__ import annotations

import getpass
import io
import re
import socket
import subprocess
import threading
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import paramiko
import pytest

from schedulers.errors import UnavailableError
from schedulers.ssh.connection import AuthenticationError, ConnectionFailedError
from schedulers.ssh.host_keys import HostKeyError
from schedulers.ssh.settings import SshConfigError, host_settings, split_destination
from schedulers.ssh.transport import ConnectionLostError, RemoteFileError, SshHost
from tests.services import SSH_CONFIG
from tests.ssh_site import HOST, KNOWN_HOSTS, config_through, folder_there, open_way

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.ssh_site import Way

ENVIRONMENT = {"PATH": "/usr/bin:/bin"}


def said(host: SshHost, *argv: str, timeout_s: float = 30) -> str:
    return host.run(argv, environment=ENVIRONMENT, timeout_s=timeout_s).stdout.strip()


@pytest.fixture
def way() -> Iterator[Way]:
    with open_way() as way:
        yield way


# -- the configuration --------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("host", (None, "host", None)),
        ("me@host:22", ("me", "host", 22)),
        ("ssh://me@host", ("me", "host", None)),
        ("[::1]:2222", (None, "::1", 2222)),
        ("fe80::1", (None, "fe80::1", None)),
        ("a@b@host", ("a@b", "host", None)),
    ],
)
def test_a_destination_has_a_user_a_host_and_a_port(text, expected):
    assert split_destination(text) == expected


@pytest.mark.parametrize("text", ["", "me@", "host:x", "-oProxyCommand=sh", "a b"])
def test_what_is_no_destination_is_refused(text):
    with pytest.raises(SshConfigError, match=re.escape(repr(text))):
        split_destination(text)


def test_the_configuration_says_how_a_host_is_reached(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    ssh = tmp_path / ".ssh"
    (ssh / "more").mkdir(parents=True)
    (ssh / "config").write_text(
        "Include more/*\n"
        "Host cluster\n HostName login.cluster.org\n User me\n Port 2200\n"
        " IdentityFile ~/.ssh/id_%u\n IdentitiesOnly yes\n ConnectTimeout 7\n"
        " ProxyJump gate, me@second:2022\n"
        'Host *.org\n HostKeyAlias cluster-key\n UserKnownHostsFile ~/known "/a b"\n'
        " GlobalKnownHostsFile none\n IdentityAgent none\n ProxyCommand none\n"
    )
    (ssh / "more" / "one").write_text(
        "Host gate\n HostName gate.cluster.org\n User guest\n"
    )
    cluster = host_settings("cluster", environ={})
    assert cluster.place == "me@login.cluster.org:2200"
    assert cluster.key_name == "[login.cluster.org]:2200"
    assert cluster.identities == (f"{ssh}/id_{getpass.getuser()}",)
    assert cluster.identities_only
    assert cluster.use_agent
    assert cluster.jumps == ("gate", "me@second:2022")
    assert cluster.connect_timeout_s == 7
    assert cluster.known_hosts[0] == f"{ssh}/known_hosts"
    assert host_settings("gate", environ={}).place == "guest@gate.cluster.org"
    alias = host_settings("other@x.org:5", environ={})
    assert alias.place == "other@x.org:5"
    assert alias.key_name == "cluster-key"
    assert alias.known_hosts == (f"{tmp_path}/known", "/a b")
    assert not alias.use_agent
    assert alias.proxy_command is None
    plain = host_settings("plain", environ={})
    assert (plain.place, plain.jumps) == (f"{getpass.getuser()}@plain", ())


def test_a_configuration_that_cannot_be_used_is_named(tmp_path):
    with pytest.raises(SshConfigError, match="absent: there is no such file"):
        host_settings("x", config=str(tmp_path / "absent"))
    bad = tmp_path / "bad"
    bad.write_text("Host x\n Port many\n")
    with pytest.raises(SshConfigError, match="of x: Port is 'many'; expected a number"):
        host_settings("x", environ={"HPCFLOW_SSH_CONFIG": str(bad)})
    bad.write_text(f"Include {bad}\n")
    with pytest.raises(SshConfigError, match="Include goes deeper"):
        host_settings("x", config=str(bad))


# -- hosts that can't be reached ------------------------------------------------


def test_a_host_that_does_not_answer_is_given_up_after_the_connect_timeout(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        config = tmp_path / "config"
        config.write_text("Host *\n ConnectTimeout 1\n")
        host = SshHost(f"127.0.0.1:{silent.getsockname()[1]}", config=str(config))
        host._connection._waits_s = ()
        with pytest.raises(ConnectionFailedError, match="can't be reached"):
            said(host, "true")


def test_a_host_whose_port_is_closed_is_named(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    config = tmp_path / "config"
    config.write_text("")
    with pytest.raises(
        ConnectionFailedError, match=rf"@127\.0\.0\.1:{port} can't be reached"
    ):
        said(SshHost(f"127.0.0.1:{port}", config=str(config)), "true")


# -- whom a host is -------------------------------------------------------------


@pytest.mark.ssh
def test_an_unknown_a_changed_and_a_revoked_key_are_refused(tmp_path):
    known = tmp_path / "known_hosts"
    text = Path(SSH_CONFIG).read_text().replace(KNOWN_HOSTS, str(known))
    config = tmp_path / "config"
    config.write_text(text.replace("StrictHostKeyChecking yes", "StrictHostKeyChecking no"))
    right = Path(KNOWN_HOSTS).read_text()
    subprocess.run(
        ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / "k")],
        check=True,
    )
    other = (tmp_path / "k.pub").read_text().split()[1]
    name, kind, key = right.split()

    def refused() -> str:
        host = SshHost(HOST, config=str(config))
        with pytest.raises(HostKeyError) as caught:
            said(host, "true")
        assert host.connections == 0
        return str(caught.value)

    known.write_text("")
    assert re.search(r"not known under '\[127.*run `ssh login` once", refused())
    known.write_text(f"{name} {kind} {other}\n")
    assert re.search(r"CHANGED.*nothing was sent.*ssh-keygen -R", refused())
    known.write_text(f"{right}@revoked {name} {kind} {key}\n")
    assert "marked as revoked" in refused()
    hashed = paramiko.HostKeys.hash_host(name)
    for names in (hashed, "*]:2222", f"[10.0.0.1]:2222,{name}"):
        known.write_text(
            f"# mine\n\n@cert-authority * {kind} {other}\n{names} {kind} {key}\n"
        )
        assert said(SshHost(HOST, config=str(config)), "echo", "in") == "in"
    known.write_text(f"!{name},* {kind} {key}\n")
    assert "is not known" in refused()
    known.write_text(right)
    assert said(SshHost(HOST, config=str(config)), "echo", "in") == "in"


@pytest.mark.ssh
def test_a_key_that_opens_nothing_and_a_locked_one_say_what_to_do(tmp_path):
    own = Path(SSH_CONFIG).read_text()
    key = tmp_path / "key"
    for phrase, expected in (("", "lets nobody in with.*no passwords"), ("x", "ssh-add")):
        key.unlink(missing_ok=True)
        make = ["ssh-keygen", "-q", "-t", "ed25519", "-N", phrase * 6, "-f", str(key)]
        subprocess.run(make, check=True, stdin=subprocess.DEVNULL)
        config = tmp_path / "config"
        config.write_text(re.sub(r"IdentityFile .*", f"IdentityFile {key}", own))
        with pytest.raises(AuthenticationError, match=expected):
            said(SshHost(HOST, config=str(config)), "true")


@pytest.mark.ssh
def test_a_key_of_the_agent_opens_a_host(tmp_path, monkeypatch):
    started = subprocess.run(
        ["ssh-agent", "-s"], capture_output=True, text=True, check=True
    )
    found = dict(re.findall(r"(SSH_\w+)=([^;]+);", started.stdout))
    try:
        for name, value in found.items():
            monkeypatch.setenv(name, value)
        own = Path(SSH_CONFIG).read_text()
        identity = re.search(r"IdentityFile (.*)", own)[1]
        subprocess.run(
            ["ssh-add", "-q", identity.replace("%u", getpass.getuser())],
            check=True,
            capture_output=True,
        )
        config = tmp_path / "config"
        config.write_text(re.sub(r".*(IdentityFile|IdentitiesOnly).*\n", "", own))
        monkeypatch.setenv("HOME", str(tmp_path))
        assert said(SshHost(HOST, config=str(config)), "echo", "in") == "in"
    finally:
        subprocess.run(["kill", found["SSH_AGENT_PID"]], check=True)


@pytest.mark.ssh
def test_hosts_are_reached_through_others(tmp_path):
    config = tmp_path / "config"
    own = Path(SSH_CONFIG).read_text()
    through = own.replace("Host login", "Host inner") + "    ProxyJump login\n"
    # OpenSSH's own client is the pipe
    through += own.replace("Host login", "Host piped")
    through += f"    ProxyCommand ssh -F {SSH_CONFIG} -W 127.0.0.1:2222 login\n"
    config.write_text(own + through)
    for name in ("inner", "piped"):
        host = SshHost(name, config=str(config))
        assert said(host, "echo", name) == name
        host.close()
    unknown = tmp_path / "unknown"
    unknown.write_text(own.replace(KNOWN_HOSTS, "/dev/null") + through)
    with pytest.raises(HostKeyError, match="is not known"):
        said(SshHost("inner", config=str(unknown)), "true")


# -- connections that are cut ---------------------------------------------------


@pytest.mark.ssh
def test_many_commands_go_over_one_connection_also_from_threads():
    host = SshHost(HOST, config=SSH_CONFIG)
    found: list[str] = []
    threads = [
        threading.Thread(target=lambda k=k: found.append(said(host, "echo", str(k))))
        for k in range(5)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found += [said(host, "echo", str(k)) for k in range(5, 20)]
    assert sorted(found, key=int) == [str(k) for k in range(20)]
    assert host.connections == 1
    host.close()


@pytest.mark.ssh
def test_after_a_cut_the_next_command_has_a_new_connection(tmp_path, way):
    host = SshHost(HOST, config=str(config_through(tmp_path, way.port)))
    assert said(host, "echo", "1") == "1"
    way.cut()
    with pytest.raises(UnavailableError):
        said(host, "echo", "2")
    way.mend()
    assert said(host, "echo", "3") == "3"
    assert host.connections == 2
    host.close()


@pytest.mark.ssh
def test_a_command_over_which_the_connection_is_cut_may_have_been_done(tmp_path, way):
    host = SshHost(HOST, config=str(config_through(tmp_path, way.port)))
    with folder_there() as folder:
        begun = f"{folder}/begun"
        watcher = SshHost(HOST, config=SSH_CONFIG)

        def cut_when_it_runs() -> None:
            wait = 'until [ -e "$1" ]; do sleep 0.02; done'
            said(watcher, "sh", "-c", wait, "-", begun)
            way.cut()

        thread = threading.Thread(target=cut_when_it_runs)
        thread.start()
        with pytest.raises(ConnectionLostError, match="its answer was lost"):
            said(host, "sh", "-c", 'touch "$1"; sleep 100', "-", begun, timeout_s=60)
        thread.join()
        with suppress(UnavailableError):
            said(watcher, "pkill", "-f", "sleep 100")
        watcher.close()
    host.close()


# -- files ----------------------------------------------------------------------


@pytest.mark.ssh
def test_files_go_there_and_back_whole_or_not_at_all(tmp_path, way):
    content = bytes(range(256)) * 4000
    host = SshHost(HOST, config=str(config_through(tmp_path, way.port)))
    with folder_there() as folder:
        path = f"{folder}/a 'file'"
        host.put_bytes(b"old", path)
        host.put_file(io.BytesIO(content), path, mode=0o600)
        assert host.size(path) == len(content)
        assert host.get_bytes(path) == content
        target = tmp_path / "fetched"
        assert host.get_file(path, str(target)) == len(content)
        assert target.read_bytes() == content
        assert said(host, "stat", "-c", "%a", path) == "600"
        assert host.size(f"{folder}/absent") is None
        with pytest.raises(RemoteFileError, match=r"login:.*/absent"):
            host.get_file(f"{folder}/absent", str(tmp_path / "absent"))
        with pytest.raises(RemoteFileError, match="no/where"):
            host.put_bytes(b"", f"{folder}/no/where")
        way.cut_after = way.passed + len(content) // 2
        with pytest.raises(UnavailableError):
            host.put_bytes(content[::-1], path)
        way.mend()
        assert host.get_bytes(path) == content
        way.cut_after = way.passed + len(content) // 2
        with pytest.raises(UnavailableError):
            host.get_file(path, str(target.with_name("second")))
        way.mend()
        assert {p.name for p in tmp_path.iterdir() if "second" in p.name} == set()
    host.close()


@pytest.mark.ssh
def test_the_environment_is_that_of_a_login_shell_whatever_profiles_print(tmp_path):
    host = SshHost(HOST, config=SSH_CONFIG)
    environment = host.environment()
    assert "/usr/bin" in environment["PATH"].split(":")
    assert environment["HOME"].endswith(environment["USER"])
    assert "SSH_AUTH_SOCK" not in environment
    host.close()
