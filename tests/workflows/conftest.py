"""Places for the records of workflows, in every kind of store."""

from __future__ import annotations

import os
import uuid
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from tests.jobstores import s3_scenes
from tests.jobstores.simpledb_fake import serving

if TYPE_CHECKING:
    from collections.abc import Iterator

SERVICES = pytest.mark.s3
STORES = [
    "zarr",
    "file",
    "zarr:elsewhere/",
    pytest.param("s3", marks=SERVICES),
    pytest.param("aws", marks=SERVICES),
]


@pytest.fixture(params=STORES)
def store(request, monkeypatch) -> Iterator[str]:
    """What to give to `--store`; of services a place that nobody else has."""
    with ExitStack() as stack:
        if request.param == "s3":
            yield f"s3://{s3_scenes.bucket()}/{uuid.uuid4().hex}/"
        elif request.param == "aws":
            fake = stack.enter_context(serving())
            known = os.environ["AWS_ACCESS_KEY_ID"]
            fake.keys[known] = os.environ["AWS_SECRET_ACCESS_KEY"]
            monkeypatch.setenv("AWS_ENDPOINT_URL_SIMPLEDB", fake.url)
            yield f"aws:us-east-1:t{uuid.uuid4().hex[:9]}"
        else:
            yield request.param
