"""Answers gone wrong, made from good ones."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from decimal import Decimal
from random import Random
from typing import Any
from xml.etree.ElementTree import Element, SubElement, tostring

from refundry.http import parse_xml

ODD_VALUES: tuple[Any, ...] = (
    None,
    True,
    False,
    0,
    -1,
    10**400,
    2**63,
    "",
    " ",
    "0",
    "-1",
    "1e999999999",
    "NaN",
    "Infinity",
    "\u0000",
    "\ud83d\ude00",
    "9" * 5000,
    "0001-01-01T00:00:00+23:59",
    "9999-12-31T23:59:59-23:59",
    "<html></html>",
    [],
    {},
    [[]],
    [None],
    {"": None},
    {"value": []},
)

ODD_BODIES: tuple[bytes, ...] = (
    b"",
    b" ",
    b"null",
    b"true",
    b"0",
    b'""',
    b"[]",
    b"{}",
    b"[null]",
    b"[[]]",
    b"\xff\xfe\x00",
    b"<!DOCTYPE html><html><body>Bad gateway</body></html>",
    b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "b">]><x>&a;</x>',
    b"[" * 100_000,
    b'{"a":' * 100_000,
    b'{"a": NaN}',
    b"9" * 10_000,
)


# The shortcuts of the module json would make one of these for each of many thousand bodies.
_DECODER = json.JSONDecoder(parse_float=Decimal)
_ENCODER = json.JSONEncoder(default=float)


def mutated_bodies(body: bytes, count: int, chance: Random) -> Iterator[bytes]:
    """So many bodies that differ from this one: odd ones, then values dropped, replaced or moved, and bytes cut."""
    yield from ODD_BODIES[:count]
    document, root = _parse(body), _parse_xml(body)
    for _ in range(count - len(ODD_BODIES)):
        if (document is None and root is None) or chance.random() < 0.1:
            yield _broken(body, chance)
        elif root is not None:
            yield _mutated_xml(copy.deepcopy(root), chance)
        else:
            yield _mutated(_parse(body), chance)


def replace_one_item(body: bytes, item: Any) -> bytes:
    """The body with the middle item of its first list of objects replaced; in XML, by an element that is odd.

    Raises `LookupError` without such a list.
    """
    root = _parse_xml(body)
    if root is not None:
        return _replaced_in_xml(root)
    document = _parse(body)
    for parent, key in _places(document):
        value = parent[key]
        if isinstance(value, list) and len(value) > 2 and isinstance(value[0], dict):
            value[len(value) // 2] = item
            return _dump(document)
    if isinstance(document, list) and len(document) > 2:
        document[len(document) // 2] = item
        return _dump(document)
    raise LookupError("the page has no list of objects")


def _parse(body: bytes) -> Any:
    try:
        return _DECODER.decode(body.decode("utf-8-sig"))
    except ValueError:
        return None


def _dump(document: Any) -> bytes:
    return _ENCODER.encode(document).encode()


def _mutated(changed: Any, chance: Random) -> bytes:
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        places = _places(changed)
        if not places:
            break
        parent, key = chance.choice(places)
        action = chance.random()
        if action < 0.3:
            del parent[key]
        elif action < 0.9:
            parent[key] = copy.deepcopy(chance.choice(ODD_VALUES))
        else:
            parent[key] = [parent[key]]
    return _dump(changed)


def _parse_xml(body: bytes) -> Element | None:
    # What reads XML is an extra, which only a connector that needs it has.
    return parse_xml(body) if body.lstrip().startswith(b"<") else None


def _mutated_xml(root: Element, chance: Random) -> bytes:
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        places = [(parent, child) for parent in root.iter() for child in parent]
        if not places:
            break
        parent, child = chance.choice(places)
        action = chance.random()
        if action < 0.3:
            parent.remove(child)
        elif action < 0.4:
            parent.append(copy.deepcopy(child))
        else:
            child.clear()
            child.text = chance.choice([value for value in ODD_VALUES if isinstance(value, str)])
    return tostring(root)


def _replaced_in_xml(root: Element) -> bytes:
    for parent in root.iter():
        for name in {child.tag for child in parent}:
            items = parent.findall(name)
            if len(items) > 2:
                items[len(items) // 2].clear()
                SubElement(items[len(items) // 2], "odd").text = "1"
                return tostring(root)
    raise LookupError("the page has no list of elements")


def _broken(body: bytes, chance: Random) -> bytes:
    cut = chance.randrange(len(body) + 1)
    if chance.random() < 0.5:
        return body[:cut]
    return body[:cut] + bytes([chance.randrange(256)]) + body[cut + 1 :]


def _places(document: Any) -> list[tuple[Any, Any]]:
    """Every value within, as what holds it and its key there, each before what is in it."""
    found: list[tuple[Any, Any]] = []

    def look(holder: Any) -> None:
        for key, value in holder.items() if isinstance(holder, dict) else enumerate(holder):
            found.append((holder, key))
            if isinstance(value, dict | list):
                look(value)

    if isinstance(document, dict | list):
        look(document)
    return found
