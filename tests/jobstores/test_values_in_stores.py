"""Values come back equal, types included, from every kind of store."""

from __future__ import annotations

import itertools
import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jobstores.backends.memory import MemoryPort
from jobstores.columns import ColumnRef, read_column, write_column
from jobstores.errors import UnstorableError
from jobstores.open import open_port
from jobstores.references import put_reference, resolve
from jobstores.values import decode, encode
from tests.data.kept_stores import VALUES as ONE_OF_EACH
from tests.jobstores import aws_stores, s3_scenes
from tests.jobstores.simpledb_fake import serving
from tests.jobstores.store_doubles import EFFORT
from tests.jobstores.value_scenes import VALUES, same

_numbers = itertools.count()
STORES = ["memory", "zarr", "file", "aws", pytest.param("s3", marks=pytest.mark.s3)]


@pytest.fixture(params=STORES)
def port(request, tmp_path):
    """An empty store of each kind."""
    if request.param == "memory":
        yield MemoryPort()
    elif request.param == "aws":
        with serving() as fake:
            yield aws_stores.new_port(fake)
    elif request.param == "s3":
        made = s3_scenes.port()
        yield made
        made.delete_tree("")
    else:
        yield open_port(f"{request.param}:{tmp_path}/w")


def through_a_column(port, values):
    """Written, its reference kept as JSON, and read again."""
    ref = write_column(port, f"g/{next(_numbers)}", "x", values, "json", chunk_rows=2)
    assert ref.format == port.column_format
    return read_column(port, ColumnRef.from_json(json.loads(json.dumps(ref.to_json()))))


def through_an_object(port, value):
    """As an output too large for a record is kept."""
    reference = put_reference(port, f"values/{next(_numbers)}", encode(value))
    return decode(resolve(port, json.loads(json.dumps(reference))))


@settings(
    max_examples=30 * EFFORT,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(st.lists(VALUES, max_size=3))
def test_any_values_come_back_from_every_kind_of_store(port, values):
    found = through_a_column(port, values)
    assert same(found, values)
    assert same(through_an_object(port, values), values)


def test_one_value_of_each_kind_comes_back_from_every_kind_of_store(port):
    assert same(through_a_column(port, ONE_OF_EACH), ONE_OF_EACH)
    for value in ONE_OF_EACH:
        assert same(through_an_object(port, value), value)


def test_what_can_not_be_stored_is_refused_before_anything_is_written(port):
    with pytest.raises(UnstorableError, match=r"^x\[1\]\.a: cannot store"):
        through_a_column(port, [1, {"a": object()}])
    with pytest.raises(UnstorableError, match="cannot store"):
        through_an_object(port, object())
    assert [key for key in port.walk("") if not key.endswith("zarr.json")] == []
