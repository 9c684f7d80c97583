"""Times and sizes."""

import pytest

from hpcflow.template.quantities import parse_memory, parse_time


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (90, 90),
        ("00:00:01", 1),
        ("00:05:00", 300),
        ("1:00:00", 3600),
        ("36:00:00", 129600),
        ("2-03:04:05", 183845),
        (" 00:05:00 ", 300),
        (0, None),
        (-1, None),
        (1.5, None),
        (True, None),
        ("00:00:00", None),
        ("90", None),
        ("05:00", None),
        ("00:60:00", None),
        ("1h", None),
        (None, None),
        ([], None),
    ],
)
def test_times(value, seconds):
    assert parse_time(value) == seconds


@pytest.mark.parametrize(
    ("value", "size"),
    [
        (1000, 1000),
        ("512B", 512),
        ("500MB", 500_000_000),
        ("1kB", 1000),
        ("1KiB", 1024),
        ("4GiB", 4 * 1024**3),
        ("4 GiB", 4 * 1024**3),
        ("1.5GiB", 3 * 1024**3 // 2),
        ("2TB", 2 * 10**12),
        ("1PiB", 1024**5),
        (0, None),
        (1.5, None),
        (True, None),
        ("4G", None),
        ("4gib", None),
        ("4", None),
        ("-1GB", None),
        ("0GB", None),
        (None, None),
    ],
)
def test_sizes(value, size):
    assert parse_memory(value) == size
