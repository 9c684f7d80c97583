"""Templates that lie on a web server, and the files beside them."""

from __future__ import annotations

import os
from urllib.parse import urljoin, urlsplit

SCHEMES = ("http", "https")
TIMEOUT_S = 30.0
MOST_BYTES = 100_000_000


def is_url(text: str) -> bool:
    """Whether a template's place is a URL that can be read."""
    return text.startswith(tuple(f"{scheme}://" for scheme in SCHEMES))


def read_url(url: str) -> bytes:
    """What a URL has.

    Raises:
        FileNotFoundError: there is nothing of that name.
        OSError: the server does not give it; the message says why.
    """
    if urlsplit(url).scheme not in SCHEMES:
        raise OSError(f"expected a URL of {' or '.join(SCHEMES)}")
    from urllib.error import HTTPError, URLError  # slow to import
    from urllib.request import urlopen

    try:
        with urlopen(url, timeout=TIMEOUT_S) as answer:  # noqa: S310 - checked above
            data: bytes = answer.read(MOST_BYTES + 1)
    except HTTPError as error:
        if error.code in (404, 410):
            raise FileNotFoundError(error.code, f"the server has none ({error})") from error
        raise OSError(str(error)) from error
    except URLError as error:
        raise OSError(f"the server does not answer: {error.reason}") from error
    if len(data) > MOST_BYTES:
        raise OSError(f"it has more than {MOST_BYTES} bytes")
    return data


class UrlFiles:
    """Files beside a template that came from a URL."""

    def __init__(self, template: str) -> None:
        self._template = template

    def read(self, name: str) -> str:
        """A file's text, without a byte order mark.

        Raises: OSError, UnicodeDecodeError
        """
        return self.read_bytes(name)[0].decode("utf-8-sig")

    def read_bytes(self, name: str) -> tuple[bytes, str]:
        """A file's content and its URL.

        Raises: OSError
        """
        url = urljoin(self._template, name)
        if urlsplit(url)[:2] != urlsplit(self._template)[:2]:
            raise PermissionError(0, "a template from a URL takes files of its server only")
        return read_url(url), url

    def locate(self, name: str) -> str:
        """The absolute path of a file: a server has none that jobs could read.

        Raises: FileNotFoundError
        """
        if os.path.isabs(name) and os.path.lexists(name):
            return name
        raise FileNotFoundError(name)

    def similar(self, name: str) -> str:  # noqa: ARG002 - there is no list of them
        """Nothing: a server does not say what it has."""
        return ""
