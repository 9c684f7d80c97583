"""Outputs that fit a record, and those that become objects."""

from __future__ import annotations

import pytest

from hpcflow.node import outputs
from hpcflow.node.outputs import fitted, object_key, shortened, to_json
from jobstores.keys import check_key
from jobstores.records import MAX_LINE, encode_record


@pytest.fixture
def put():
    def put(key, value):
        put.stored[key] = value
        return {"$object": key, "bytes": 1, "crc32": 2**32 - 1}

    put.stored = {}
    return put


def test_small_outputs_stay_as_they_are(put):
    given = {"a": 1, "b": "text", "c": [1, 2], "d": None}
    assert fitted(given, "values/0/0/0.0", 5, put) == given
    assert not put.stored


def test_the_largest_become_objects_until_the_rest_fits(put):
    given = {"a": "x" * 1500, "b": "y" * 1400, "c": "z" * 200, "d": 1}
    found = fitted(given, "values/0/0/0.0", 5, put)
    assert put.stored == {"values/0/0/0.0/5.a": given["a"]}
    assert {name: found[name] for name in "bcd"} == {name: given[name] for name in "bcd"}


@pytest.mark.parametrize(
    "given",
    [
        {"a": "\x01" * 520},
        {"a": "é" * 1600, "b": "\n" * 1400},
        {f"output_{n}": "x" * 30 for n in range(50)},
        {f"o{n}": [0.1] * 500 for n in range(20)},
        {"n" * 900: 5, "m" * 900: 5, "k" * 900: 5},
    ],
)
def test_a_record_holds_what_was_fitted(put, given):
    record = {
        "t": "end", "run": 2**62, "start": 2**55, "at": 2**55, "ok": False, "exit": 255,
        "mem": 2**50, "user": 123456.123456, "sys": 123456.123456,
        "out": fitted(given, "values/100/100/99999.99", 2**62, put),
        "log": [9999, 2**50, 2**50], "why": shortened("\x00" * 5000), "int": True,
    }  # fmt: skip
    assert len(encode_record(10**9, record)) <= MAX_LINE
    assert set(record["out"]) == set(given)


def test_too_many_large_outputs_are_refused(put):
    with pytest.raises(ValueError, match="60 outputs are too many"):
        fitted({f"o{n}": "x" * 5000 for n in range(60)}, "values/0/0/0.0", 0, put)
    assert not put.stored


def test_text_that_is_not_unicode_is_refused(put):
    with pytest.raises(ValueError, match="surrogates"):
        fitted({"a": "\udc80"}, "values/0/0/0.0", 0, put)


def test_names_outside_the_key_grammar_get_keys_of_their_own():
    names = ["p[a]", "p_a_", "p(a)", "pé", "p.a"]
    keys = [check_key(object_key("values/0/0/0.0", 3, name)) for name in names]
    assert len(set(keys)) == len(names)


@pytest.mark.parametrize("letter", ["a", "é", "\x00", '"', "😀"])
def test_a_text_is_cut_to_the_bytes_it_takes(letter):
    assert shortened(letter * 20) == letter * 20
    cut = shortened(letter * 10_000)
    assert len(to_json(cut)) <= outputs.WHY_BYTES
    assert cut.endswith("...")
    assert len(to_json(cut)) > outputs.WHY_BYTES * 0.7
