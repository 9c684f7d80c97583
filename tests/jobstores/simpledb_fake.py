"""A faithful SimpleDB endpoint for tests: its query protocol over HTTP, and its faults.

All operations of version 2009-04-15, XML answers, Signature Version 2, the limits and
error codes. In tests: `with serving() as fake:` and the environment of `fake.exports()`.
By itself: `python -m tests.jobstores.simpledb_fake --port N` prints the same variables.

Source: Amazon SimpleDB Developer Guide; service model sdb/2009-04-15 of botocore.
"""

from __future__ import annotations

import argparse
import base64
import hmac
import os
import random
import re
import threading
import uuid
from contextlib import contextmanager
from datetime import UTC, datetime
from hashlib import sha1, sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, quote, urlsplit
from xml.sax.saxutils import escape

from tests.jobstores import simpledb_fake_select as select
from tests.jobstores.simpledb_fake_data import (
    Condition,
    Database,
    Limits,
    Pair,
    SdbError,
    check_text,
    invalid,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

VERSION = "2009-04-15"
ACCESS_KEY, SECRET_KEY = "fake-access-key", "fake/secret+key"
MAX_REQUEST = 2**20  # bytes
MAX_SKEW_S = 15 * 60
_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")

Params = dict[str, str]


class Fault:
    """What goes wrong with requests that match, `times` times after `skip` others.

    kind: "503" or "500", nothing is done; "lose", it is done, and the connection is cut
        instead of an answer; "cut", nothing is done, it is cut; "hang", it is done, and
        no answer comes until the server is closed; or a function that is called first.
    """

    def __init__(
        self, kind: str | Callable[[], object], action: str, times: int, skip: int
    ) -> None:
        self.kind = kind
        self.action = action
        self.times = times
        self.skip = skip

    def strikes(self, action: str) -> bool:
        if self.action not in ("", action) or not self.times:
            return False
        if self.skip:
            self.skip -= 1
            return False
        self.times -= 1
        return True


class FakeSimpleDb(ThreadingHTTPServer):
    """The endpoint: what it holds (`database`), what it was asked (`requests`).

    keys: the secret of each access key that may sign.
    stale: by how many changes a read without ConsistentRead lags, at random up to that.
    fault_rate: the share of requests that fail at random, with 503 or a lost answer.
    """

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, port: int = 0, seed: int = 0, limits: Limits | None = None) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self.lock = threading.RLock()
        self.database = Database(limits)
        self.requests: list[tuple[str, Params]] = []
        self.keys = {ACCESS_KEY: SECRET_KEY}
        self.stale = 0
        self.fault_rate = 0.0
        self.random = random.Random(seed)
        self.closing = threading.Event()
        self._faults: list[Fault] = []

    def exports(self) -> dict[str, str]:
        """The environment that leads a client here."""
        return {
            "AWS_ENDPOINT_URL_SIMPLEDB": self.url,
            "AWS_ACCESS_KEY_ID": ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
            "AWS_DEFAULT_REGION": "us-east-1",
        }

    def inject(
        self,
        kind: str | Callable[[], object],
        action: str = "",
        times: int = 1,
        skip: int = 0,
    ) -> None:
        """Let the next matching requests go wrong; see `Fault`."""
        with self.lock:
            self._faults.append(Fault(kind, action, times, skip))

    def counted(self) -> list[str]:
        """The actions of all requests since the last call, in order."""
        with self.lock:
            actions = [action for action, _ in self.requests]
            self.requests.clear()
        return actions

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that go away are expected here."""

    def server_close(self) -> None:
        """Let hanging requests go, and stop."""
        self.closing.set()
        super().server_close()

    def fault(self, action: str) -> str | Callable[[], object] | None:
        """What goes wrong with this request."""
        with self.lock:
            for fault in self._faults:
                if fault.strikes(action):
                    return fault.kind
            if self.random.random() < self.fault_rate:
                return self.random.choice(("503", "500", "lose", "cut"))
        return None

    def answer(self, params: Params) -> str:
        """The inner XML of an operation's answer."""
        action = params.get("Action", "")
        if action not in ACTIONS:
            raise SdbError("InvalidAction", 400, f"The action {action} is not valid.")
        if params.get("Version") != VERSION:
            raise SdbError("NoSuchVersion", 400, "SimpleDB WSDL version is not supported.")
        with self.lock:
            self.requests.append((action, params))
            return ACTIONS[action](self, params)

    def items(self, domain: str, params: Params) -> Any:
        """A domain's items, now or, if no consistent read was asked for, earlier."""
        found = self.database.domain(domain)
        if not self.stale or _flag(params, "ConsistentRead"):
            return found.items
        return found.before(self.random.randint(0, self.stale))


def _required(params: Params, name: str) -> str:
    if name not in params:
        raise SdbError(
            "MissingParameter", 400, f"The request must contain the parameter {name}."
        )
    return params[name]


def _flag(params: Params, name: str) -> bool:
    value = params.get(name, "false").lower()
    if value not in ("true", "false"):
        raise invalid(value, name, "true or false was expected")
    return value == "true"


def _numbered(params: Params, prefix: str) -> list[Params]:
    """The parameters `PREFIX.1.X`, `PREFIX.2.X` ... as one dictionary a number."""
    found: dict[int, Params] = {}
    for key, value in params.items():
        head, _, rest = key[len(prefix) + 1 :].partition(".")
        if key.startswith(prefix + ".") and head.isdigit():
            found.setdefault(int(head), {})[rest] = value
    return [found[number] for number in sorted(found)]


def _pairs(params: Params) -> list[Pair]:
    return [
        Pair(_required(one, "Name"), one.get("Value"), _flag(one, "Replace"))
        for one in _numbered(params, "Attribute")
    ]


def _condition(params: Params) -> Condition | None:
    """`Expected.Name ...` as SDKs send it, or `Expected.1.Name ...` as the guide does."""
    many = _numbered(params, "Expected")
    if len(many) > 1:
        raise SdbError("MultipleExpectedNames", 400, "Only one Expected.Name is allowed")
    one = many[0] if many else {}
    start = "Expected."
    one.update({k[len(start) :]: v for k, v in params.items() if k.startswith(start)})
    if not one:
        return None
    exists = _flag({"Exists": one.get("Exists", "true")}, "Exists")
    if "Name" not in one or (exists and "Value" not in one):
        raise SdbError(
            "IncompleteExpectedExpression",
            400,
            "Expected.Value has to be specified, unless Expected.Exists=false",
        )
    if not exists and "Value" in one:
        raise SdbError(
            "ExistsAndExpectedValue",
            400,
            "Expected.Exists=false and Expected.Value cannot be specified together",
        )
    return Condition(one["Name"], one.get("Value") if exists else None)


def _batch(params: Params) -> list[tuple[str, list[Pair]]]:
    return [(_required(one, "ItemName"), _pairs(one)) for one in _numbered(params, "Item")]


def _create_domain(fake: FakeSimpleDb, params: Params) -> str:
    fake.database.create_domain(_required(params, "DomainName"))
    return ""


def _delete_domain(fake: FakeSimpleDb, params: Params) -> str:
    fake.database.domains.pop(_required(params, "DomainName"), None)
    return ""


def _list_domains(fake: FakeSimpleDb, params: Params) -> str:
    most = params.get("MaxNumberOfDomains", "100")
    if not most.isdigit() or not 1 <= int(most) <= 100:
        raise invalid(most, "MaxNumberOfDomains", "It must be between 1 and 100.")
    names = sorted(fake.database.domains)
    after = params.get("NextToken")
    if after is not None and after not in names:
        raise SdbError("InvalidNextToken", 400, "The specified next token is not valid.")
    names = [name for name in names if after is None or name > after]
    shown = names[: int(most)]
    text = "".join(_tag("DomainName", name) for name in shown)
    return text + (_tag("NextToken", shown[-1]) if len(names) > len(shown) else "")


def _metadata(fake: FakeSimpleDb, params: Params) -> str:
    found = fake.database.metadata(_required(params, "DomainName"))
    found["Timestamp"] = int(datetime.now(UTC).timestamp())
    return "".join(_tag(name, str(number)) for name, number in found.items())


def _put(fake: FakeSimpleDb, params: Params) -> str:
    domain, item = _required(params, "DomainName"), _required(params, "ItemName")
    fake.database.put(domain, item, _pairs(params), _condition(params))
    return ""


def _delete(fake: FakeSimpleDb, params: Params) -> str:
    domain, item = _required(params, "DomainName"), _required(params, "ItemName")
    fake.database.delete(domain, item, _pairs(params), _condition(params))
    return ""


def _batch_put(fake: FakeSimpleDb, params: Params) -> str:
    fake.database.batch_put(_required(params, "DomainName"), _batch(params))
    return ""


def _batch_delete(fake: FakeSimpleDb, params: Params) -> str:
    fake.database.batch_delete(_required(params, "DomainName"), _batch(params))
    return ""


def _get(fake: FakeSimpleDb, params: Params) -> str:
    items = fake.items(_required(params, "DomainName"), params)
    item = _required(params, "ItemName")
    check_text(item, "ItemName")
    names = {value for key, value in params.items() if key.startswith("AttributeName")}
    found = [pair for pair in items.get(item, ()) if not names or pair[0] in names]
    return _attributes(sorted(found, key=lambda pair: pair[::-1]))


def _select(fake: FakeSimpleDb, params: Params) -> str:
    expression = _required(params, "SelectExpression")
    query = select.parse(expression)
    page = select.run(
        query, fake.items(query.domain, params), expression, params.get("NextToken")
    )
    if page.count is not None:
        count = _attributes([("Count", str(page.count))])
        return f"<Item>{_tag('Name', 'Domain')}{count}</Item>"
    rows = (f"<Item>{_tag('Name', n)}{_attributes(pairs)}</Item>" for n, pairs in page.rows)
    token = "" if page.next_token is None else _tag("NextToken", page.next_token)
    return "".join(rows) + token


ACTIONS: dict[str, Callable[[FakeSimpleDb, Params], str]] = {
    "CreateDomain": _create_domain,
    "DeleteDomain": _delete_domain,
    "ListDomains": _list_domains,
    "DomainMetadata": _metadata,
    "PutAttributes": _put,
    "GetAttributes": _get,
    "DeleteAttributes": _delete,
    "BatchPutAttributes": _batch_put,
    "BatchDeleteAttributes": _batch_delete,
    "Select": _select,
}
_WITH_RESULT = ("ListDomains", "DomainMetadata", "GetAttributes", "Select")


def _attributes(pairs: list[tuple[str, str]]) -> str:
    return "".join(
        f"<Attribute>{_tag('Name', name)}{_tag('Value', value)}</Attribute>"
        for name, value in pairs
    )


def _tag(name: str, text: str) -> str:
    """An element; what XML can't hold is in base64, and says so."""
    if _NOT_XML.search(text):
        text = base64.b64encode(text.encode()).decode()
        return f'<{name} encoding="base64">{text}</{name}>'
    return f"<{name}>{escape(text, {chr(13): '&#13;'})}</{name}>"


def check_signature(
    keys: dict[str, str], method: str, host: str, path: str, params: Params
) -> None:
    """Signature Version 2.

    keys: the secret of each access key.

    Raises:
        SdbError: it is missing, wrong, of another key, or too old.
    """
    if "AWSAccessKeyId" not in params or "Signature" not in params:
        raise SdbError("AuthMissingFailure", 403, "Access keys are missing.")
    secret = keys.get(params["AWSAccessKeyId"])
    if secret is None:
        raise SdbError("AuthFailure", 403, "The provided access keys are not known.")
    digest = {"HmacSHA256": sha256, "HmacSHA1": sha1}.get(params.get("SignatureMethod", ""))
    if params.get("SignatureVersion") != "2" or digest is None:
        raise invalid(params.get("SignatureVersion", ""), "SignatureVersion", "2 expected")
    canonical = "&".join(
        f"{quote(key, safe='-_.~')}={quote(params[key], safe='-_.~')}"
        for key in sorted(params, key=str.encode)
        if key != "Signature"
    )
    text = f"{method}\n{host.lower()}\n{path or '/'}\n{canonical}"
    expected = base64.b64encode(
        hmac.new(secret.encode(), text.encode(), digest).digest()
    ).decode()
    if not hmac.compare_digest(expected, params["Signature"]):
        raise SdbError("SignatureDoesNotMatch", 403, "The request signature is not ours.")
    _check_time(_required(params, "Timestamp"))


def _check_time(text: str) -> None:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise invalid(text, "Timestamp", "ISO 8601 was expected") from None
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    if abs((datetime.now(UTC) - at).total_seconds()) > MAX_SKEW_S:
        raise SdbError("RequestExpired", 400, "Request has expired.")


class _Handler(BaseHTTPRequestHandler):
    server: FakeSimpleDb
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    timeout = 60

    def do_GET(self) -> None:
        self._serve(urlsplit(self.path).query)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self._serve(body.decode())

    def _serve(self, query: str) -> None:
        params = dict(parse_qsl(query, keep_blank_values=True))
        action = params.get("Action", "")
        fault = self.server.fault(action)
        if fault == "cut":
            self.close_connection = True
            return
        if fault in ("503", "500"):
            code = "ServiceUnavailable" if fault == "503" else "InternalError"
            self._send(int(fault), _error(SdbError(code, int(fault), "Try again later.")))
            return
        if callable(fault):
            fault()
        try:
            path = urlsplit(self.path).path
            host = self.headers.get("Host", "")
            check_signature(self.server.keys, self.command, host, path, params)
            _check_length(query)
            status, text = 200, _success(action, self.server.answer(params))
        except SdbError as error:
            status, text = error.status, _error(error)
        if fault == "hang":
            self.server.closing.wait()
        if fault in ("lose", "hang"):
            self.close_connection = True
            return
        self._send(status, text)

    def _send(self, status: int, text: str) -> None:
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/xml")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing: tests read `requests`."""


def _check_length(query: str) -> None:
    if len(query) > MAX_REQUEST:
        raise SdbError("RequestEntityTooLarge", 413, "The request is over 1 MB.")


def _success(action: str, inner: str) -> str:
    result = f"<{action}Result>{inner}</{action}Result>" if action in _WITH_RESULT else ""
    return (
        f'<?xml version="1.0"?>\n<{action}Response'
        f' xmlns="http://sdb.amazonaws.com/doc/{VERSION}/">{result}<ResponseMetadata>'
        f"{_tag('RequestId', str(uuid.uuid4()))}{_tag('BoxUsage', '0.0000219907')}"
        f"</ResponseMetadata></{action}Response>"
    )


def _error(error: SdbError) -> str:
    inner = _tag("Code", error.code) + _tag("Message", str(error))
    return (
        f'<?xml version="1.0"?>\n<Response><Errors><Error>{inner}'
        f"{_tag('BoxUsage', '0.0000219907')}</Error></Errors>"
        f"{_tag('RequestID', str(uuid.uuid4()))}</Response>"
    )


@contextmanager
def serving(seed: int = 0, limits: Limits | None = None) -> Iterator[FakeSimpleDb]:
    """A fake that answers on a free port of this host."""
    fake = FakeSimpleDb(0, seed, limits)
    thread = threading.Thread(target=fake.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield fake
    finally:
        fake.shutdown()
        fake.server_close()
        thread.join()


def main() -> None:
    """Serve until interrupted."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--fault-rate", type=float, default=0.0)
    parser.add_argument("--stale", type=int, default=0)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    fake = FakeSimpleDb(given.port, given.seed)
    fake.fault_rate, fake.stale = given.fault_rate, given.stale
    known = os.environ.get("AWS_ACCESS_KEY_ID")
    if known:  # those of the S3 server beside it
        fake.keys[known] = os.environ.get("AWS_SECRET_ACCESS_KEY", "")
    for name, value in fake.exports().items():
        if known and name != "AWS_ENDPOINT_URL_SIMPLEDB":
            continue
        print(f"export {name}={value}", flush=True)
    fake.serve_forever()


if __name__ == "__main__":
    main()
