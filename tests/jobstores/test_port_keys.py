"""The grammar of keys."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobstores.errors import InvalidKeyError
from jobstores.keys import MAX_KEY, MAX_PART, check_key, check_prefix, is_part, join
from jobstores.testing import BAD_KEYS, ODD_KEYS

_LETTERS = "ABCXYZabcxyz0189._-"
_PARTS = st.text(_LETTERS, min_size=1, max_size=9).filter(
    lambda part: part not in (".", "..")
)


@pytest.mark.parametrize("key", BAD_KEYS)
def test_bad_keys_are_refused(key):
    with pytest.raises(InvalidKeyError):
        check_key(key)


@pytest.mark.parametrize("key", ODD_KEYS)
def test_odd_keys_are_allowed(key):
    assert check_key(key) == key


@given(st.lists(_PARTS, min_size=1, max_size=9))
def test_parts_make_keys(parts):
    key = "/".join(parts)
    assert check_key(key) == key
    assert check_prefix(key) == check_prefix(key + "/") == key
    assert all(is_part(part) for part in parts)


@given(st.text(max_size=9))
def test_a_key_is_parts(text):
    """The two checks agree on any text."""
    parts = text.split("/")
    if all(is_part(part) for part in parts):
        assert check_key(text) == text
    else:
        with pytest.raises(InvalidKeyError):
            check_key(text)


def test_lengths():
    assert is_part("x" * MAX_PART)
    assert not is_part("x" * (MAX_PART + 1))
    with pytest.raises(InvalidKeyError, match=str(MAX_KEY)):
        check_key("x/" * MAX_KEY)
    with pytest.raises(InvalidKeyError, match=str(MAX_PART)):
        check_key("a/" + "x" * (MAX_PART + 1))


@pytest.mark.parametrize("key", [None, b"a", 1, ("a",)])
def test_a_key_is_text(key):
    with pytest.raises(InvalidKeyError, match="text"):
        check_key(key)


def test_messages_name_what_is_wrong():
    with pytest.raises(InvalidKeyError, match="' '"):
        check_key("a b")
    with pytest.raises(InvalidKeyError, match=r"part '\.\.'"):
        check_key("a/../b")
    with pytest.raises(InvalidKeyError, match="part ''"):
        check_prefix("a//")


def test_the_whole_store_is_a_prefix():
    assert check_prefix("") == ""
    with pytest.raises(InvalidKeyError):
        check_prefix("/")


def test_join():
    assert join("", "a") == "a"
    assert join("a/b", "c") == "a/b/c"
