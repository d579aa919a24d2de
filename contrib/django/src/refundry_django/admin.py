"""The admin: accounts in use, refunds, and everything that was said about them. It writes nothing of it.

Who may also ask again and acknowledge has the permission ``refundry.operate_refund``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs
from django.contrib import admin, messages
from django.db.models import Model, QuerySet
from django.http import HttpRequest

from refundry.errors import RefundNotFound
from refundry_django import conf
from refundry_django.models import Account, Observation, Refund
from refundry_ledger import RefundRecord

if TYPE_CHECKING:
    from collections.abc import Callable

    AccountBase = admin.ModelAdmin[Account]
    RefundBase = admin.ModelAdmin[Refund]
    ObservationBase = admin.ModelAdmin[Observation]
    ObservationInlineBase = admin.TabularInline[Observation, Refund]
else:
    AccountBase = RefundBase = ObservationBase = admin.ModelAdmin
    ObservationInlineBase = admin.TabularInline

_OPERATE = "refundry.operate_refund"


def _shown(value: object) -> str:
    return "-" if value is None else str(value)  # Django writes None on some pages


def _record(refund: Refund) -> RefundRecord:
    return conf.ledger().find(refund.pk)[0]


class ReadOnly:
    """Nobody adds, changes or deletes anything, whatever their permissions."""

    def has_add_permission(self, request: HttpRequest, *rest: Any) -> bool:
        """No."""
        return False

    def has_change_permission(self, request: HttpRequest, *rest: Any) -> bool:
        """No."""
        return False

    def has_delete_permission(self, request: HttpRequest, *rest: Any) -> bool:
        """No."""
        return False


class ShowsAmount:
    """Shows an amount with its currency, by the currency's own decimals."""

    @admin.display(description="amount")
    def shown_amount(self, row: Refund | Observation) -> str:
        """What was refunded."""
        return _shown(row.money)


@admin.register(Account)
class AccountAdmin(ReadOnly, AccountBase):
    """The accounts that the ledger has heard of."""

    list_display = ("name", "connector", "is_configured", "run_until")
    search_fields = ("name",)
    ordering = ("name",)
    fields = list_display
    readonly_fields = ("is_configured",)

    @admin.display(boolean=True, description="in the settings")
    def is_configured(self, account: Account) -> bool:
        """Whether it can be asked from here."""
        return account.name in conf.account_names()


class ObservationInline(ReadOnly, ShowsAmount, ObservationInlineBase):
    """What was said about one refund, oldest first."""

    model = Observation
    fields = ("observed_at", "source", "kind", "status", "connector_status", "shown_amount", "provider_time")
    readonly_fields = ("shown_amount",)
    ordering = ("observed_at", "id")
    extra = 0
    verbose_name_plural = "what was said about it"
    show_change_link = True


@admin.register(Refund)
class RefundAdmin(ReadOnly, ShowsAmount, RefundBase):
    """Every refund; found by any of its identifiers, whole."""

    list_display = ("__str__", "account", "status", "shown_amount", "since", "shown_attention", "next_due")
    list_filter = ("needs_attention", "status", "account", "origin")
    list_select_related = ("account",)
    search_fields = ("connector_refund_id__exact", "merchant_refund_id__exact", "connector_transaction_id__exact")
    ordering = ("-id",)
    show_full_result_count = False  # counting millions takes longer than showing them
    actions = ("ask_again", "acknowledge")
    inlines = (ObservationInline,)
    readonly_fields = ("shown_amount", "shown_expected", "reason", "arn", "shown_attention")
    fieldsets = (
        (
            None,
            {"fields": ("account", "status", "connector_status", "reason", "since", "shown_amount", "shown_expected")},
        ),
        ("Attention", {"fields": ("shown_attention",)}),
        (
            "Identifiers",
            {"fields": ("connector_refund_id", "merchant_refund_id", "connector_transaction_id", "arn")},
        ),
        (
            "Tracking",
            {"fields": ("origin", "added_at", "first_observed", "last_observed", "asked_at", "next_due", "flags")},
        ),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Refund]:
        """Without those that turned out to be others."""
        return super().get_queryset(request).filter(merged_into=None)

    def has_operate_permission(self, request: HttpRequest) -> bool:
        """Whether this person may ask again and acknowledge."""
        user: Any = request.user
        return bool(user.has_perm(_OPERATE))

    @admin.display(description="expected amount")
    def shown_expected(self, refund: Refund) -> str:
        """What should have been refunded."""
        return _shown(refund.expected)

    @admin.display(description="why to look at it")
    def shown_attention(self, refund: Refund) -> str:
        """Why a person should look at it."""
        return _shown(refund.attention)

    @admin.display(description="reason")
    def reason(self, refund: Refund) -> str:
        """Why it failed, where the processor said so."""
        error = _record(refund).error
        return _shown("; ".join(value for value in attrs.astuple(error) if value) if error else None)

    @admin.display(description="acquirer's reference")
    def arn(self, refund: Refund) -> str:
        """With it the customer's bank can trace the money."""
        return _shown(_record(refund).acquirer_reference_number)

    @admin.action(description="Ask the processor again", permissions=["operate"])
    def ask_again(self, request: HttpRequest, queryset: QuerySet[Refund]) -> None:
        """Make them due at once."""
        done = self._each(request, queryset, conf.ledger().ask_again, "asked again")
        self.message_user(request, f"The next pass of the tracker asks for {done} refunds.")

    @admin.action(description="Acknowledge: somebody has looked at it", permissions=["operate"])
    def acknowledge(self, request: HttpRequest, queryset: QuerySet[Refund]) -> None:
        """They need attention again only for something new."""
        done = self._each(request, queryset, conf.ledger().acknowledge, "acknowledged")
        self.message_user(request, f"{done} refunds are acknowledged.")

    def _each(self, request: HttpRequest, refunds: QuerySet[Refund], act: Callable[[int], object], word: str) -> int:
        done = 0
        for refund in refunds:
            try:
                act(refund.pk)
            except RefundNotFound as error:  # it was only hinted at, and is gone since the page was made
                self.message_user(request, f"{refund}: {error}", messages.ERROR)
                continue
            self.log_change(request, refund, word)
            done += 1
        return done


@admin.register(Observation)
class ObservationAdmin(ReadOnly, ShowsAmount, ObservationBase):
    """Everything that was said, also what fits no refund yet."""

    list_display = ("observed_at", "account", "refund", "status", "connector_status", "shown_amount", "source")
    list_filter = (("refund", admin.EmptyFieldListFilter), "source", "status", "account", "is_foreign")
    list_select_related = ("account", "refund")
    search_fields = ("connector_refund_id__exact",)
    ordering = ("-id",)
    show_full_result_count = False
    readonly_fields = ("shown_amount",)

    def get_fields(self, request: HttpRequest, obj: Model | None = None) -> tuple[str, ...]:
        """Everything of an observation."""
        named = (field.name for field in Observation._meta.fields if field.name not in ("id", "amount", "currency"))
        return (*named, "shown_amount")
