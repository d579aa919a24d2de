"""`Fields`: what a connector reads an answer with, so that an odd answer is a typed error or a reported problem."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime, tzinfo
from typing import TYPE_CHECKING, Any, TypeVar

from refundry import money, times
from refundry.errors import AmbiguousRefund, InvalidQuery, MappingError, NotARefund, RefundNotFound
from refundry.model import Money, Refund, RefundEvent, RefundPage, RefundQuery

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

T = TypeVar("T")
_DEEPEST_XML = 50


class Fields:
    """An object in a processor's answer, read by paths: ``fields.text("card", "arn")`` is ``$.card.arn`` or None.

    What identifies a refund or says its status raises `MappingError` when it is odd. An odd amount, time or secondary
    text becomes None and is listed in `problems`, which belong into `Refund.problems`.
    """

    __slots__ = ("_problems", "_where", "value")

    def __init__(self, value: object, *, where: str = "", problems: list[str] | None = None) -> None:
        if not isinstance(value, dict):
            raise MappingError(f"{where or 'the body'} is not an object", field=where or "body")
        self.value: Mapping[str, Any] = value
        self._where = where
        self._problems: list[str] = [] if problems is None else problems

    @property
    def problems(self) -> tuple[str, ...]:
        """What could not be read so far, by this object and those made from it."""
        return tuple(self._problems)

    def get(self, *path: str) -> Any:
        """Whatever stands at this path, or None."""
        found: Any = self.value
        for key in path:
            if not isinstance(found, dict):
                return None
            found = found.get(key)
        return found

    def at(self, *path: str) -> Fields:
        """The object at this path, an empty one when it is absent. Raises `MappingError` when it is something else."""
        found = self.get(*path)
        return Fields({} if found is None else found, where=self._name(path), problems=self._problems)

    def first(self, *path: str) -> Fields:
        """The first object in the list at this path, or the object that stands there; an empty one without any."""
        found = self.get(*path)
        if isinstance(found, list):
            found = next(iter(found), None)
        return Fields(found if isinstance(found, Mapping) else {}, where=self._name(path), problems=self._problems)

    def items(self, *path: str) -> list[Any]:
        """The list at this path, an empty one when it is absent. Raises `MappingError` when it is something else."""
        found = self.get(*path)
        if found is None:
            return []
        if not isinstance(found, list):
            raise MappingError(f"{self._name(path)} is not a list", field=self._name(path))
        return found

    def objects(self, *path: str) -> list[Fields]:
        """The objects in the list at this path, an empty list when it is absent. Raises `MappingError` for others."""
        return [Fields(one, where=self._name(path), problems=self._problems) for one in self.items(*path)]

    def several(self, *path: str) -> list[Any]:
        """What XML has at this path once or several times: it looks like a list only when it comes again."""
        found = self.get(*path)
        if found is None:
            return []
        return found if isinstance(found, list) else [found]

    def required_items(self, *path: str) -> list[Any]:
        """The list at this path, which must be there: an answer without it is no empty list. Raises `MappingError`."""
        if self.get(*path) is None:
            raise MappingError(f"{self._name(path)} is missing", field=self._name(path))
        return self.items(*path)

    def text(self, *path: str) -> str | None:
        """Text, or a whole number as text; None when absent or empty, or odd, which is a problem."""
        found = self.get(*path)
        if found is None or isinstance(found, str):
            return found or None
        word = _as_text(found)
        if word is None:
            self.problem(f"{self._name(path)} is not text")
        return word

    def required(self, *path: str) -> str:
        """Text that must be there. Raises `MappingError` when it is not."""
        word = _as_text(self.get(*path))
        if not word:
            raise MappingError(f"{self._name(path)} is missing or not text", field=self._name(path))
        return word

    def word(self, *path: str) -> str | None:
        """A status word or a cursor, None when absent. Raises `MappingError` when it is something else than text."""
        found = self.get(*path)
        if found is None or isinstance(found, str):
            return found or None
        word = _as_text(found)
        if word is None:
            raise MappingError(f"{self._name(path)} is not text", field=self._name(path))
        return word

    def flag(self, *path: str) -> bool:
        """True or false, which must be there: its absence means neither. Raises `MappingError`."""
        found = self.get(*path)
        if not isinstance(found, bool):
            raise MappingError(f"{self._name(path)} is missing or not true or false", field=self._name(path))
        return found

    def unix_time(self, *path: str, per_second: int = 1) -> datetime | None:
        """A Unix time; None when absent or odd, which is a problem."""
        return self.read(lambda value: times.from_unix(value, per_second=per_second), *path)

    def iso_time(self, *path: str, zone: tzinfo | None = None) -> datetime | None:
        """An ISO 8601 time; None when absent or odd, which is a problem."""
        return self.read(lambda value: times.from_iso(value, zone=zone), *path)

    def minor_money(self, *path: str, currency: str | None, exponents: money.Exponents | None = None) -> Money | None:
        """An amount in the processor's minor units; None when absent or odd, which is a problem."""
        return self._money(lambda value, code: money.from_minor(value, code, exponents), path, currency)

    def decimal_money(self, *path: str, currency: str | None) -> Money | None:
        """An amount in major units, as number or text; None when absent or odd, which is a problem."""
        return self._money(money.from_decimal, path, currency)

    def read(self, convert: Callable[[Any], T], *path: str) -> T | None:
        """What ``convert`` makes of the value; None when absent, or when it raises `ValueError`, which is a problem."""
        found = self.get(*path)
        if found is None or found == "":
            return None
        try:
            return convert(found)
        except ValueError as error:
            self.problem(f"{self._name(path)}: {error}")
            return None

    def problem(self, text: str) -> None:
        """Report what could not be read, once however often it is read; the text must not hold the value."""
        if text not in self._problems:
            self._problems.append(text)

    def _money(
        self, convert: Callable[[object, str], Money], path: tuple[str, ...], currency: str | None
    ) -> Money | None:
        if currency is None:
            if self.get(*path) is not None:
                self.problem(f"{self._name(path)}: the currency is not known")
            return None
        return self.read(lambda value: convert(value, currency), *path)

    def _name(self, path: tuple[str, ...]) -> str:
        return ".".join((self._where, *path) if self._where else path)


def xml_object(element: Element, depth: int = 0) -> dict[str, Any]:
    """The children of an XML element as an object for `Fields`: text, an object, or a list where a name comes again.

    Attributes are left out. Raises `MappingError` for XML nested too deeply.
    """
    if depth > _DEEPEST_XML:
        raise MappingError("the body is XML nested too deeply", field="body")
    found: dict[str, Any] = {}
    for child in element:
        value = xml_object(child, depth + 1) if len(child) else (child.text or "").strip()
        if child.tag not in found:
            found[child.tag] = value
        elif isinstance(found[child.tag], list):
            found[child.tag].append(value)
        else:
            found[child.tag] = [found[child.tag], value]
    return found


def _as_text(value: object) -> str | None:
    if isinstance(value, str):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        try:
            return str(value)
        except ValueError:
            return None
    return None


def asked_refund(
    query: RefundQuery,
    items: Iterable[object],
    *,
    own_id: Callable[[Fields], str | None],
    reference: Callable[[Fields], str | None],
    is_refund: Callable[[Fields], bool] = lambda item: True,
) -> Fields:
    """Of the items of a payment the refund that is asked for: by its own id, else by the merchant's, else the only one.

    ``own_id`` and ``reference`` read these of an item. Raises `AmbiguousRefund` where several fit, `NotARefund` where
    what has the id is no refund, and `RefundNotFound` where no refund fits, for one with that reference may still come;
    but `MappingError` where what cannot be read may be what is asked for.
    """
    read = own_id if query.connector_refund_id else reference
    asked = query.connector_refund_id or query.merchant_refund_id
    fitting, problems = [], []
    for item in items:
        try:
            fields = Fields(item, where="refund")
            if asked is None or read(fields) == asked:
                fitting.append(fields)
        except MappingError as error:
            problems.append(error)
    refunds = [fields for fields in fitting if is_refund(fields)]
    if len(refunds) > 1:
        same = "" if asked is None else " with this id" if query.connector_refund_id else " with this reference"
        raise AmbiguousRefund(f"the payment has several refunds{same}: ask with connector_refund_id")
    if refunds:
        return refunds[0]
    if problems:
        raise problems[0]
    if fitting and query.connector_refund_id:
        raise NotARefund("what has this identifier is no refund: give the id that the refund call gave")
    raise RefundNotFound("the payment has no such refund, or does not show it yet")


def page(
    items: Iterable[Any], map_item: Callable[[Any], Refund | RefundQuery | None], *, cursor: str | None = None
) -> RefundPage:
    """A page of these items.

    One mapped to a query only names its refund: the client asks for it. One that raises `MappingError` becomes a
    problem; one mapped to None, or that raises `NotARefund`, is left out.
    """
    results = list(_each(items, map_item))
    return RefundPage(
        refunds=[result for result in results if isinstance(result, Refund)],
        hints=[result for result in results if isinstance(result, RefundQuery)],
        problems=[result for result in results if isinstance(result, MappingError)],
        cursor=cursor,
    )


def each_event(items: Iterable[Any], map_item: Callable[[Any], RefundEvent | None]) -> list[RefundEvent | MappingError]:
    """The items of a batch webhook. One that raises `MappingError` stands as that error.

    One mapped to None, or that raises `NotARefund`, is left out.
    """
    return list(_each(items, map_item))


def _each(items: Iterable[Any], map_item: Callable[[Any], T | None]) -> Iterator[T | MappingError]:
    for number, item in enumerate(items):
        try:
            mapped = map_item(item)
        except NotARefund:
            continue
        except (MappingError, InvalidQuery) as error:
            field = error.field if isinstance(error, MappingError) else None
            yield MappingError(f"item {number}: {error.message}", field=field)
        else:
            if mapped is not None:
                yield mapped
