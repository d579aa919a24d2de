"""What connectors read answers with."""

from __future__ import annotations

from typing import Any

import pytest

from refundry import MappingError, Money
from refundry.http import parse_xml
from refundry.reading import Fields, xml_object

BODY: dict[str, Any] = {
    "id": "r1",
    "number": 17,
    "empty": "",
    "nothing": None,
    "object": {"inner": "x"},
    "list": [1],
    "flag": True,
    "huge": 10**5000,
    "amount": 1050,
    "text_amount": "10.505",
}


def test_paths_lead_to_values_or_none() -> None:
    fields = Fields(BODY)
    assert fields.text("object", "inner") == "x"
    assert fields.text("number") == "17"
    for path in (("empty",), ("nothing",), ("absent",), ("id", "inner"), ("list", "inner"), ("object", "no", "way")):
        assert fields.text(*path) is None
    assert fields.problems == ()


def test_what_is_odd_becomes_none_and_a_problem() -> None:
    fields = Fields(BODY)
    assert [fields.text(name) for name in ("object", "list", "flag", "huge")] == [None] * 4
    assert fields.unix_time("flag") is None
    assert fields.iso_time("number") is None
    assert fields.decimal_money("text_amount", currency="EUR") is None
    assert fields.minor_money("amount", currency="ZZZ") is None
    assert fields.minor_money("amount", currency=None) is None
    assert fields.problems == (
        "object is not text",
        "list is not text",
        "flag is not text",
        "huge is not text",
        "flag: the time is not a Unix time",
        "number: the time is not text",
        "text_amount: the amount has more than the 2 decimals of EUR",
        "amount: the currency is not in ISO 4217",
        "amount: the currency is not known",
    )
    assert fields.minor_money("amount", currency="eur") == Money(1050, "EUR")
    assert fields.minor_money("absent", currency=None) is None


def test_what_is_read_twice_is_one_problem() -> None:
    fields = Fields({"time": "odd"})
    assert (fields.iso_time("time"), fields.iso_time("time")) == (None, None)
    assert fields.problems == ("time: the time is not ISO 8601",)


def test_problems_of_a_part_are_those_of_the_whole() -> None:
    fields = Fields(BODY)
    assert fields.at("object").unix_time("inner") is None
    assert fields.problems == ("object.inner: the time is not a Unix time",)
    assert fields.at("absent").text("x") is None


@pytest.mark.parametrize("name", ["object", "list", "flag", "huge", "empty", "nothing", "absent"])
def test_what_must_be_there_is_named(name: str) -> None:
    with pytest.raises(MappingError) as caught:
        Fields(BODY).required(name)
    assert caught.value.field == name


@pytest.mark.parametrize("value", [None, 5, "x", [], True])
def test_what_is_no_object_is_named(value: object) -> None:
    with pytest.raises(MappingError, match="body is not an object"):
        Fields(value)
    if value is not None:
        with pytest.raises(MappingError, match="part is not an object"):
            Fields({"part": value}).at("part")


def test_lists() -> None:
    fields = Fields(BODY)
    assert fields.items("list") == [1]
    assert fields.items("absent") == []
    for name in ("absent", "id"):
        with pytest.raises(MappingError) as caught:
            fields.required_items(name)
        assert caught.value.field == name


def test_a_status_word_is_text_or_absent() -> None:
    fields = Fields(BODY)
    assert fields.word("id") == "r1"
    assert fields.word("absent") is None
    with pytest.raises(MappingError, match="object is not text"):
        fields.word("object")


def test_xml_is_read_as_an_object() -> None:
    body = b"<a><id> 1 </id><item><b>2</b></item><item><b>3</b></item><item/><none/></a>"
    assert xml_object(parse_xml(body)) == {"id": "1", "item": [{"b": "2"}, {"b": "3"}, ""], "none": ""}
    with pytest.raises(MappingError, match="deeply"):
        xml_object(parse_xml(b"<a>" * 5000 + b"</a>" * 5000))
