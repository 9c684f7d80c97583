"""The fake SimpleDB answers Amazon's own client as the service does."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from itertools import chain
from pathlib import Path

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from hypothesis import given, settings
from hypothesis import strategies as st

from jobstores.conformance.races import race
from tests.jobstores import simpledb_fake_select as select
from tests.jobstores.simpledb_fake import ACCESS_KEY, SECRET_KEY, serving
from tests.jobstores.simpledb_fake_data import Limits

ROOT = Path(__file__).parents[2]


def client_of(fake, retries=0, secret=SECRET_KEY):
    return boto3.client(
        "sdb",
        region_name="us-east-1",
        endpoint_url=fake.url,
        aws_access_key_id=ACCESS_KEY,
        aws_secret_access_key=secret,
        config=Config(retries={"max_attempts": retries, "mode": "standard"}),
    )


@pytest.fixture(scope="module")
def running():
    with serving() as fake:
        yield fake, client_of(fake)


@pytest.fixture
def fake(running):
    fake, _ = running
    fake.database.domains.clear()
    fake.stale = 0
    fake.counted()
    return fake


@pytest.fixture
def sdb(fake, running):
    client = running[1]
    client.create_domain(DomainName="d-1")
    return client


def pairs(*given, replace=False):
    return [{"Name": n, "Value": v, "Replace": replace} for n, v in given]


def put(sdb, item, *given, **more):
    replace = more.pop("replace", False)
    sdb.put_attributes(
        DomainName="d-1", ItemName=item, Attributes=pairs(*given, replace=replace), **more
    )


def got(sdb, item, **more):
    answer = sdb.get_attributes(
        DomainName="d-1", ItemName=item, ConsistentRead=True, **more
    )
    return sorted((a["Name"], a["Value"]) for a in answer.get("Attributes", []))


def selected(sdb, where, **more):
    answer = sdb.select(
        SelectExpression=f"select itemName() from `d-1` {where}",
        ConsistentRead=True,
        **more,
    )
    return sorted(item["Name"] for item in answer.get("Items", []))


def refused(call, *args, **kwargs):
    with pytest.raises(ClientError) as caught:
        call(*args, **kwargs)
    answer = caught.value.response
    return answer["Error"]["Code"], answer["ResponseMetadata"]["HTTPStatusCode"]


def test_domains_come_and_go(sdb):
    for number in range(150):
        sdb.create_domain(DomainName=f"more-{number:03}")
    put(sdb, "i", ("a", "1"))
    sdb.create_domain(DomainName="d-1")  # again: it keeps what it holds
    assert got(sdb, "i") == [("a", "1")]
    pages = list(sdb.get_paginator("list_domains").paginate())
    assert [len(page["DomainNames"]) for page in pages] == [100, 51]
    sdb.delete_domain(DomainName="d-1")
    sdb.delete_domain(DomainName="d-1")
    assert refused(put, sdb, "i", ("a", "1")) == ("NoSuchDomain", 400)
    for bad in ("ab", "x" * 256, "a b", "a/b"):
        assert refused(sdb.create_domain, DomainName=bad) == ("InvalidParameterValue", 400)
    with serving(limits=Limits(domains=1)) as small:
        client = client_of(small)
        client.create_domain(DomainName="one")
        assert refused(client.create_domain, DomainName="two") == (
            "NumberDomainsExceeded",
            409,
        )


def test_attributes_have_many_values_or_are_replaced(sdb):
    put(sdb, "i", ("a", "1"), ("a", "2"), ("b", ""))
    put(sdb, "i", ("a", "2"), ("a", "3"))
    assert got(sdb, "i") == [("a", "1"), ("a", "2"), ("a", "3"), ("b", "")]
    put(sdb, "i", ("a", "4"), ("c", "ü <&>\r\n"), replace=True)
    assert got(sdb, "i") == [("a", "4"), ("b", ""), ("c", "ü <&>\r\n")]
    assert got(sdb, "i", AttributeNames=["b", "c"]) == [("b", ""), ("c", "ü <&>\r\n")]
    assert got(sdb, "none") == []


def test_what_xml_cannot_hold_comes_in_base64(sdb, fake):
    put(sdb, "i", ("a", "\x01"))
    assert got(sdb, "i") == [("a", "AQ==")]


def test_attributes_and_items_are_deleted(sdb):
    put(sdb, "i", ("a", "1"), ("a", "2"), ("b", "1"), ("c", "1"))
    delete = {"DomainName": "d-1", "ItemName": "i"}
    sdb.delete_attributes(**delete, Attributes=[{"Name": "a", "Value": "2"}])
    assert got(sdb, "i") == [("a", "1"), ("b", "1"), ("c", "1")]
    condition = {"Name": "b", "Value": "2"}
    assert refused(sdb.delete_attributes, **delete, Expected=condition) == (
        "ConditionalCheckFailed",
        409,
    )
    sdb.delete_attributes(**delete, Expected={"Name": "b", "Value": "1"})
    assert got(sdb, "i") == []
    sdb.delete_attributes(**delete)


def test_conditions_are_enforced(sdb):
    absent = {"Name": "v", "Exists": False}
    put(sdb, "i", ("v", "1"), Expected=absent)
    assert refused(put, sdb, "i", ("v", "2"), Expected=absent) == (
        "ConditionalCheckFailed",
        409,
    )
    wrong = {"Name": "v", "Value": "0"}
    assert refused(put, sdb, "i", ("v", "2"), Expected=wrong)[0] == "ConditionalCheckFailed"
    put(sdb, "i", ("v", "2"), replace=True, Expected={"Name": "v", "Value": "1"})
    none = {"Name": "w", "Value": "1"}
    assert refused(put, sdb, "i", ("v", "3"), Expected=none) == (
        "AttributeDoesNotExist",
        404,
    )
    put(sdb, "i", ("v", "3"))
    many = {"Name": "v", "Value": "2"}
    assert refused(put, sdb, "i", ("x", "1"), Expected=many) == (
        "MultiValuedAttribute",
        409,
    )
    for expected, code in (
        ({"Name": "v"}, "IncompleteExpectedExpression"),
        ({"Name": "v", "Value": "1", "Exists": False}, "ExistsAndExpectedValue"),
    ):
        assert refused(put, sdb, "i", ("x", "1"), Expected=expected) == (code, 400)
    assert got(sdb, "i") == [("v", "2"), ("v", "3")]


def test_of_many_conditional_puts_one_wins(sdb):
    for number in range(10):

        def create(racer, item=f"race{number}"):
            try:
                put(sdb, item, ("v", str(racer)), Expected={"Name": "v", "Exists": False})
            except ClientError as error:
                assert error.response["Error"]["Code"] == "ConditionalCheckFailed"
                return False
            return True

        won = race(8, create)
        assert sum(won) == 1
        assert got(sdb, f"race{number}") == [("v", str(won.index(True)))]


def test_a_counter_by_conditions_counts(sdb):
    put(sdb, "n", ("v", "0"))

    def count(_):
        for _ in range(10):
            while True:
                ((_, old),) = got(sdb, "n")
                try:
                    put(
                        sdb, "n", ("v", str(int(old) + 1)), replace=True,
                        Expected={"Name": "v", "Value": old},
                    )  # fmt: skip
                except ClientError:
                    continue
                break

    race(4, count)
    assert got(sdb, "n") == [("v", "40")]


def test_limits_of_names_and_values(sdb):
    put(sdb, "i" * 1024, ("n" * 1024, "v" * 1024))
    put(sdb, "ü" * 512, ("a", "ü" * 512))
    bad = ("InvalidParameterValue", 400)
    assert refused(put, sdb, "i" * 1025, ("a", "1")) == bad
    assert refused(put, sdb, "ü" * 513, ("a", "1")) == bad
    assert refused(put, sdb, "", ("a", "1")) == bad
    assert refused(put, sdb, "i", ("n" * 1025, "1")) == bad
    assert refused(put, sdb, "i", ("", "1")) == bad
    assert refused(put, sdb, "i", ("a", "v" * 1025)) == bad
    assert refused(put, sdb, "i", ("a", "ü" * 513)) == bad
    assert refused(put, sdb, "i")[0] == "MissingParameter"


def test_limits_of_attributes(sdb):
    many = [("a", str(n)) for n in range(256)]
    put(sdb, "i", *many)
    assert refused(put, sdb, "i", ("b", "")) == ("NumberItemAttributesExceeded", 409)
    put(sdb, "i", ("a", "1"))  # one that it has
    put(sdb, "i", *many, replace=True)
    assert refused(put, sdb, "j", *many, ("b", "")) == (
        "NumberSubmittedAttributesExceeded",
        409,
    )
    assert got(sdb, "j") == []


def test_limits_of_a_domain():
    with serving(limits=Limits(domain_bytes=100, domain_pairs=3)) as small:
        sdb = client_of(small)
        sdb.create_domain(DomainName="d-1")
        put(sdb, "i", ("a", "1"), ("a", "2"), ("a", "3"))
        assert refused(put, sdb, "j", ("a", "1")) == ("NumberDomainAttributesExceeded", 409)
        assert refused(put, sdb, "i", ("a", "x" * 99), replace=True) == (
            "NumberDomainBytesExceeded",
            409,
        )
        assert got(sdb, "i") == [("a", "1"), ("a", "2"), ("a", "3")]


def test_batches_are_whole_or_not_at_all(sdb):
    def batch(*names, value="1"):
        items = [{"Name": name, "Attributes": pairs(("a", value))} for name in names]
        sdb.batch_put_attributes(DomainName="d-1", Items=items)

    names = [f"i{n:02}" for n in range(25)]
    batch(*names)
    assert selected(sdb, "") == names
    assert refused(batch, *names, "more") == ("NumberSubmittedItemsExceeded", 409)
    assert refused(batch, "x", "y", "x") == ("DuplicateItemName", 400)
    assert refused(batch, "x", "y", "z" * 1025) == ("InvalidParameterValue", 400)
    assert selected(sdb, "") == names

    def delete(*names, **more):
        items = [{"Name": name, **more} for name in names]
        sdb.batch_delete_attributes(DomainName="d-1", Items=items)

    assert refused(delete, *names, "more") == ("NumberSubmittedItemsExceeded", 409)
    delete("i00", "i01", "none")
    delete("i02", Attributes=[{"Name": "a", "Value": "other"}])
    assert selected(sdb, "") == names[2:]


@pytest.fixture
def films(sdb):
    """Some items whose attributes have many values or are missing."""
    put(sdb, "a", ("year", "1959"), ("kind", "book"), ("kind", "hard cover"), ("t", "it's"))
    put(sdb, "b", ("year", "1979"), ("kind", "book"), ("kind", "paperback"))
    put(sdb, "c", ("year", "2007"), ("kind", "cd"), ("t", 'a "quoted" `title`'))
    put(sdb, "d", ("year", "1934"), ("od-d attr", "x"))
    return sdb


@pytest.mark.parametrize(
    ("where", "items"),
    [
        ("", "abcd"),
        ("where year = '1959'", "a"),
        ("where year != '1959'", "bcd"),
        ("where year > '1959'", "bc"),
        ("where year >= '1959' and year < '2007'", "ab"),
        ("where year between '1934' and '1959'", "ad"),
        ("where year in ('1934', '2007')", "cd"),
        ("where year like '19%'", "abd"),
        ("where year like '%9'", "ab"),
        ("where year like '%5%'", "a"),
        ("where year not like '19%'", "c"),
        ("where kind = 'book' and kind = 'paperback'", ""),
        ("where kind = 'book' intersection kind = 'paperback'", "b"),
        ("where kind = 'cd' or kind = 'paperback'", "bc"),
        ("where every(kind) in ('book', 'paperback')", "b"),
        ("where kind in ('book', 'paperback')", "ab"),
        ("where kind is null", "d"),
        ("where kind is not null", "abc"),
        ("where kind is null or year = '1979'", "bd"),
        ("where not year = '1959'", "bcd"),
        ("where not (kind = 'book' or year < '1940')", "c"),
        ("where kind = 'book' and year < '1960' or year = '2007'", "ac"),
        ("where itemName() > 'a' and itemName() <= 'c'", "bc"),
        ("where itemName() like 'a%' or itemName() = 'd'", "ad"),
        ("where t = 'it''s'", "a"),
        ('where t = "it\'s"', "a"),
        ('where t = "a ""quoted"" `title`"', "c"),
        ("where `od-d attr` = 'x'", "d"),
    ],
)
def test_select_finds(films, where, items):
    assert selected(films, where) == sorted(items)


def test_select_gives_what_it_is_asked_for(films):
    def ask(what, rest=""):
        answer = films.select(
            SelectExpression=f"select {what} from `d-1` {rest}", ConsistentRead=True
        )
        return [
            (item["Name"], sorted((a["Name"], a["Value"]) for a in item["Attributes"]))
            for item in answer["Items"]
        ]

    assert ask("year, `od-d attr`", "where itemName() = 'd'") == [
        ("d", [("od-d attr", "x"), ("year", "1934")])
    ]
    assert ask("*", "where year = '1979'") == [
        ("b", [("kind", "book"), ("kind", "paperback"), ("year", "1979")])
    ]
    assert ask("count(*)", "where kind = 'book'") == [("Domain", [("Count", "2")])]
    assert [n for n, _ in ask("year", "where year > '' order by year")] == list("dabc")
    assert [n for n, _ in ask("year", "where year > '' order by year desc")] == list("cbad")
    ordered = ask("year", "where itemName() is not null order by itemName() limit 2")
    assert [n for n, _ in ordered] == ["a", "b"]


@pytest.mark.parametrize(
    ("expression", "code"),
    [
        ("select", "InvalidQueryExpression"),
        ("select * from d-1", "InvalidQueryExpression"),
        ("select * from `d-1` where", "InvalidQueryExpression"),
        ("select * from `d-1` where year = 1959", "InvalidQueryExpression"),
        ("select * from `d-1` where year like '1%9'", "InvalidQueryExpression"),
        ("select * from `d-1` where (year = '1'", "InvalidQueryExpression"),
        ("select * from `d-1` limit 2501", "InvalidQueryExpression"),
        ("select * from `d-1` limit 3 more", "InvalidQueryExpression"),
        ("select * from `none`", "NoSuchDomain"),
        ("select * from `d-1` order by year", "InvalidSortExpression"),
        ("select * from `d-1` where year is null order by year", "InvalidSortExpression"),
        ("select * from `d-1` where " + " or ".join(["a = '1'"] * 21),
         "InvalidNumberPredicates"),
        ("select * from `d-1` where a in (" + ",".join(["'1'"] * 21) + ")",
         "InvalidNumberValueTests"),
        ("select " + ",".join(f"a{n}" for n in range(257)) + " from `d-1`",
         "TooManyRequestedAttributes"),
    ],
)  # fmt: skip
def test_select_refuses(films, expression, code):
    assert refused(films.select, SelectExpression=expression) == (code, 400)


def test_select_pages_by_items_and_by_bytes(sdb, fake):
    domain = fake.database.domain("d-1")
    for number in range(3000):
        domain.set(f"i{number:04}", frozenset({("a", "1")}))
    expression = "select itemName() from `d-1` where itemName() > '' order by itemName()"

    def pages(text, **more):
        found = sdb.get_paginator("select").paginate(
            SelectExpression=text, ConsistentRead=True, **more
        )
        return [[item["Name"] for item in page["Items"]] for page in found]

    names = [f"i{number:04}" for number in range(3000)]
    for limit, sizes in (("", [100] * 30), ("limit 2500", [2500, 500])):
        found = pages(f"{expression} {limit}")
        assert [len(page) for page in found] == sizes
        assert list(chain(*found)) == names
    assert pages("select itemName() from `d-1` limit 2500") != [names[:2500], names[2500:]]
    for number in range(3000):
        domain.set(f"i{number:04}", frozenset({("a", "x" * 1024)}))
    found = pages("select a from `d-1` limit 2500")
    assert [len(page) for page in found] == [970, 970, 970, 90]
    assert sorted(chain(*found)) == names
    first = sdb.select(SelectExpression="select a from `d-1`")["NextToken"]
    for token, text in (
        ("nonsense", "select a from `d-1`"),
        (first, "select * from `d-1`"),
    ):
        assert refused(sdb.select, SelectExpression=text, NextToken=token) == (
            "InvalidNextToken",
            400,
        )


def test_reads_may_lag_unless_they_are_consistent(sdb, fake):
    for number in range(20):
        put(sdb, "i", ("n", str(number)), replace=True)
    fake.stale = 10
    lagging = {
        sdb.get_attributes(DomainName="d-1", ItemName="i")["Attributes"][0]["Value"]
        for _ in range(50)
    }
    assert len(lagging) > 1
    assert got(sdb, "i") == [("n", "19")]
    fake.stale = 20
    seen = [sdb.select(SelectExpression="select * from `d-1`") for _ in range(100)]
    assert not all("Items" in answer for answer in seen)
    assert selected(sdb, "") == ["i"]


def test_metadata_counts(sdb):
    put(sdb, "ab", ("x", "123"), ("x", "4"), ("yy", ""))
    put(sdb, "c", ("x", "1"))
    found = sdb.domain_metadata(DomainName="d-1")
    wanted = {
        "ItemCount": 2, "ItemNamesSizeBytes": 3, "AttributeNameCount": 2,
        "AttributeNamesSizeBytes": 3, "AttributeValueCount": 4,
        "AttributeValuesSizeBytes": 5,
    }  # fmt: skip
    assert {name: found[name] for name in wanted} == wanted


def test_signatures_are_checked(sdb, fake):
    assert refused(client_of(fake, secret="wrong").list_domains) == (
        "SignatureDoesNotMatch",
        403,
    )


def test_faults_strike(sdb, fake):
    fake.inject("503", "PutAttributes")
    assert refused(put, sdb, "i", ("a", "1")) == ("ServiceUnavailable", 503)
    assert got(sdb, "i") == []
    fake.inject("lose", "PutAttributes")
    with pytest.raises(Exception, match=r"Connection was closed|Could not connect"):
        put(sdb, "i", ("a", "1"))
    assert got(sdb, "i") == [("a", "1")]
    fake.inject("503", times=2)
    assert client_of(fake, retries=3).list_domains()["DomainNames"] == ["d-1"]


def test_what_happens_first_can_be_arranged(sdb, fake):
    happened = threading.Event()
    fake.inject(happened.set, "GetAttributes", skip=1)
    got(sdb, "i")
    assert not happened.is_set()
    got(sdb, "i")
    assert happened.is_set()


def test_it_runs_as_a_process_of_its_own():
    argv = [sys.executable, "-m", "tests.jobstores.simpledb_fake", "--port", "0"]
    alone = {k: v for k, v in os.environ.items() if not k.startswith("AWS_")}
    process = subprocess.Popen(argv, cwd=ROOT, env=alone, stdout=subprocess.PIPE, text=True)
    try:
        lines = [process.stdout.readline().strip() for _ in range(4)]
        found = dict(line.removeprefix("export ").split("=", 1) for line in lines)
        sdb = boto3.client(
            "sdb",
            region_name=found["AWS_DEFAULT_REGION"],
            endpoint_url=found["AWS_ENDPOINT_URL_SIMPLEDB"],
            aws_access_key_id=found["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=found["AWS_SECRET_ACCESS_KEY"],
        )
        sdb.create_domain(DomainName="d-1")
        assert sdb.list_domains()["DomainNames"] == ["d-1"]
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


_WORDS = st.text("ab'\"`% ", max_size=4)


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(_WORDS.filter(bool), st.sets(_WORDS, min_size=1)), _WORDS)
def test_any_text_can_be_asked_for(items, wanted):
    """Quoted as clients must, text finds the items that hold it and no other."""
    held = {name: frozenset(("a", v) for v in values) for name, values in items.items()}
    text = wanted.replace("'", "''")
    expression = f"select itemName() from `d` where a = '{text}' limit 2500"
    page = select.run(select.parse(expression), held, expression, None)
    assert {name for name, _ in page.rows} == {n for n, v in items.items() if wanted in v}
