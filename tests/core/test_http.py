"""The small values of an exchange."""

from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID

import pytest

from refundry import InvalidQuery, MappingError
from refundry.http import Event, Moment, Request, Response, WireRequest, encode_json, url_path


def test_a_path_keeps_an_identifier_in_its_segment() -> None:
    assert url_path("v1", "refunds", "a/b?c#d e%") == "/v1/refunds/a%2Fb%3Fc%23d%20e%25"


@pytest.mark.parametrize("segment", ["", ".", "..", "..."])
def test_a_path_refuses_what_means_a_directory(segment: str) -> None:
    with pytest.raises(InvalidQuery, match="identifier"):
        url_path("v1", segment)


def test_a_request_is_encoded_once() -> None:
    wire = Request("GET", "/r", params={"created[gte]": 5, "after": None, "q": "a b&c"}).to_wire("https://x.example")
    assert wire.url == "https://x.example/r?created%5Bgte%5D=5&q=a%20b%26c"
    assert wire.target == "/r?created%5Bgte%5D=5&q=a%20b%26c"
    assert wire.host == "x.example"
    assert wire.body is None


def test_half_a_character_is_a_typed_error() -> None:
    with pytest.raises(InvalidQuery, match="half a character"):
        Request("GET", "/r", params={"cursor": "\ud800"}).to_wire()


def test_a_request_has_one_kind_of_body() -> None:
    assert Request("POST", "/", json={"a": "ä"}).to_wire().body == '{"a":"ä"}'.encode()
    assert Request("POST", "/", form={"a": "b c", "d": None}).to_wire().body == b"a=b%20c"
    assert Request("POST", "/", body=b"raw").to_wire().headers == {"Accept": "application/json"}
    with pytest.raises(ValueError, match="one of"):
        Request("POST", "/", json={}, form={})


def test_a_header_cannot_break_out_of_its_line() -> None:
    with pytest.raises(InvalidQuery, match="X-Account"):
        Request("GET", "/", headers={"X-Account": "a\r\nX-Evil: 1"}).to_wire()


def test_a_wire_request_shows_nothing() -> None:
    wire = WireRequest("GET", "https://x.example/?key=secret", {"Authorization": "secret"}, b"secret")
    assert "secret" not in repr(wire)
    assert wire.with_params({"a": 1}).url.endswith("?key=secret&a=1")
    assert wire.with_json({"a": 1}).body == b'{"a":1}'


def test_a_decimal_is_written_with_all_its_digits() -> None:
    body = encode_json({"amount": Decimal("10.10"), "large": Decimal("1E+3"), "text": "10.10"})
    assert body == b'{"amount":10.10,"large":1000,"text":"10.10"}'
    for odd in (Decimal("NaN"), object()):
        with pytest.raises(TypeError, match="cannot be written"):
            encode_json([odd])


def test_json_is_exact() -> None:
    body = b'\xef\xbb\xbf{"amount": 10.10, "id": 9007199254740993}'
    assert Response(200, body=body).json() == {"amount": Decimal("10.10"), "id": 9007199254740993}


@pytest.mark.parametrize("body", [b"", b"<html>", b"{", b"\xff", b"NaN", b"[Infinity]", b"[" * 200_000, b"9" * 5000])
def test_what_is_not_json_is_a_mapping_error(body: bytes) -> None:
    with pytest.raises(MappingError) as caught:
        Response(200, body=body).json()
    assert caught.value.field == "body"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<a>",
        b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>',
        b'<!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>',
        b'<?xml version="1.0" encoding="no-such"?><a/>',
    ],
)
def test_what_is_not_plain_xml_is_a_mapping_error(body: bytes) -> None:
    with pytest.raises(MappingError, match="XML"):
        Response(200, body=body).xml()


def test_xml_and_forms() -> None:
    assert Response(200, body=b"<a><b>c</b></a>").xml().findtext("b") == "c"
    assert Response(200, body=b"a=b+c&d=").form() == {"a": "b c", "d": ""}
    with pytest.raises(MappingError, match="form"):
        Response(200, body=b"&".join([b"a=1"] * 2000)).form()


def test_headers_are_found_in_any_case() -> None:
    event = Event(
        headers=[("X-Sig", "1"), ("Empty", "")], url="https://m.example/w?id=5", received_at=datetime.now(UTC)
    )
    assert event.header("x-SIG") == "1"
    assert event.header("empty") is None
    assert event.params == {"id": "5"}


@pytest.mark.parametrize(
    ("headers", "body", "expected"),
    [
        ({"Content-Type": "text/html; charset=utf-8"}, b"", True),
        ({}, b"  <!DOCTYPE html>", True),
        ({}, b"<html>", True),
        ({}, b"<xml/>", False),
        ({"Content-Type": "application/json"}, b"{}", False),
    ],
)
def test_a_page_for_people_is_recognised(headers: dict[str, str], body: bytes, expected: bool) -> None:
    assert Response(200, headers, body).is_html is expected


def test_a_nonce_is_made_when_it_is_asked_for_and_stays() -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    moment = Moment(now=now)
    assert UUID(moment.nonce).version == 4
    assert moment.nonce == moment.nonce != Moment(now=now).nonce
    assert Moment(now=now, nonce="given").nonce == "given"
