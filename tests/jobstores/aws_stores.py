"""Stores of the kind aws: on the fake SimpleDB, for tests."""

from __future__ import annotations

import itertools
from typing import Any

from jobstores.backends.aws.items import Checker, Item, decode, encode, new_name
from jobstores.backends.aws.port import AwsPort
from jobstores.backends.aws.simpledb import SimpleDb
from jobstores.backends.memory import MemoryPort
from jobstores.backends.s3.http import Retry
from jobstores.backends.s3.settings import Settings, fixed_credentials
from tests.jobstores.simpledb_fake import ACCESS_KEY, SECRET_KEY, FakeSimpleDb

_numbers = itertools.count()


def new_domain() -> str:
    """A name that no other test of this process has."""
    return f"test{next(_numbers)}--jobs"


def client(fake: FakeSimpleDb, **settings: Any) -> SimpleDb:
    """A client that tries again at once."""
    given = {
        "credentials": fixed_credentials(ACCESS_KEY, SECRET_KEY),
        "endpoint": fake.url,
        "retry": Retry(limit=8, sleep=lambda _: None),
        "read_timeout_s": 120.0,
    }
    return SimpleDb(Settings(**{**given, **settings}))


def new_port(
    fake: FakeSimpleDb, blobs: Any = None, domain: str = "", **given: Any
) -> AwsPort:
    """A port to a new store, or another client of that domain's."""
    secret = given.pop("secret", None)
    name = domain or new_domain()
    return AwsPort(
        client(fake, **given),
        name,
        MemoryPort() if blobs is None else blobs,
        locator=f"aws:us-east-1:{name.partition('--')[0]}",
        secret=secret,
    )


def again(port: AwsPort, fake: FakeSimpleDb, **given: Any) -> AwsPort:
    """Another client of the same store."""
    return new_port(fake, port.contents.blobs, port.domain.name, **given)


def held(port: AwsPort, fake: FakeSimpleDb, key: str) -> dict[str, list[str]]:
    """The attributes that the fake holds of an item."""
    found: dict[str, list[str]] = {}
    with fake.lock:
        domain = fake.database.domains.get(port.domain.name)
        for name, value in domain.items.get(key, ()) if domain else ():
            found.setdefault(name, []).append(value)
    return found


def raw_get(port: AwsPort, fake: FakeSimpleDb, key: str) -> bytes | None:
    """What the storage holds, past the port."""
    item = decode(held(port, fake, key), Checker(), key)
    if item is None:
        return None
    blobs = port.contents.blobs
    return b"".join(blobs.get(f"{p.name[:2]}/{p.name}") for p in item.parts) + item.tail


def raw_set(port: AwsPort, fake: FakeSimpleDb, key: str, data: bytes) -> None:
    """Change what the storage holds, past the port."""
    name = new_name()
    values = encode(Item(f"i{name}", name, 1e9, (), data), Checker())
    with fake.lock:
        fake.database.domains[port.domain.name].set(key, frozenset(values))
