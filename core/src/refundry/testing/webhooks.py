"""The cases of a webhook that every connector with webhooks passes."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from refundry.connector import Secrets, settings_of
from refundry.errors import ConfigurationError, ConnectorError, MappingError, RefundryError, SignatureError
from refundry.http import Event
from refundry.sandbox import varied
from refundry.testing.cases import Cases
from refundry.testing.wiring import Wiring, deliver, sandbox_of

if TYPE_CHECKING:
    from refundry.client import RefundClient

Believed = list[tuple[object, object, object]]


class WebhookContract(Cases):
    """Every case is a valid event of the connector's own sandbox, and one thing done to it."""

    def _webhooks(self) -> Wiring:
        wiring = Wiring(self.connector)
        if not wiring.client().account.can("webhook") or not wiring.hooks.can("render_event"):
            pytest.skip(f"{self.connector.name} declares no webhook")
        return wiring

    def _event_words(self) -> list[str]:
        sandbox = sandbox_of(self.connector)
        return list(dict.fromkeys([word for life in sandbox.lives.values() for word in life] + [*sandbox.event_words]))

    def test_a_valid_event_names_its_refund(self) -> None:
        wiring = self._webhooks()
        client = wiring.client()
        for word in self._event_words():
            refund = self.example(word)
            wiring.book.refunds[refund.connector_refund_id or ""] = refund
            try:
                event = wiring.event(refund)
            except ConnectorError:
                # The processor sends no webhook that says this word.
                continue
            delivery = deliver(client, event)
            assert len(delivery.events) == 1
            assert 200 <= delivery.reply.status_code < 300
            one = delivery.events[0]
            assert one.event_id
            named = {value for name, value in one.query.items() if name.endswith("_id")}
            ids = (refund.connector_refund_id, refund.connector_transaction_id, refund.merchant_refund_id)
            assert named.intersection(ids)
            if one.refund is not None:
                assert one.refund.status is refund.status
                assert one.occurred_at in (None, wiring.clock.now())
                assert one.refund.refund_amount in (None, refund.refund_amount)

    def test_another_key_is_refused(self) -> None:
        wiring = self._webhooks()
        event = wiring.event(self.example())
        client = wiring.client(self._with_other_keys(wiring.settings))
        if self.connector.unsigned_events:
            believed = _believed(client, event)
            assert believed is None or believed == _hints(believed)
            return
        with pytest.raises(SignatureError) as caught:
            deliver(client, event)
        assert caught.value.reply is not None
        assert caught.value.reply.status_code >= 400

    def test_a_flipped_bit_never_changes_what_is_believed(self) -> None:
        wiring = self._webhooks()
        event, client = wiring.event(self.example()), wiring.client()
        believed = _believed(client, event)
        refused = 0
        for place in range(0, len(event.body), max(1, len(event.body) // 200)):
            body = bytearray(event.body)
            body[place] ^= 1
            outcome = _believed(client, event, body=bytes(body))
            refused += outcome is None
            assert outcome is None or outcome == believed or self.connector.unsigned_events
        assert refused or self.connector.unsigned_events

    def test_a_missing_or_empty_header_never_changes_what_is_believed(self) -> None:
        wiring = self._webhooks()
        event, client = wiring.event(self.example()), wiring.client()
        believed = _believed(client, event)
        for name in event.headers:
            for headers in (
                {other: value for other, value in event.headers.items() if other != name},
                {**event.headers, name: ""},
            ):
                assert _believed(client, event, headers=headers) in (None, believed, _hints(believed))
        assert _believed(client, event, headers={}, body=b"{}") in (None, [])

    def test_an_empty_secret_is_refused_when_the_client_is_made(self) -> None:
        wiring = self._webhooks()
        for one in settings_of(self.connector):
            if one.secret and "webhook" in one.needed_for and one.name in wiring.settings:
                for empty in ("", "  ", [""], {"key": ""}):
                    if not isinstance(empty, str) and not self._takes_several(wiring, one.name):
                        continue
                    with pytest.raises(ConfigurationError):
                        wiring.client({**wiring.settings, one.name: empty})

    def test_an_event_of_another_time_is_refused(self) -> None:
        wiring = self._webhooks()
        tolerance = self.connector.event_tolerance
        event, client = wiring.event(self.example()), wiring.client()
        for direction in (-1, 1):
            if tolerance is None:
                assert deliver(client, event, received_at=event.received_at + direction * timedelta(days=365)).events
                continue
            deliver(client, event, received_at=event.received_at + direction * (tolerance - timedelta(seconds=2)))
            with pytest.raises(SignatureError):
                deliver(client, event, received_at=event.received_at + direction * (tolerance + timedelta(seconds=2)))

    def test_the_second_of_two_secrets_is_accepted(self) -> None:
        wiring = self._webhooks()
        event = wiring.event(self.example())
        for name, value in wiring.settings.items():
            if isinstance(value, str) and self._takes_several(wiring, name):
                other = self._with_other_keys({name: value})[name]
                assert deliver(wiring.client({**wiring.settings, name: [other, value]}), event).events

    def test_a_body_written_anew_never_changes_what_is_believed(self) -> None:
        wiring = self._webhooks()
        event, client = wiring.event(self.example()), wiring.client()
        try:
            anew = json.dumps(json.loads(event.body), indent=1).encode()
        except ValueError:
            pytest.skip("the event is not JSON")
        assert _believed(client, event, body=anew) in (None, _believed(client, event))

    def test_bytes_that_are_no_text_are_a_typed_error(self) -> None:
        wiring = self._webhooks()
        event, client = wiring.event(self.example()), wiring.client()
        for body in (b"\xff\xfe\xfd", b"", b"[" * 100_000, b"null", event.body[:-1]):
            with pytest.raises(RefundryError) as caught:
                deliver(client, event, body=body)
            assert isinstance(caught.value, SignatureError | MappingError)
            assert "defect" not in caught.value.message

    def test_a_duplicate_has_the_same_event_id(self) -> None:
        wiring = self._webhooks()
        event, client = wiring.event(self.example()), wiring.client()
        first, second = deliver(client, event), deliver(client, event)
        assert [one.event_id for one in first.events] == [one.event_id for one in second.events]

    def _with_other_keys(self, settings: Any) -> dict[str, Any]:
        keys = {
            one.name
            for one in settings_of(self.connector)
            if (one.required or one.secret) and "webhook" in one.needed_for
        }
        return {name: varied(value) if name in keys else value for name, value in settings.items()}

    def _takes_several(self, wiring: Wiring, name: str) -> bool:
        return isinstance(getattr(self.connector(**wiring.settings), name), Secrets)


def _believed(client: RefundClient, event: Event, **changes: Any) -> Believed | None:
    try:
        delivery = deliver(client, event, **changes)
    except (SignatureError, MappingError):
        return None
    return [
        (one.query.connector_refund_id, one.refund and one.refund.status.value, one.refund and one.refund.refund_amount)
        for one in delivery.events
    ]


def _hints(believed: Believed | None) -> Believed:
    return [(refund_id, None, None) for refund_id, _, _ in believed or []]
