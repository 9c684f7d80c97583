"""The parts of `jobstores.testing`, which is the place to import them from."""

import pytest

for _part in ("machine", "objects", "reading", "segments", "swaps"):
    pytest.register_assert_rewrite(f"jobstores.conformance.{_part}")
