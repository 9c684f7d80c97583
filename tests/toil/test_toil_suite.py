"""Toil's own generic job-store tests pass on our backends, through the adapter."""

from __future__ import annotations

import pytest

from tests.services import absence

pytestmark = [pytest.mark.toil, pytest.mark.filterwarnings("ignore")]

if absence("toil") is None:
    from tests.toil.toil_suite import Suite

    class TestZarr(Suite.Contract):
        """`zarr:`"""

        def locator(self):
            return f"zarr:{self.folder}/store"

    class TestFile(Suite.Contract):
        """`file:`"""

        def locator(self):
            return f"hpcflow-file:{self.folder}/store"

    @pytest.mark.s3
    class TestS3(Suite.Contract):
        """`s3:`"""

        def locator(self):
            from tests.jobstores import s3_scenes

            return f"s3://{s3_scenes.bucket()}/{self.namePrefix}"

    @pytest.mark.s3
    @pytest.mark.usefixtures("simpledb_environment")
    class TestAws(Suite.Contract):
        """`aws:`"""

        def locator(self):
            return f"hpcflow-aws:us-east-1:{self.namePrefix[-20:]}"
