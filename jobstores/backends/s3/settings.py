"""Where an S3 service is, and who we are there: environment, shared files, then boto3.

The names are those of AWS's own tools. Order, the first that has it wins:

* credentials: AWS_ACCESS_KEY_ID with AWS_SECRET_ACCESS_KEY (and AWS_SESSION_TOKEN); the
  keys of the profile (AWS_PROFILE) in the shared files; boto3's chain (single sign-on,
  roles, instance, process, web identity), where boto3 is installed;
* region: AWS_REGION, AWS_DEFAULT_REGION, the profile, us-east-1;
* endpoint: AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL, the profile's `endpoint_url`; none is
  Amazon's own.

Standard library only, Python 3.9: this runs on compute nodes. boto3 is imported only
where nothing else has credentials.
"""

from __future__ import annotations

import os
import threading
from typing import Any, Callable, Dict, Mapping, NamedTuple, Optional

from jobstores.backends.s3.http import Retry, is_loopback
from jobstores.backends.s3.signing import Credentials
from jobstores.errors import UnavailableError

TRIES = "HPCFLOW_S3_TRIES"
CONNECT_TIMEOUT = "HPCFLOW_S3_CONNECT_TIMEOUT_S"
READ_TIMEOUT = "HPCFLOW_S3_READ_TIMEOUT_S"
ADDRESSING = "HPCFLOW_S3_ADDRESSING"
SSE_KEY_FILE = "HPCFLOW_S3_SSE_KEY_FILE"

NO_CREDENTIALS = (
    "no AWS credentials were found: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or"
    " AWS_PROFILE with a profile in ~/.aws/credentials"
)


class Settings(NamedTuple):
    """What a client needs to know besides the bucket.

    credentials: gives those that are valid now; given True, newly fetched ones.
    endpoint: URL, or "" for Amazon's own.
    addressing: "path", "virtual" (bucket in the host name), or "auto".
    sse_key: 32 bytes that encrypt every object (SSE-C), or None.
    """

    credentials: Callable[[bool], Credentials]
    region: str = "us-east-1"
    endpoint: str = ""
    addressing: str = "auto"
    sse_key: Optional[bytes] = None
    retry: Retry = Retry()
    connect_timeout_s: float = 10.0
    read_timeout_s: float = 60.0
    ca_bundle: Optional[str] = None


def load_settings(
    environ: Optional[Mapping[str, str]] = None, service: str = "s3"
) -> Settings:
    """The settings that an environment names. Credentials are looked for when needed.

    service: whose endpoint is wanted, as in AWS_ENDPOINT_URL_S3 ("simpledb": _SIMPLEDB).

    Raises:
        UnavailableError: a setting makes no sense; the message names it.
    """
    env = os.environ if environ is None else environ
    profile = _Profile(env)
    endpoint = (
        env.get(f"AWS_ENDPOINT_URL_{service.upper()}")
        or env.get("AWS_ENDPOINT_URL")
        or profile.setting("endpoint_url")
        or ""
    )
    if endpoint and not endpoint.startswith(("http://", "https://")):
        raise UnavailableError(
            f"the endpoint {endpoint!r} is no URL: it must begin with https:// or http://"
            f" (AWS_ENDPOINT_URL_{service.upper()})"
        )
    addressing = env.get(ADDRESSING, "auto")
    if addressing not in ("auto", "path", "virtual"):
        raise UnavailableError(f"{ADDRESSING} is {addressing!r}: auto, path or virtual")
    key_file = env.get(SSE_KEY_FILE)
    return Settings(
        credentials=_Chain(env, profile).current,
        region=env.get("AWS_REGION")
        or env.get("AWS_DEFAULT_REGION")
        or profile.setting("region")
        or "us-east-1",
        endpoint=endpoint.rstrip("/"),
        addressing=addressing,
        sse_key=read_sse_key(key_file) if key_file and service == "s3" else None,
        retry=Retry(limit=max(1, int(_number(env, TRIES, 8)))),
        connect_timeout_s=_number(env, CONNECT_TIMEOUT, 10.0),
        read_timeout_s=_number(env, READ_TIMEOUT, 60.0),
        ca_bundle=env.get("AWS_CA_BUNDLE") or profile.setting("ca_bundle") or None,
    )


def read_sse_key(path: str) -> bytes:
    """The 32 bytes of a key file, which nobody but its owner may read.

    Raises:
        UnavailableError: it can't be read, others may read it, or it has another size.
    """
    try:
        with open(path, "rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            key = file.read(64)
    except OSError as error:
        raise UnavailableError(
            f"the encryption key of {SSE_KEY_FILE} can't be read: {error}"
        ) from error
    if mode & 0o077:
        raise UnavailableError(
            f"{path}, the encryption key of {SSE_KEY_FILE}, may be read by others"
            f" (mode {mode & 0o777:o}): chmod 600 {path}"
        )
    if len(key) != 32:
        raise UnavailableError(
            f"{path}, the encryption key of {SSE_KEY_FILE}, has {len(key)} bytes, not 32:"
            f" make one with: (umask 077; head -c 32 /dev/urandom > {path})"
        )
    return key


def check_encrypted_transport(settings: Settings) -> None:
    """An encryption key is sent with each request, so not over plain HTTP.

    Raises:
        UnavailableError: it would be.
    """
    from urllib.parse import urlsplit

    parts = urlsplit(settings.endpoint)
    if (
        settings.sse_key
        and parts.scheme == "http"
        and not is_loopback(parts.hostname or "")
    ):
        raise UnavailableError(
            f"the encryption key of {SSE_KEY_FILE} would be sent in the clear to"
            f" {settings.endpoint}: use an https:// endpoint"
        )


def _number(env: Mapping[str, str], name: str, default: float) -> float:
    text = env.get(name)
    try:
        number = float(text) if text else default
    except ValueError:
        number = -1.0
    if not 0 < number < 1e6:
        raise UnavailableError(f"{name} is {text!r}: a number above 0 was expected")
    return number


class _Profile:
    """The profile that AWS_PROFILE names, in AWS's two shared files; read when asked."""

    def __init__(self, env: Mapping[str, str]) -> None:
        self.name = env.get("AWS_PROFILE") or env.get("AWS_DEFAULT_PROFILE") or "default"
        self.chosen = bool(env.get("AWS_PROFILE") or env.get("AWS_DEFAULT_PROFILE"))
        home = env.get("HOME") or os.path.expanduser("~")
        self._files = (
            env.get("AWS_SHARED_CREDENTIALS_FILE") or f"{home}/.aws/credentials",
            env.get("AWS_CONFIG_FILE") or f"{home}/.aws/config",
        )
        self._sections: Optional[Dict[str, str]] = None

    def setting(self, name: str) -> str:
        """A setting of the profile, "" where it has none."""
        if self._sections is None:
            self._sections = {}
            for path in reversed(self._files):
                self._sections.update(self._read(os.path.expanduser(path)))
        return self._sections.get(name, "")

    def _read(self, path: str) -> Dict[str, str]:
        if not os.path.exists(path):
            return {}
        import configparser

        parser = configparser.RawConfigParser(default_section="", strict=False)
        try:
            with open(path, encoding="utf-8") as file:
                parser.read_file(file)
        except (OSError, UnicodeDecodeError, configparser.Error) as error:
            raise UnavailableError(f"{path} can't be read: {error}") from error
        for section in (f"profile {self.name}", self.name):
            if parser.has_section(section):
                return dict(parser.items(section))
        return {}


class _Chain:
    """Finds credentials, once, and again when they expire."""

    def __init__(self, env: Mapping[str, str], profile: _Profile) -> None:
        self._env = env
        self._profile = profile
        self._lock = threading.Lock()
        self._found: Optional[Credentials] = None
        self._boto3: Any = None

    def current(self, renew: bool = False) -> Credentials:
        """The credentials to sign with now.

        Raises:
            UnavailableError: there are none.
        """
        with self._lock:
            if self._boto3 is not None:
                return self._from_boto3()
            if self._found is None or renew:
                self._found = self._environment() or self._file()
                if self._found is None:
                    return self._from_boto3()
            return self._found

    def _environment(self) -> Optional[Credentials]:
        key = self._env.get("AWS_ACCESS_KEY_ID")
        secret = self._env.get("AWS_SECRET_ACCESS_KEY")
        if not key:
            return None
        if not secret:
            raise UnavailableError(
                "AWS_ACCESS_KEY_ID is set, and AWS_SECRET_ACCESS_KEY is not: set both"
            )
        return Credentials(key, secret, self._env.get("AWS_SESSION_TOKEN") or None)

    def _file(self) -> Optional[Credentials]:
        self._profile._sections = None  # noqa: SLF001 - read again: it may have been renewed
        key = self._profile.setting("aws_access_key_id")
        secret = self._profile.setting("aws_secret_access_key")
        if not key or not secret or self._profile.setting("role_arn"):
            return None
        return Credentials(key, secret, self._profile.setting("aws_session_token") or None)

    def _from_boto3(self) -> Credentials:
        """Through boto3, which renews what expires by itself."""
        try:
            if self._boto3 is None:
                from boto3 import Session

                name = self._profile.name if self._profile.chosen else None
                self._boto3 = Session(profile_name=name).get_credentials()
            found = self._boto3 and self._boto3.get_frozen_credentials()
        except ImportError:
            found = None
        except Exception as error:  # boto3's own are many, and each means the same here
            raise UnavailableError(f"{NO_CREDENTIALS} ({error})") from error
        if not found:
            self._boto3 = None
            raise UnavailableError(NO_CREDENTIALS)
        return Credentials(found.access_key, found.secret_key, found.token)


def fixed_credentials(access_key: str, secret_key: str) -> Callable[[bool], Credentials]:
    """Credentials that never change, as `Settings.credentials`."""
    found = Credentials(access_key, secret_key)
    return lambda renew: found  # noqa: ARG005 - the same whatever is asked
