"""What the aws: backend asks of SimpleDB, and what it leaves there."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobstores.backends.aws import content as aws_content
from jobstores.backends.aws.items import (
    CHUNK,
    MAX_TAIL,
    Checker,
    Item,
    Part,
    decode,
    encode,
)
from jobstores.backends.aws.sweep import sweep
from jobstores.backends.memory import MemoryPort
from jobstores.errors import (
    AlreadyExistsError,
    ConflictError,
    CorruptError,
    NotFoundError,
    UnavailableError,
    UnsupportedError,
)
from jobstores.testing import CountingPort, FaultyPort
from tests.jobstores.aws_stores import again, client, held, new_port
from tests.jobstores.simpledb_fake import serving

KEY = bytes(range(32))
LARGE = MAX_TAIL + 1


@pytest.fixture(scope="module")
def running():
    with serving() as fake:
        yield fake


@pytest.fixture
def fake(running):
    running.database.domains.clear()
    running.counted()
    return running


@pytest.fixture
def port(fake):
    port = new_port(fake, CountingPort(MemoryPort()))
    port.initialize()
    fake.counted()
    return port


def asked(fake, port, action):
    """The requests of an action, to SimpleDB and then to the bucket."""
    fake.counted()
    port.contents.blobs.reset()
    action()
    return fake.counted(), list(port.contents.blobs.counts.elements())


# --- requests ---------------------------------------


def test_a_small_object_costs_one_request_each_time(fake, port):
    def made_of(action):
        return asked(fake, port, action)

    def swap():
        port.put("a", b"2", if_match=tag)

    assert made_of(lambda: port.put("a", b"1", create=True)) == (["PutAttributes"], [])
    assert made_of(lambda: port.put("b", b"x" * MAX_TAIL)) == (["PutAttributes"], [])
    assert made_of(lambda: port.get("b")) == (["GetAttributes"], [])
    assert made_of(lambda: port.stat("a")) == (["GetAttributes"], [])
    tag = port.stat("a").tag
    assert made_of(swap) == (["PutAttributes"], [])
    assert made_of(lambda: port.list("")) == (["Select"], [])
    assert made_of(lambda: list(port.walk(""))) == (["Select"], [])
    replacing = ["PutAttributes", "GetAttributes", "PutAttributes"]
    assert made_of(lambda: port.put("a", b"3")) == (replacing, [])
    assert made_of(lambda: port.delete("a")) == (["GetAttributes", "DeleteAttributes"], [])
    assert made_of(lambda: port.delete("a")) == (["GetAttributes"], [])


def test_a_new_client_learns_what_store_it_is_with_the_first_object_it_reads(fake, port):
    port.put("a", b"1")
    client = again(port, fake)
    assert asked(fake, client, lambda: client.get("a")) == (["Select"], [])
    assert asked(fake, client, lambda: client.get("a")) == (["GetAttributes"], [])
    other = again(port, fake)
    with pytest.raises(NotFoundError):
        other.get("none")
    assert fake.counted() == ["Select"]
    with pytest.raises(UnsupportedError, match="is not encrypted"):
        again(port, fake, secret=KEY).get("a")


def test_tags_come_with_what_is_read_and_written(fake, port):
    def life():
        tag = port.put_tagged("a", b"1", create=True)
        tag = port.put_tagged("a", b"2", if_match=tag)
        data, read = port.get_tagged("a")
        assert (data, read) == (b"2", tag)
        port.put_tagged("a", bytes(LARGE), if_match=tag)

    small, blob = ["PutAttributes", "PutAttributes", "GetAttributes"], ["put"]
    assert asked(fake, port, life) == ([*small, "PutAttributes"], blob)
    assert port.get_tagged("a") == (bytes(LARGE), port.stat("a").tag)
    with pytest.raises(ConflictError):
        port.put_tagged("a", b"3", if_match="another")
    with pytest.raises(AlreadyExistsError):
        port.put_tagged("a", b"3", create=True)
    with pytest.raises(ValueError, match="either create or if_match"):
        port.put_tagged("a", b"3")


def test_a_large_object_costs_a_blob_more(fake, port):
    data = bytes(LARGE)
    put = lambda: port.put("a", data, create=True)  # noqa: E731
    assert asked(fake, port, put) == (["PutAttributes"], ["put"])
    assert asked(fake, port, lambda: port.get("a")) == (["GetAttributes"], ["get"])
    assert asked(fake, port, lambda: port.get("a", 5, 9)) == (["GetAttributes"], ["get"])
    assert asked(fake, port, lambda: port.stat("a")) == (["GetAttributes"], [])
    tag = port.stat("a").tag
    swap = lambda: port.put("a", data, if_match=tag)  # noqa: E731
    looking = ["GetAttributes", "GetAttributes"]
    replacing = [*looking, "PutAttributes"]
    assert asked(fake, port, swap) == (replacing, ["put", "delete"])
    replace = lambda: port.put("a", data)  # noqa: E731
    assert asked(fake, port, replace) == (["PutAttributes", *replacing], ["put", "delete"])
    gone = [*looking, "DeleteAttributes"]
    assert asked(fake, port, lambda: port.delete("a")) == (gone, ["delete"])


def test_an_append_costs_one_request_that_carries_little(fake, port):
    handle = port.create_segment("s")
    handle.append(b"x" * 10_000)
    fake.requests.clear()
    assert asked(fake, port, lambda: handle.append(b"y" * 300)) == (["PutAttributes"], [])
    handle.append(b"z" * 300)
    ((_, params),) = fake.requests
    names = {value for name, value in params.items() if name.endswith(".Name")}
    assert names == {"v", "h", "d013"}
    assert port.read_segment("s", 10_000) == b"y" * 300 + b"z" * 300
    again_cost = asked(fake, port, lambda: port.append_segment("s"))
    assert again_cost == (["GetAttributes"], [])


def test_the_first_use_asks_whose_domain_it_is(fake, port):
    other = again(port, fake)
    assert asked(fake, port, lambda: other.list("")) == (["GetAttributes", "Select"], [])
    assert asked(fake, port, lambda: other.list("")) == (["Select"], [])


def test_a_listing_jumps_over_what_is_deeper(fake, port):
    keys = [f"s/{level}/{number:04}" for level in (0, 1) for number in range(5100)]
    domain = fake.database.domains[port.domain.name]
    for key in [*keys, "s/1.5", "s/1-5/x", "s0/x", "s/3x"]:
        domain.set(key, frozenset({("v", "i0")}))
    fake.counted()
    assert port.list("s") == ["0/", "1-5/", "1.5", "1/", "3x"]
    assert len(fake.counted()) == 3
    assert port.list("s/1") == [f"{number:04}" for number in range(5100)]
    assert len(fake.counted()) == 3
    assert sorted(port.walk("s/1")) == keys[5100:]
    assert len(fake.counted()) == 3


def test_a_tree_is_deleted_in_batches(fake, port):
    for number in range(100):
        port.put(f"t/{number}", b"small")
    for number in range(3):
        port.put(f"t/large{number}", bytes(LARGE))
    requests, blobs = asked(fake, port, lambda: port.delete_tree("t"))
    assert requests == ["Select", "Select", *["BatchDeleteAttributes"] * 5]
    assert blobs == ["delete"] * 3
    assert port.list("") == []


# --- segments that grow ---------------------------------------


@pytest.mark.parametrize("secret", [None, KEY])
def test_a_segment_of_many_records_rolls_over(fake, secret, monkeypatch):
    monkeypatch.setattr(aws_content, "MAX_PARTS", 4)
    port = new_port(fake, secret=secret)
    handle, other = port.create_segment("s"), again(port, fake, secret=secret)
    whole = b""
    for number in range(400):
        record = b"%d " % number * 200 + b"\n"
        handle.append(record)
        whole += record
        if number % 40 == 0:
            assert other.read_segment("s") == whole
            assert other.read_segment("s", len(whole) - 50) == whole[-50:]
    assert other.read_segment("s") == whole
    assert len(whole) > 6 * MAX_TAIL
    parts = port.items.get("s").parts
    assert 1 < len(parts) <= 4
    assert len(list(port.contents.blobs.walk(""))) == len(parts)
    assert other.stat("s").size == len(whole)


def test_two_handles_of_a_segment_append_in_turns(fake, port):
    first, second = port.append_segment("s"), again(port, fake).append_segment("s")
    for handle, data in ((first, b"1"), (second, b"2"), (second, b"3"), (first, b"4")):
        handle.append(data)
    assert port.read_segment("s") == b"1234"


@pytest.mark.parametrize("end", ["deleted", "appended to", "damaged"])
def test_an_append_may_find_its_last_part_gone(fake, end):
    """With a key the last bytes are rewritten with what follows them."""
    port = new_port(fake, secret=KEY)
    handle, other = port.create_segment("s"), again(port, fake, secret=KEY)
    handle.append(b"1")
    port.contents._last = ("", b"")  # as after another segment's append
    if end == "deleted":
        other.delete("s")
        handle.append(b"2")
        assert other.list("") == []
    elif end == "appended to":
        other.append_segment("s").append(b"2")
        handle.append(b"3")
        assert other.read_segment("s") == b"123"
    else:
        port.contents.blobs.delete_tree("")
        with pytest.raises(CorruptError, match="s: a part is lost"):
            handle.append(b"2")


def test_a_segment_made_anew_is_not_the_old_one(fake, port):
    old = port.create_segment("s")
    old.append(b"old")
    port.delete("s")
    port.create_segment("s").append(b"new")
    old.append(b"late")
    assert port.read_segment("s") == b"new"
    port.put("s", b"object")
    old.append(b"late")
    assert port.get("s") == b"object"


def test_what_replaced_content_left_is_not_content(fake, port):
    port.put("a", b"x" * MAX_TAIL)
    port.put("a", b"y")
    assert port.get("a") == b"y"
    port.append_segment("a").append(b"z" * 2000)
    assert port.get("a") == b"y" + b"z" * 2000
    assert len(held(port, fake, "a")) <= 2 + MAX_TAIL // CHUNK


# --- blobs ---------------------------------------


def test_blobs_go_with_what_they_were_of(fake, port):
    blobs = port.contents.blobs
    port.put("a", bytes(LARGE))
    port.put("a", bytes(LARGE + 1))
    assert len(list(blobs.walk(""))) == 1
    port.put("a", bytes(LARGE), if_match=port.stat("a").tag)
    assert len(list(blobs.walk(""))) == 1
    port.put("a", b"small")
    with port.open_write("b") as file:
        file.write(bytes(LARGE))
    with pytest.raises(ZeroDivisionError), port.open_write("c") as file:
        file.write(bytes(LARGE))
        raise ZeroDivisionError
    assert len(list(blobs.walk(""))) == 1
    port.delete("b")
    assert list(blobs.walk("")) == []
    with port.open_write("small") as file:
        file.write(b"1")
        file.write(b"2")
    assert (port.get("small"), list(blobs.walk(""))) == (b"12", [])


def test_a_write_whose_blob_fails_changes_nothing(fake):
    blobs = FaultyPort(
        MemoryPort(), {1: "fail", 2: "lose"}, only=("put",), error=UnavailableError("full")
    )
    port = new_port(fake, blobs)
    port.put("a", b"old")
    for _ in range(2):
        with pytest.raises(UnavailableError):
            port.put("a", bytes(LARGE))
    assert port.get("a") == b"old"
    assert len(list(blobs.walk(""))) == 1
    assert sweep(port, min_age_s=-10) == 1


def test_the_sweep_takes_what_nothing_points_to(fake):
    blobs = FaultyPort(MemoryPort(), {1: "fail", 2: "fail"}, only=("delete",))
    port = new_port(fake, blobs)
    port.put("a", bytes(LARGE))
    port.put("b", bytes(LARGE))
    port.put("a", b"small")  # the old blob can't be removed, and it is done all the same
    port.delete("b")
    port.put("c", bytes(LARGE))
    assert len(list(blobs.walk(""))) == 3
    assert sweep(port) == 0  # too young
    assert sweep(port, min_age_s=-10) == 2
    assert port.get("c") == bytes(LARGE)
    assert sweep(port, min_age_s=-10) == 0


def test_damage_is_noticed(fake, port):
    port.put("large", bytes(LARGE))
    port.put("small", b"content")
    (blob,) = port.contents.blobs.walk("")
    port.contents.blobs.put(blob, bytes(LARGE - 1) + b"x")
    with pytest.raises(CorruptError, match=r"large: its part .* is not what its checksum"):
        port.get("large")
    port.contents.blobs.delete(blob)
    with pytest.raises(CorruptError, match="large: a part is lost"):
        port.get("large")
    domain = fake.database.domains[port.domain.name]
    good = domain.items["small"]
    damaged = {
        "not what its checksum": ("d000", base64.urlsafe_b64encode(b"Content").decode()),
        "one value of the attribute d000": None,
        "head can't be read": ("h", "1 nonsense"),
    }
    for message, pair in damaged.items():
        name = pair[0] if pair else "d000"
        kept = {held for held in good if held[0] != name}
        domain.set("small", frozenset(kept | ({pair} if pair else set())))
        with pytest.raises(CorruptError, match=message):
            port.get("small")
    domain.set("small", frozenset({("v", "i1"), ("h", "2 of a later version")}))
    with pytest.raises(UnsupportedError, match=r"format '2'.*use a newer version"):
        port.stat("small")


# --- the store ---------------------------------------


def test_a_store_is_made_by_its_first_write_and_destroyed(fake):
    port = new_port(fake, CountingPort(MemoryPort()))
    assert (port.list(""), list(port.walk("")), port.stat("a")) == ([], [], None)
    port.delete("a")
    port.delete_tree("a")
    assert fake.database.domains == {}
    port.put("a", bytes(LARGE))
    port.initialize()
    assert port.list("") == ["a"]
    late = again(port, fake)
    handle = late.create_segment("s")
    port.destroy()
    port.destroy()
    assert (fake.database.domains, list(port.contents.blobs.walk(""))) == ({}, [])
    with pytest.raises(NotFoundError):
        late.get("a")
    handle.append(b"late")
    with pytest.raises(UnavailableError, match="somebody removed the store"):
        late.put("a", b"")
    assert fake.database.domains == {}
    port.put("a", b"again")
    assert port.get("a") == b"again"


def test_another_programs_domain_is_left_alone(fake):
    port = new_port(fake)
    fake.database.create_domain(port.domain.name)
    fake.database.domains[port.domain.name].set("job", frozenset({("x", "1")}))
    for call in (
        lambda: port.put("a", b""),
        lambda: port.create_segment("a"),
        lambda: port.get("a"),
        lambda: port.list(""),
        port.initialize,
    ):
        with pytest.raises(UnsupportedError, match="another program"):
            call()
    assert list(fake.database.domains[port.domain.name].items) == ["job"]


def test_a_making_that_was_cut_short_is_taken_up(fake):
    port = new_port(fake)
    fake.database.create_domain(port.domain.name)
    assert port.list("") == []
    port.put("a", b"1")
    assert again(port, fake).get("a") == b"1"


def test_a_later_layout_is_refused(fake, port):
    domain = fake.database.domains[port.domain.name]
    domain.set("~store", frozenset({("layout", "2"), ("encrypted", "no")}))
    with pytest.raises(UnsupportedError, match="layout '2'"):
        again(port, fake).list("")


def test_the_services_clock_tells_times(fake):
    sdb = client(fake)
    sdb._clock = lambda: 1e9  # this host's clock is far behind
    sdb.create_domain("some-domain")  # signed anew with the service's time
    assert sdb.server_time() > 1.7e9
    assert "some-domain" in fake.database.domains


# --- encryption ---------------------------------------


def test_with_a_key_the_domain_holds_nothing_of_any_content(fake):
    secret = b"the secret of the whole study: 42"
    port = new_port(fake, secret=KEY)
    port.put("job", secret)
    port.put("empty", b"")
    port.put("large", secret * 10_000)
    handle = port.create_segment("segment")
    for _ in range(3):
        handle.append(secret)
    with port.open_write("file") as file:
        file.write(secret)
    for key in ("job", "file"):
        assert again(port, fake, secret=KEY).get(key) == secret
    assert port.read_segment("segment") == secret * 3
    crc = Checker().of("", secret)
    texts = [text for action in fake.requests for text in action[1].values()]
    domain = fake.database.domains[port.domain.name]
    texts += [value for pairs in domain.items.values() for _, value in pairs]
    forms = [secret.decode(), crc] + [
        base64.urlsafe_b64encode(bytes(shift) + secret).decode()[8:40] for shift in range(3)
    ]
    assert [text for text in texts for form in forms if form in text] == []
    names = {name for pairs in domain.items.values() for name, _ in pairs}
    assert names == {"v", "h", "p000", "layout", "made", "encrypted"}
    assert KEY.hex() not in str(texts)


def test_a_key_fits_its_store_or_is_refused(fake):
    locked = new_port(fake, secret=KEY)
    locked.put("a", b"1")
    plain = new_port(fake)
    plain.put("a", b"1")
    for port, secret, message in (
        (locked, None, "is encrypted: set its key"),
        (locked, KEY[::-1], "another key"),
        (plain, KEY, "is not encrypted, and a key is set"),
    ):
        other = again(port, fake, secret=secret)
        for call in (
            lambda port=other: port.get("a"),
            lambda port=other: port.put("b", b""),
        ):
            with pytest.raises(UnsupportedError, match=message):
                call()


def test_equal_contents_have_unequal_keyed_checksums():
    checker = Checker(KEY)
    assert checker.of("a", b"x") == checker.of("a", b"x") != checker.of("b", b"x")
    assert Checker().of("a", b"x") == Checker().of("b", b"x")


# --- the items' form ---------------------------------------

_PARTS = st.lists(
    st.builds(Part, st.text("0123456789abcdef", min_size=16, max_size=16),
              st.integers(1, 10**12), st.text("0123456789abcdef", min_size=8, max_size=8)),
    max_size=5,
).map(tuple)  # fmt: skip
_ITEMS = st.builds(
    Item, st.just("i12.34"), st.just("0123"), st.integers(0, 2**33).map(float), _PARTS,
    st.binary(max_size=3000),
)  # fmt: skip


@settings(deadline=None)
@given(_ITEMS, _ITEMS, st.binary(max_size=2000), st.sampled_from([None, KEY]))
def test_an_item_is_read_as_it_was_written(before, item, more, secret):
    """Over the leavings of another, and when it grew since."""
    checker = Checker(secret)
    attributes = dict(encode(before, checker))
    attributes.update(encode(item, checker))
    grown = item._replace(tail=item.tail + more)
    for wanted, values in ((item, []), (grown, encode(grown, checker, since=item))):
        attributes.update(values)
        found = decode({name: [value] for name, value in attributes.items()}, checker, "x")
        assert found == wanted
        assert all(len(value) <= 1024 for value in attributes.values())
