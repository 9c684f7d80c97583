"""Locators of the kind aws:, and what the backend imports."""

from __future__ import annotations

import pytest

from jobstores.backends.aws.port import AwsPort, open_aws
from jobstores.backends.aws.simpledb import endpoint_of
from jobstores.errors import UnsupportedError
from jobstores.open import open_port
from tests.jobstores.store_doubles import imported_by

KEYS = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}


@pytest.mark.parametrize(
    ("locator", "why"),
    [
        ("aws:us-east-1", "aws:REGION:NAME was expected"),
        ("aws::name", "'' is no region"),
        ("aws:mars:name", "'mars' is no region"),
        ("aws:us-east-1:ab", "2 characters: 3 to 56"),
        (f"aws:us-east-1:{'x' * 57}", "57 characters: 3 to 56"),
        ("aws:us-east-1:My-Study", "small letters, digits"),
        ("aws:us-east-1:-study", "neither begin nor end"),
        ("aws:us-east-1:study-", "neither begin nor end"),
        ("aws:us-east-1:my study", "small letters, digits"),
        ("aws:us-east-1:my--study", "contains '--'"),
        ("aws:us-east-1:a/b", "small letters, digits"),
    ],
)
def test_a_locator_that_names_no_store_is_refused(locator, why):
    with pytest.raises(UnsupportedError, match=why):
        open_aws(locator, KEYS)


def test_a_locator_names_domain_and_bucket():
    port = open_port("aws:eu-west-1:my-study", KEYS)
    assert isinstance(port, AwsPort)
    assert port.locator == "aws:eu-west-1:my-study"
    assert port.domain.name == "my-study--jobs"
    assert port.domain.simpledb.url == "https://sdb.eu-west-1.amazonaws.com"
    assert port.contents.blobs.locator == "s3://my-study--files"
    assert endpoint_of("us-east-1") == "https://sdb.amazonaws.com"


def test_the_backend_needs_the_standard_library_alone():
    code = "from jobstores.backends.aws.port import open_aws; open_aws('aws:us-east-1:abc')"
    assert imported_by(code) == set()
