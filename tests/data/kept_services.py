"""Kept stores of services, byte by byte as the service holds them.

What a bucket holds is kept as files named like the keys, its headers in `headers.json`;
what SimpleDB holds in `items.json`, beside the blobs that its items point to.
"""

from __future__ import annotations

import json
import os
from typing import Any

from jobstores.backends.posix import PosixPort
from jobstores.backends.s3.listing import listing
from tests.jobstores.s3_scenes import prefix_of

_META = "x-amz-meta-"


def dump_bucket(port: Any, folder: str) -> None:
    """Keep the objects below an S3 port's prefix, with their metadata."""
    above = prefix_of(port) + "/"
    kept = {}
    for entry in listing(port.client, above):
        answer = port.client.request("GET", entry.name)
        assert answer.status == 200, answer
        key = entry.name.removeprefix(above)
        path = f"{folder}/objects/{key}"
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(answer.body)
        found = {name.lower(): value for name, value in answer.headers.items()}
        kept[key] = {n: v for n, v in sorted(found.items()) if n.startswith(_META)}
    with open(f"{folder}/headers.json", "w", encoding="utf-8") as file:
        file.write(json.dumps(kept, indent=1, sort_keys=True) + "\n")


def load_bucket(port: Any, folder: str) -> None:
    """Put kept objects below an S3 port's prefix, past the port."""
    with open(f"{folder}/headers.json", encoding="utf-8") as file:
        kept = json.load(file)
    for key, headers in kept.items():
        with open(f"{folder}/objects/{key}", "rb") as file:
            data = file.read()
        name = f"{prefix_of(port)}/{key}"
        assert port.client.request("PUT", name, (), headers, data).status == 200


def dump_domain(port: Any, fake: Any, folder: str) -> None:
    """Keep the items of an AWS port's domain, and its blobs."""
    with fake.lock:
        items = fake.database.domains[port.domain.name].items
        kept = {name: sorted(map(list, pairs)) for name, pairs in sorted(items.items())}
    os.makedirs(folder, exist_ok=True)
    with open(f"{folder}/items.json", "w", encoding="utf-8") as file:
        file.write(json.dumps(kept, indent=1) + "\n")
    blobs = PosixPort(f"{folder}/blobs")
    for key in port.contents.blobs.walk(""):
        blobs.put(key, port.contents.blobs.get(key))


def load_domain(port: Any, fake: Any, folder: str) -> None:
    """Put kept items into an AWS port's domain, past the port, and blobs beside it."""
    with open(f"{folder}/items.json", encoding="utf-8") as file:
        kept = json.load(file)
    blobs = PosixPort(f"{folder}/blobs")
    for key in blobs.walk(""):
        port.contents.blobs.put(key, blobs.get(key))
    port.put("made", b"")  # so that there is a domain
    port.delete("made")
    with fake.lock:
        domain = fake.database.domains[port.domain.name]
        for name, pairs in kept.items():
            domain.set(name, frozenset(map(tuple, pairs)))
