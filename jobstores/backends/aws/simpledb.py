"""A small client of Amazon SimpleDB: the few operations that a store needs.

Requests are signed with Signature Version 2, as form posts. Reads are consistent always.
Failures of load and network are tried again. A conditional write that was tried more than
once may fail against its own first try: `ConditionError.unsure` says so.

Source: Amazon SimpleDB Developer Guide (API version 2009-04-15).
Standard library only, Python 3.9: this runs on compute nodes.
"""

from __future__ import annotations

import hmac
import time
from base64 import b64encode
from hashlib import sha256
from typing import (
    TYPE_CHECKING,
    Any,
    Callable,
    Dict,
    Iterable,
    List,
    NamedTuple,
    Optional,
    Sequence,
    Tuple,
)
from urllib.parse import quote

from jobstores.backends.aws.simpledb_answers import (
    Attributes,
    attributes_of,
    child,
    error_of,
    name_of,
    parse,
    text_of,
    unix_time,
)
from jobstores.backends.s3.http import (
    TRANSIENT_STATUSES,
    Answer,
    Connections,
    LostAnswerError,
    host_header,
    proxy_for,
)
from jobstores.errors import (
    ConflictError,
    NotFoundError,
    TransientError,
    UnavailableError,
)

if TYPE_CHECKING:
    from jobstores.backends.s3.settings import Settings

VERSION = "2009-04-15"
MAX_BATCH = 25  # items of one request
MAX_VALUE = 1024  # bytes of a value, and of a name
MAX_SELECTED = 2500  # items of one page
MAX_COMPARED = 20  # values of one `in (...)`
_CONTENT_TYPE = "application/x-www-form-urlencoded; charset=utf-8"
_RENEW = ("AuthFailure", "ExpiredToken", "InvalidClientTokenId", "InvalidAccessKeyId")

Params = List[Tuple[str, str]]


class NoDomainError(NotFoundError):
    """There is no such domain, or not yet."""

    kind = "no_domain"


class ConditionError(ConflictError):
    """A conditional write was refused.

    unsure: an earlier try of the same write had no answer, and may have been done.
    """

    kind = "condition"

    def __init__(self, message: str, *, unsure: bool) -> None:
        super().__init__(message)
        self.unsure = unsure


class Rows(NamedTuple):
    """A page of `select`: items by name, and the token of the next page, if any."""

    items: List[Tuple[str, Attributes]]
    token: Optional[str]


class SimpleDb:
    """A client of one endpoint; for any number of threads.

    settings: as `s3.settings.load_settings(service="simpledb")` finds them.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        environ: Optional[Dict[str, str]] = None,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        import os

        self.url = settings.endpoint or endpoint_of(settings.region)
        self._settings = settings
        self._host, path = host_header(self.url)
        self._path = path + "/"
        self._clock = clock
        self._monotonic = monotonic
        self._skew_s = 0.0  # of the service's clock against ours, once it complained
        self._seen: Optional[Tuple[float, float]] = None  # its time, and when by ours
        self._connections = Connections(
            self.url,
            connect_timeout_s=settings.connect_timeout_s,
            read_timeout_s=settings.read_timeout_s,
            proxy=proxy_for(self.url, os.environ if environ is None else environ),
            ca_bundle=settings.ca_bundle,
        )

    def close(self) -> None:
        """Close connections; the next request opens another."""
        self._connections.close()

    def __del__(self) -> None:
        self.close()

    def server_time(self) -> float:
        """The service's clock (Unix seconds), by the date of its last answer."""
        if self._seen is None:
            return self._clock()
        at, then = self._seen
        return at + self._monotonic() - then

    def create_domain(self, domain: str) -> None:
        """Make a domain. One that is there already stays as it is."""
        self._call("CreateDomain", [("DomainName", domain)])

    def delete_domain(self, domain: str) -> None:
        """Remove a domain with all that it holds; none there is no error."""
        self._call("DeleteDomain", [("DomainName", domain)])

    def put(
        self,
        domain: str,
        item: str,
        values: Sequence[Tuple[str, str]],
        expected: Tuple[str, Optional[str]],
    ) -> None:
        """Set attributes, each to one value in place of all it has, on a condition.

        expected: an attribute's name and only value; None: the item lacks it.

        Raises:
            ConditionError: the condition does not hold.
            NoDomainError: there is no such domain.
        """
        params = [("DomainName", domain), ("ItemName", item), *_condition(expected)]
        for number, (name, value) in enumerate(values, 1):
            params.append((f"Attribute.{number}.Name", name))
            params.append((f"Attribute.{number}.Value", value))
            params.append((f"Attribute.{number}.Replace", "true"))
        self._call("PutAttributes", params)

    def get(self, domain: str, item: str, names: Iterable[str] = ()) -> Attributes:
        """An item's attributes, or of them those; empty where it is not there."""
        params = [("DomainName", domain), ("ItemName", item), ("ConsistentRead", "true")]
        params += [(f"AttributeName.{n}", name) for n, name in enumerate(names, 1)]
        result = child(self._call("GetAttributes", params), "GetAttributesResult")
        return attributes_of(result)

    def delete(self, domain: str, item: str, expected: Tuple[str, Optional[str]]) -> None:
        """Remove an item on a condition. That it is gone may be an error or none."""
        self._call(
            "DeleteAttributes",
            [("DomainName", domain), ("ItemName", item), *_condition(expected)],
        )

    def delete_items(self, domain: str, items: Sequence[str]) -> None:
        """Remove up to `MAX_BATCH` items, all or none of them."""
        params = [("DomainName", domain)]
        params += [(f"Item.{n}.ItemName", item) for n, item in enumerate(items, 1)]
        self._call("BatchDeleteAttributes", params)

    def select(self, expression: str, token: Optional[str] = None) -> Rows:
        """One page of what an expression finds. It may be empty and not the last."""
        params = [("SelectExpression", expression), ("ConsistentRead", "true")]
        if token is not None:
            params.append(("NextToken", token))
        result = child(self._call("Select", params), "SelectResult")
        rows = [
            (text_of(child(item, "Name")), attributes_of(item))
            for item in result
            if name_of(item) == "Item"
        ]
        following = [text_of(found) for found in result if name_of(found) == "NextToken"]
        return Rows(rows, following[0] if following else None)

    def _call(self, action: str, params: Params) -> Any:
        """The answer's root element, after as many tries as it takes.

        Raises:
            JobStoreError: the service refused, or there was no answer.
        """
        unsure = renewed = False
        failure: Exception = UnavailableError(f"{self.url}: not tried")
        for number in self._settings.retry.tries():
            try:
                answer = self._send(action, params)
            except LostAnswerError as lost:
                unsure = unsure or lost.reached
                failure = self._no_answer(lost, number)
                continue
            if answer.status == 200:
                return parse(answer.body, self.url)
            code, message = error_of(answer)
            said = f"{self.url}: {action}: {code}: {message}"
            if answer.status in TRANSIENT_STATUSES or code == "RequestTimeout":
                unsure = True
                failure = TransientError(f"{said} (after {number} tries)")
            elif code in _RENEW and not renewed:
                renewed = True
                self._settings.credentials(True)
                failure = UnavailableError(said)
            elif code == "RequestExpired" and self._seen and not self._skew_s:
                self._skew_s = self.server_time() - self._clock()
                failure = UnavailableError(said)
            else:
                raise _refusal(code, said, unsure=unsure)
        raise failure

    def _send(self, action: str, params: Params) -> Answer:
        body = self._signed([("Action", action), ("Version", VERSION), *params])
        headers = {"Host": self._host, "Content-Type": _CONTENT_TYPE}
        answer = self._connections.exchange("POST", self._path, headers, body)
        date = answer.headers.get("date")
        if date:
            self._seen = (unix_time(date), self._monotonic())
        return answer

    def _signed(self, params: Params) -> bytes:
        credentials = self._settings.credentials(False)
        now = time.gmtime(self._clock() + self._skew_s)
        params = [
            *params,
            ("AWSAccessKeyId", credentials.access_key),
            ("SignatureVersion", "2"),
            ("SignatureMethod", "HmacSHA256"),
            ("Timestamp", time.strftime("%Y-%m-%dT%H:%M:%SZ", now)),
        ]
        if credentials.token:
            params.append(("SecurityToken", credentials.token))
        form = "&".join(f"{_quoted(n)}={_quoted(v)}" for n, v in sorted(params))
        text = f"POST\n{self._host.lower()}\n{self._path}\n{form}"
        secret = credentials.secret_key.encode()
        signature = b64encode(hmac.new(secret, text.encode(), sha256).digest()).decode()
        return f"{form}&Signature={_quoted(signature)}".encode()

    def _no_answer(self, lost: LostAnswerError, tries: int) -> Exception:
        if lost.reached:
            return TransientError(f"no answer after {tries} tries: {lost}")
        return UnavailableError(
            f"SimpleDB can't be reached after {tries} tries: {lost}: check the region and"
            " AWS_ENDPOINT_URL_SIMPLEDB, the network and the proxy"
        )


def endpoint_of(region: str) -> str:
    """Amazon's own endpoint of a region."""
    return (
        "https://sdb.amazonaws.com"
        if region == "us-east-1"
        else (f"https://sdb.{region}.amazonaws.com")
    )


def quoted_name(name: str) -> str:
    """A domain's or attribute's name as an expression has it."""
    return "`" + name.replace("`", "``") + "`"


def quoted_value(value: str) -> str:
    """A value as an expression has it."""
    return "'" + value.replace("'", "''") + "'"


def _condition(expected: Tuple[str, Optional[str]]) -> Params:
    name, value = expected
    if value is None:
        return [("Expected.1.Name", name), ("Expected.1.Exists", "false")]
    return [("Expected.1.Name", name), ("Expected.1.Value", value)]


def _refusal(code: str, said: str, *, unsure: bool) -> Exception:
    """Our error for the service's; the one table of them."""
    if code in ("ConditionalCheckFailed", "AttributeDoesNotExist", "MultiValuedAttribute"):
        return ConditionError(said, unsure=unsure)
    if code == "NoSuchDomain":
        return NoDomainError(said)
    if code in ("NumberDomainBytesExceeded", "NumberDomainAttributesExceeded"):
        return UnavailableError(f"{said}: the domain is full: use another store")
    return UnavailableError(said)


def _quoted(text: str) -> str:
    return quote(text, safe="-_.~")
