"""TrustPay for card payments: facts from juspay/hyperswitch-prism, for TrustPay's own text could not be had."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase

from refundry.auth import header_auth
from refundry.connector import Connector, setting
from refundry.errors import ConnectorError, MappingError, RateLimited, RefundryError
from refundry.hookspecs import hookimpl
from refundry.http import Request, Response, url_path
from refundry.model import ErrorInfo, Refund, RefundQuery
from refundry.reading import Fields
from refundry.status import FAILED, MANUAL_REVIEW, PENDING, SUCCEEDED
from refundry_trustpay.common import DOCUMENTATION, asked_id

CODE = re.compile(r"[0-9]{3}\.[0-9]{3}\.[0-9]{3}")
THROTTLED = "800.120.100"

# In parts: what a code begins with, and how it may end.
REFUSED = {
    "100.": "100.600 350.100 380.401 380.501 390.103 390.105 390.111 390.112 390.115 390.118 400.304 550.312",
    "200.": "300.404",
    "300.": "100.100",
    "400.": "001.301 001.600 001.601 001.602 001.603 003.600",
    "700.": "400.200 500.001 500.003",  # the first: more than was paid, or not refundable
    "800.": "300.102 300.401",
    "800.100.": "100 151 152 153 155 157 158 160 162 163 165 168 170 171 172 190 202 203",
}


class TrustPayCards(Connector):
    """TrustPay, by its gateway for cards."""

    name = "trustpay-cards"
    title = "TrustPay (cards)"
    documentation = DOCUMENTATION
    base_urls = {"api": {"SANDBOX": "https://test-tpgw.trustpay.eu", "PRODUCTION": "https://tpgw.trustpay.eu"}}
    # A word with a star stands for every code that begins so.
    statuses = {
        "000.200.000": PENDING,
        "800.700.100": PENDING,  # still being processed
        "900.100.100": MANUAL_REVIEW,  # an error between the banks: whether the refund was made is not known
        "900.100.300": MANUAL_REVIEW,  # a timeout, likewise
        "000.400.100": SUCCEEDED,
        "000.000.*": SUCCEEDED,
        "000.100.1*": SUCCEEDED,
        "000.3*": SUCCEEDED,
        "000.6*": SUCCEEDED,
        **{f"000.400.0{digit}*": SUCCEEDED for digit in (1, 2, 4, 5, 6, 7, 8, 9)},
        **{f"{start}{end}": FAILED for start, ends in REFUSED.items() for end in ends.split()},
    }
    unmapped = {THROTTLED: "too many requests, which says nothing of the refund"}
    refusals = {
        THROTTLED: (RateLimited, "ask less often"),
        **dict.fromkeys((200, 400), (ConnectorError, "check the identifier")),
    }

    api_key: str = setting(secret=True, help="API key of the card gateway")

    @hookimpl
    def fetch_refund(self, query: RefundQuery) -> Request:
        path = url_path("api", "v1", "instance", asked_id(query))
        return Request("GET", path, auth=header_auth({"X-Api-Key": self.api_key}))

    @hookimpl
    def map_refund(self, query: RefundQuery, response: Response) -> Refund:
        fields = Fields(response.json())
        refund_id = fields.required("instanceId")
        if refund_id != query.connector_refund_id:
            # The same call answers for payments, which look alike.
            raise MappingError("TrustPay answered with another instance", field="instanceId")
        word = self._word(fields.word("paymentStatus"))
        text = fields.text("paymentDescription") or fields.text("description")
        return self.refund(
            fields,
            word,
            failure=ErrorInfo(code=word, message=text) if text else None,
            connector_refund_id=refund_id,
            connector_transaction_id=query.connector_transaction_id,
        )

    @hookimpl
    def map_error(self, response: Response) -> RefundryError | None:
        fields = Fields(response.json())
        if not fields.items("errors") or fields.get("paymentStatus") is not None:
            return None
        code = fields.first("errors").text("code")
        return self.refusal(code, response.status_code, code=code)

    def _word(self, code: str | None) -> str | None:
        """The code, or the beginning that the table has for it."""
        if code is None or not CODE.fullmatch(code):
            return code
        return next((word for word in self.statuses if fnmatchcase(code, word)), code)
