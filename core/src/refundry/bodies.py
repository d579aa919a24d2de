"""Bodies as processors write and read them: JSON, forms and XML, with exact decimals and nothing that runs."""

from __future__ import annotations

import json
import re
from codecs import BOM_UTF8
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from refundry.errors import MappingError

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

_MOST_FORM_FIELDS = 1000


def encode_json(value: object) -> bytes:
    """Compact JSON as UTF-8; a `Decimal` is a number with all its digits."""
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False, default=_marked)
    return _MARKED.sub(r"\1", text).encode()


# The encoder writes numbers from int and float alone, and a float would lose digits. No text of ours has a NUL.
_MARK = "\x00decimal "
_MARKED = re.compile(r'"\\u0000decimal ([0-9.-]+)"')


def _marked(value: object) -> str:
    if isinstance(value, Decimal) and value.is_finite():
        return f"{_MARK}{value:f}"
    raise TypeError(f"{type(value).__name__} cannot be written as JSON")


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


_DECODER = json.JSONDecoder(parse_float=Decimal, parse_constant=_refuse_constant)


def parse_json(body: bytes) -> Any:
    """JSON with decimals as `Decimal`. Raises `MappingError`, whose text never holds the body."""
    try:
        return _DECODER.decode(body.removeprefix(BOM_UTF8).decode())
    except (ValueError, ArithmeticError):
        raise MappingError("the body is not JSON", field="body") from None
    except RecursionError:
        raise MappingError("the body is JSON nested too deeply", field="body") from None


def parse_form(body: bytes) -> dict[str, str]:
    """Form fields. Raises `MappingError`."""
    try:
        return dict(parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=_MOST_FORM_FIELDS))
    except ValueError:
        raise MappingError("the body is not a form", field="body") from None


def parse_xml(body: bytes) -> Element:
    """XML without entities and document types. Raises `MappingError`."""
    from xml.etree.ElementTree import ParseError

    from defusedxml import DefusedXmlException
    from defusedxml.ElementTree import fromstring

    try:
        return fromstring(body, forbid_dtd=True)
    except (ParseError, DefusedXmlException, ValueError, LookupError):
        raise MappingError("the body is not plain XML", field="body") from None
