"""SimpleDB's answers: XML, read into what the client needs of it. Pure.

Standard library only, Python 3.9: this runs on compute nodes.
"""

from __future__ import annotations

import time
from base64 import b64decode
from typing import TYPE_CHECKING, Any, Dict, List, Tuple

from jobstores.errors import UnavailableError

if TYPE_CHECKING:
    from jobstores.backends.s3.http import Answer

Attributes = Dict[str, List[str]]


def unix_time(date: str) -> float:
    """The Unix seconds of an HTTP date."""
    from email.utils import mktime_tz, parsedate_tz  # http.client has imported it

    parsed = parsedate_tz(date)
    return float(mktime_tz(parsed)) if parsed else time.time()


def parse(body: bytes, url: str) -> Any:
    """The root element of an answer.

    Raises:
        UnavailableError: it is no XML.
    """
    from xml.etree import ElementTree as ET

    try:
        return ET.fromstring(body)  # noqa: S314 - the service's own
    except ET.ParseError as error:
        raise UnavailableError(
            f"{url} answers what is no XML ({error}): is it a SimpleDB endpoint?"
        ) from error


def error_of(answer: Answer) -> Tuple[str, str]:
    """Code and message of an error answer; of one from a proxy, status and beginning."""
    from xml.etree import ElementTree as ET

    try:
        root = ET.fromstring(answer.body)  # noqa: S314 - as above
    except ET.ParseError:
        return f"HTTP {answer.status}", answer.body[:200].decode(errors="replace")
    found = {name_of(element): element.text or "" for element in root.iter()}
    return found.get("Code", f"HTTP {answer.status}"), found.get("Message", "")


def name_of(element: Any) -> str:
    """An element's name, without its namespace."""
    name: str = element.tag
    return name.rpartition("}")[2]


def child(element: Any, name: str) -> Any:
    """The child of that name; an empty list where there is none."""
    for found in element:
        if name_of(found) == name:
            return found
    return []


def text_of(element: Any) -> str:
    """An element's text; where XML can't hold it, it came in base64."""
    text: str = element.text or ""
    if element.get("encoding") == "base64":
        return b64decode(text).decode(errors="replace")
    return text


def attributes_of(parent: Any) -> Attributes:
    """The values of each attribute that an element lists."""
    found: Attributes = {}
    for element in parent:
        if name_of(element) == "Attribute":
            name = text_of(child(element, "Name"))
            found.setdefault(name, []).append(text_of(child(element, "Value")))
    return found
