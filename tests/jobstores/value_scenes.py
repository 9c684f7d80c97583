"""Values of all kinds that can be stored, and whether two are the same."""

from __future__ import annotations

import datetime as dt
import enum
import math
import pathlib
import re
import zoneinfo

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst


class Colour(enum.Enum):
    RED = 1
    BLUE = (0, float("inf"))
    AZURE = BLUE


class Level(enum.IntEnum):
    LOW = 1


class Word(enum.StrEnum):
    YES = "y"


class Access(enum.Flag):
    READ = 1
    WRITE = 2
    BOTH = 3


class Box:
    """Says how it is stored: by what is inside."""

    def __init__(self, inside):
        self.inside = inside

    def __to_store__(self):
        return {"inside": self.inside}

    @classmethod
    def __from_store__(cls, value):
        return cls(value["inside"])

    def __eq__(self, other):
        return type(other) is type(self) and self.inside == other.inside

    def __hash__(self):
        return hash(self.inside)

    class Shade(enum.Enum):
        DARK = "d"

    class Small:
        """Nested, and of one value."""

        def __to_store__(self):
            return None

        @classmethod
        def __from_store__(cls, value):
            return cls()

        def __repr__(self):
            return "Small()"

        def __eq__(self, other):
            return isinstance(other, Box.Small)

        def __hash__(self):
            return 1


class BigBox(Box):
    """Inherits how it is stored, and stays what it is."""


def same(a, b):
    """Equal, of equal types, all the way down; NaN is equal to itself."""
    if type(a) is not type(b):
        return False
    if a is np.ma.masked:
        return b is np.ma.masked
    if isinstance(a, np.ma.MaskedArray):
        return (
            same(a.data, b.data)
            and (a.mask is np.ma.nomask) == (b.mask is np.ma.nomask)
            and same(np.asarray(a.mask), np.asarray(b.mask))
            and same(np.asarray(a.fill_value), np.asarray(b.fill_value))
            and a.hardmask == b.hardmask
        )
    if isinstance(a, (np.ndarray, np.generic)):
        return (
            a.dtype == b.dtype
            and a.shape == b.shape
            and a.flags.fnc == b.flags.fnc
            and (
                a.tolist() == b.tolist()
                if a.dtype.kind == "T"
                else a.tobytes() == b.tobytes()
            )
        )
    if isinstance(a, float):
        return (math.isnan(a) and math.isnan(b)) or (
            a == b and math.copysign(1, a) == math.copysign(1, b)
        )
    if isinstance(a, complex):
        return same(a.real, b.real) and same(a.imag, b.imag)
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, (set, frozenset)):
        return sorted(map(canonical, a)) == sorted(map(canonical, b))
    if isinstance(a, dict):
        return same(list(a.items()), list(b.items()))
    if isinstance(a, (dt.datetime, dt.time)):
        return a.isoformat() == b.isoformat() and a.fold == b.fold and same_zone(a, b)
    if isinstance(a, enum.Enum):
        return a is b
    if isinstance(a, Box):
        return same(a.inside, b.inside)
    return a == b


def canonical(value):
    """Text that is the same for hashable values that are equal and of equal types."""
    inside = ""
    if isinstance(value, frozenset):
        inside = sorted(map(canonical, value))
    elif isinstance(value, tuple):
        inside = [canonical(item) for item in value]
    return f"{type(value).__name__}{repr(value) if inside == '' else inside}"


def same_zone(a, b):
    return type(a.tzinfo) is type(b.tzinfo) and repr(a.tzinfo) == repr(b.tzinfo)


_ZONES = st.one_of(
    st.none(),
    st.just(dt.UTC),
    st.builds(
        dt.timezone,
        st.timedeltas(dt.timedelta(hours=-23), dt.timedelta(hours=23)),
    ),
    st.just(dt.timezone(dt.timedelta(hours=1), "CET")),
    st.sampled_from(["Europe/Berlin", "America/New_York"]).map(zoneinfo.ZoneInfo),
)
_MOMENTS = st.one_of(
    st.datetimes(timezones=_ZONES).flatmap(
        lambda moment: st.sampled_from([moment, moment.replace(fold=1)])
    ),
    st.times(timezones=_ZONES),
    st.dates(),
    st.timedeltas(),
)
_PATHS = st.text(st.characters(exclude_characters="\0"), max_size=20).flatmap(
    lambda text: st.sampled_from(
        [pathlib.Path(text), pathlib.PurePosixPath(text), pathlib.PureWindowsPath(text)]
    )
)
_TEXT = st.text(st.characters(), max_size=10)  # lone surrogates too
_HASHABLE = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), _TEXT,
    st.binary(max_size=9), _MOMENTS, _PATHS, st.complex_numbers(allow_nan=False),
)  # fmt: skip
_ENUMS = st.sampled_from(
    [*Colour, *Level, *Word, *Access, Access(0), Access.READ | Access.WRITE,
     Colour.AZURE, re.RegexFlag.A | re.RegexFlag.I]
)  # fmt: skip
_KEYS = st.recursive(
    st.one_of(_HASHABLE, _ENUMS, st.builds(Box.Small)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(tuple), st.frozensets(inner, max_size=3)
    ),
    max_leaves=4,
)
_DTYPES = st.one_of(
    npst.boolean_dtypes(),
    npst.integer_dtypes(endianness="?"),
    npst.unsigned_integer_dtypes(endianness="?"),
    npst.floating_dtypes(endianness="?"),
    npst.complex_number_dtypes(endianness="?"),
    npst.datetime64_dtypes(endianness="?"),
    npst.timedelta64_dtypes(endianness="?"),
    npst.byte_string_dtypes(endianness="?"),
    npst.unicode_string_dtypes(endianness="?"),
)
_ALL_DTYPES = st.one_of(_DTYPES, npst.array_dtypes(_DTYPES, min_size=1))
_SHAPES = npst.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3)
_ARRAYS = npst.arrays(_ALL_DTYPES, _SHAPES).flatmap(
    lambda array: st.sampled_from([array, np.asfortranarray(array), array.T])
)
_SCALARS = npst.arrays(_ALL_DTYPES, ()).map(lambda array: array[()])


def _masked(array, mask, hard, touched):
    mask = np.ma.nomask if mask is None else mask
    with np.errstate(over="ignore"):  # the default fill value of float16 in a structure
        made = np.ma.MaskedArray(array, mask, hard_mask=hard)
    if touched:  # the first look at it sets it
        assert made.fill_value is not None
    return made


_MASKED = npst.arrays(_ALL_DTYPES, _SHAPES).flatmap(
    lambda array: st.builds(
        _masked,
        st.just(array),
        st.none() | npst.arrays(bool, array.shape),
        st.booleans(),
        st.booleans(),
    )
)
_LEAVES = st.one_of(
    _KEYS, st.floats(), st.complex_numbers(), st.binary().map(bytearray), _ARRAYS, _SCALARS,
    _MASKED,
)  # fmt: skip
VALUES = st.recursive(
    _LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.lists(inner, max_size=4).map(tuple),
        st.dictionaries(_TEXT, inner, max_size=4),
        st.dictionaries(_KEYS, inner, max_size=4),
        st.builds(Box, inner),
        st.builds(BigBox, inner),
        st.sets(_KEYS, max_size=4),
        st.sampled_from(["$int", "$", "$tuple", "$dict", "$x"]).flatmap(
            lambda key: inner.map(lambda value: {key: value})
        ),
    ),
    max_leaves=12,
)
