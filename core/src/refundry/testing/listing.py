"""A listing has every refund once, and ends."""

from __future__ import annotations

from urllib.parse import urlsplit

from refundry.errors import MappingError
from refundry.http import Response
from refundry.testing.cases import Cases
from refundry.testing.mutations import replace_one_item


class ListingContract(Cases):
    """From pages to refunds."""

    def test_every_page_size_lists_the_same_refunds(self) -> None:
        self.needs("list")
        made = self.many(7)
        for size in (1, 2, 7, 10):
            listed = self.listed(self.wiring(*made), size)
            assert sorted(one.connector_refund_id or "" for one in listed) == sorted(
                one.connector_refund_id or "" for one in made
            )

    def test_a_list_that_repeats_itself_ends(self) -> None:
        self.needs("list")
        wiring = self.wiring(*self.many(4))
        kept: dict[str, Response] = {}

        def same_page_again(response: Response) -> Response:
            return kept.setdefault(urlsplit(str(wiring.sent[-1].url)).path, response)

        wiring.tamper = same_page_again
        ids: list[str | None] = []
        iterator = wiring.client().list(page_size=1, **self.window(list(wiring.book.refunds.values())))
        complaint: MappingError | None = None
        try:
            ids.extend(one.connector_refund_id for one in iterator)
        except MappingError as error:
            complaint = error
        assert complaint is None or complaint.field == "cursor", "a page that comes again must end the listing"
        assert len(ids) == len(set(ids))

    def test_one_bad_item_costs_one_item(self) -> None:
        self.needs("list")
        made = self.many(100)
        wiring = self.wiring(*made)
        tampered: list[bytes] = []

        def with_one_bad_item(response: Response) -> Response:
            try:
                body = replace_one_item(response.body, {"odd": True})
            except LookupError:
                return response
            tampered.append(body)
            return Response(response.status_code, response.headers, body)

        wiring.tamper = lambda response: response if tampered else with_one_bad_item(response)
        iterator = wiring.client().list(**self.window(made))
        listed = list(iterator)
        assert tampered
        assert len(listed) == 99
        assert len(iterator.problems) == 1
