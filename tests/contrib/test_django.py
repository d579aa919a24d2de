"""The Django application in a project of its own, on SQLite and on PostgreSQL."""

from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from io import StringIO
from typing import Any

import djangos
import pytest

djangos.set_up()

from django.contrib.admin.models import LogEntry  # noqa: E402
from django.contrib.auth.models import Permission, User  # noqa: E402
from django.core.management import CommandError, call_command  # noqa: E402
from django.core.management.base import SystemCheckError  # noqa: E402
from django.db import connections  # noqa: E402
from django.test import Client, RequestFactory, override_settings  # noqa: E402
from sqlalchemy import select  # noqa: E402

from refundry.http import Event  # noqa: E402
from refundry.model import RefundStatus  # noqa: E402
from refundry.plugins import connector_names, load_connector, load_sandbox  # noqa: E402
from refundry.state import Observation as Said  # noqa: E402
from refundry_django import conf, models, views  # noqa: E402
from refundry_django.checks import check_accounts, check_settings, check_tables  # noqa: E402
from refundry_django.signals import refund_status_changed  # noqa: E402
from refundry_ledger.schema import accounts as accounts_table  # noqa: E402
from refundry_ledger.schema import events, metadata  # noqa: E402
from refundry_sandbox import Sandbox  # noqa: E402

ENDPOINT = "/refundry/webhooks/stripe-eu/"


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(["stripe"]) as sandbox:
        yield sandbox


@pytest.fixture(params=djangos.ALIASES)
def shop(request: pytest.FixtureRequest, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Iterator[djangos.Shop]:
    for name, value in djangos.secrets(sandbox).items():
        monkeypatch.setenv(name, value)
    with djangos.shop(request.param, {"stripe-eu": djangos.account(sandbox)}, sandbox) as made:
        yield made


sqlite_alone = pytest.mark.parametrize("shop", ["sqlite"], indirect=True)


def post(event: Event, path: str = ENDPOINT, **changes: Any) -> Any:
    """The reply to a webhook, from a client that has no CSRF token."""
    headers = {name.title(): value for name, value in event.headers.items()}
    sender = Client(enforce_csrf_checks=True)
    return sender.post(path, **{"data": event.body, "content_type": "application/json", "headers": headers, **changes})


def command(name: str, *arguments: str, **options: Any) -> list[str]:
    out = StringIO()
    call_command(name, *arguments, stdout=out, **options)
    return out.getvalue().splitlines()


# The webhook view


def test_a_webhook_is_stored_with_its_raw_body_and_acknowledged(shop: djangos.Shop) -> None:
    refund_id = shop.add()
    event = shop.sandbox.event("stripe", refund_id)
    assert post(event).status_code == 200
    assert post(event).status_code == 200  # again
    assert connections["default"].connection is None  # the project's database may be away
    (refund,) = shop.ledger.find(refund_id)
    assert refund.status is RefundStatus.PENDING
    assert len(shop.ledger.history("stripe-eu", refund_id).observations) == 1


def test_deliveries_at_once_over_http_make_one_change(shop: djangos.Shop) -> None:
    refund_id = shop.add()
    with djangos.served() as address, ThreadPoolExecutor(4) as pool:
        url = f"{address}{ENDPOINT}"
        replies = list(pool.map(lambda _: shop.sandbox.deliver("stripe", refund_id, url, copies=4), range(4)))
    assert replies == [[200] * 4] * 4
    assert len(shop.ledger.history("stripe-eu", refund_id).observations) == 4  # each event once
    assert shop.ledger.find(refund_id)[0].changes == 1


def test_each_processors_webhooks_are_taken_as_they_come(monkeypatch: pytest.MonkeyPatch) -> None:
    names = [name for name in connector_names() if load_sandbox(name) and hasattr(load_connector(name), "map_event")]
    with Sandbox(names) as sandbox:
        for name in names:
            for variable, value in djangos.secrets(sandbox, name).items():
                monkeypatch.setenv(variable, value)
        accounts = {name: djangos.account(sandbox, name) for name in names}
        with djangos.shop("sqlite", accounts, sandbox) as shop, djangos.served() as address:
            replies = {name: deliver_one(sandbox, name, address) for name in names}
            with shop.ledger.database.reading() as connection:
                kept = connection.execute(select(accounts_table.c.name).join(events)).scalars().all()
    assert len(names) >= 30
    assert {name: status for name, status in replies.items() if not 200 <= status < 300} == {}
    assert sorted(kept) == names


def deliver_one(sandbox: Sandbox, name: str, address: str) -> int:
    refund_id = sandbox.add(name).connector_refund_id or ""
    (status,) = sandbox.deliver(name, refund_id, f"{address}/refundry/webhooks/{name}/")
    return status


def test_a_forged_webhook_is_refused_and_counted(shop: djangos.Shop) -> None:
    event = shop.sandbox.event("stripe", shop.add())
    assert post(event, data=event.body + b" ").status_code == 400
    assert shop.ledger.refused_signatures("stripe-eu") == 1


@sqlite_alone
def test_what_is_no_webhook_is_refused(shop: djangos.Shop) -> None:
    event = shop.sandbox.event("stripe", shop.add())
    assert post(event, "/refundry/webhooks/nobody/").status_code == 404
    assert post(event, data=b"x" * (views.BODY_LIMIT + 1)).status_code == 413
    assert Client().delete(ENDPOINT).status_code == 405
    with override_settings(DATA_UPLOAD_MAX_MEMORY_SIZE=10):
        assert post(event).status_code == 413


@sqlite_alone
def test_a_body_without_a_length_is_limited_too(shop: djangos.Shop) -> None:
    request = RequestFactory().post(ENDPOINT, b"x" * (views.BODY_LIMIT + 1), content_type="application/json")
    del request.META["CONTENT_LENGTH"]
    assert views.webhook(request, "stripe-eu").status_code == 413


@sqlite_alone
def test_a_processor_without_webhooks_has_no_endpoint(shop: djangos.Shop) -> None:
    klarna = {"connector": "klarna", "username": "K123", "password": {"env": "SHOP_STRIPE_API_KEY"}}
    with djangos.changed(ACCOUNTS={"klarna": klarna}):
        reply = post(shop.sandbox.event("stripe", shop.add()), "/refundry/webhooks/klarna/")
    assert reply.status_code == 404
    assert b"Klarna has no webhook" in reply.content


@sqlite_alone
def test_nothing_is_acknowledged_while_the_database_is_away(
    shop: djangos.Shop, caplog: pytest.LogCaptureFixture
) -> None:
    event = shop.sandbox.event("stripe", shop.add())
    with djangos.changed(LEDGER="away"):
        reply = post(event)
        conf.ledger().close()
    assert (reply.status_code, reply["Retry-After"]) == (503, "60")
    assert "OperationalError" in caplog.text
    assert event.body.decode() not in caplog.text


@sqlite_alone
def test_an_account_that_cannot_be_used_asks_for_the_webhook_again(
    shop: djangos.Shop, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delenv("SHOP_STRIPE_WEBHOOK_SECRET")
    assert post(shop.sandbox.event("stripe", shop.add())).status_code == 503
    assert "SHOP_STRIPE_WEBHOOK_SECRET is not set" in caplog.text


# Commands and signals


def test_a_refund_is_tracked_and_its_changes_are_told(shop: djangos.Shop) -> None:
    refund_id = shop.add("returned", after=timedelta(0))
    (added,) = command("refundry_add", "stripe-eu", connector_refund_id=refund_id, currency="EUR", amount="10.50")
    assert added.startswith(f"stripe-eu\t#1\t{refund_id}\tnot asked\t10.50 EUR")
    heard: list[tuple[RefundStatus | None, Said]] = []

    def receiver(previous: RefundStatus | None, current: Said, **rest: Any) -> None:
        heard.append((previous, current))

    def broken(**rest: Any) -> None:
        raise RuntimeError("a receiver's own trouble")

    refund_status_changed.connect(broken)
    refund_status_changed.connect(receiver)
    try:
        assert command("refundry_track") == ["1 refunds asked, 0 failed", "1 changes told, 0 failed"]
        assert command("refundry_track") == []
    finally:
        refund_status_changed.disconnect(broken)
        refund_status_changed.disconnect(receiver)
    assert [(previous, current.status) for previous, current in heard] == [(None, RefundStatus.FAILED)]
    shown = command("refundry_show", refund_id)
    assert "FAILED" in shown[0]
    assert "\tget\tFAILED\tfailed\t10.50 EUR" in shown[1]


def test_what_differs_from_the_books_needs_attention(shop: djangos.Shop) -> None:
    refund_id = shop.add()
    command("refundry_add", "stripe-eu", connector_refund_id=refund_id, currency="EUR", amount="10.51")
    assert command("refundry_attention") == []
    command("refundry_track", "stripe-eu")
    with pytest.raises(SystemExit, match="1"):
        command("refundry_attention")


@sqlite_alone
def test_a_refund_is_asked_for_now_and_the_answer_kept(shop: djangos.Shop) -> None:
    refund_id = shop.add()
    (line,) = command("refundry_get", "stripe-eu", connector_refund_id=refund_id)
    assert json.loads(line)["status"] == "PENDING"
    assert shop.ledger.find(refund_id)[0].status is RefundStatus.PENDING


@sqlite_alone
def test_a_webhook_that_could_not_be_read_is_replayed(shop: djangos.Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    event = shop.sandbox.event("stripe", shop.add())
    from refundry_stripe import Stripe

    with monkeypatch.context() as patched:
        patched.setattr(Stripe, "statuses", None)  # as a connector that is behind its processor
        assert post(event).status_code == 200
        with pytest.raises(CommandError, match="still cannot be mapped"):
            command("refundry_replay", "stripe-eu")
    assert command("refundry_replay", "stripe-eu") == ["1 webhooks mapped, 0 failed"]


@sqlite_alone
@pytest.mark.parametrize(
    ("name", "arguments", "options", "reason"),
    [
        ("refundry_add", ["nobody"], {"connector_refund_id": "re_1"}, "no account 'nobody': there is stripe-eu"),
        ("refundry_add", ["stripe-eu"], {}, "--connector-refund-id"),
        ("refundry_add", ["stripe-eu"], {"connector_refund_id": "re_1", "amount": "1"}, "currency"),
        ("refundry_add", ["stripe-eu"], {"connector_refund_id": "re\n1"}, "control character"),
        ("refundry_get", ["stripe-eu"], {"connector_refund_id": "re_none"}, "does not know"),
        ("refundry_get", ["nobody"], {"connector_refund_id": "re_1"}, "no account 'nobody'"),
        ("refundry_show", ["re_none"], {}, "does not know this refund"),
        ("refundry_track", ["nobody"], {}, "no account 'nobody'"),
        ("refundry_replay", ["nobody"], {}, "no account 'nobody'"),
    ],
)
def test_a_command_says_what_is_wrong(
    shop: djangos.Shop, name: str, arguments: list[str], options: dict[str, str], reason: str
) -> None:
    with pytest.raises(CommandError, match=reason):
        command(name, *arguments, **options)


@sqlite_alone
def test_an_account_that_cannot_be_asked_ends_the_command_with_an_error(
    shop: djangos.Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHOP_STRIPE_API_KEY", "sk_test_wrong")
    conf.clients()  # makes it with the wrong key
    command("refundry_add", "stripe-eu", connector_refund_id=shop.add())
    out = StringIO()
    with pytest.raises(CommandError, match="could not be asked"):
        call_command("refundry_track", stdout=out)
    assert "error: stripe-eu: " in out.getvalue()
    assert "sk_test_wrong" not in out.getvalue()


# The admin


def sign_in(*permissions: str, superuser: bool = False) -> Client:
    User.objects.all().delete()
    LogEntry.objects.all().delete()
    user = User.objects.create_user("clerk", is_staff=True, is_superuser=superuser)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    assert user.user_permissions.count() == len(permissions)
    browser = Client()
    browser.force_login(user)
    return browser


def text(browser: Client, path: str) -> str:
    reply = browser.get(path)
    assert reply.status_code == 200
    return reply.content.decode()


def test_the_admin_shows_refunds_with_their_history(shop: djangos.Shop) -> None:
    refund_id, other_id = shop.add("returned", after=timedelta(0)), shop.add()
    post(shop.sandbox.event("stripe", other_id))
    command("refundry_add", "stripe-eu", connector_refund_id=refund_id)
    command("refundry_track")
    browser = sign_in(superuser=True)
    listed = text(browser, "/admin/refundry/refund/")
    assert refund_id in listed
    assert "10.50 EUR" in listed
    found = text(browser, f"/admin/refundry/refund/?q={refund_id}")
    assert refund_id in found
    assert other_id not in found
    assert "0 refunds" in text(browser, "/admin/refundry/refund/?q=re_")  # identifiers are found whole
    number = models.Refund.objects.get(connector_refund_id=refund_id).pk
    page = text(browser, f"/admin/refundry/refund/{number}/change/")
    assert "What was said about it" in page
    assert page.count("FAILED") >= 2
    assert page.count("10.50 EUR") == 2
    assert shop.ledger.find(number)[0].error is not None
    assert "declined" in page
    assert "None" not in page
    assert 'name="_save"' not in page
    assert "stripe-eu" in text(browser, "/admin/refundry/account/")
    assert refund_id in text(browser, "/admin/refundry/observation/?refund__isempty=0")
    said = models.Observation.objects.filter(refund=number).latest("id")
    assert refund_id in text(browser, f"/admin/refundry/observation/{said.pk}/change/")
    assert said.money == models.Refund.objects.get(pk=number).money


def test_an_operator_asks_again_and_acknowledges(shop: djangos.Shop) -> None:
    refund_id = shop.add()
    command("refundry_add", "stripe-eu", connector_refund_id=refund_id, currency="EUR", amount="10.51")
    command("refundry_track")
    number = models.Refund.objects.get(connector_refund_id=refund_id).pk
    assert models.Refund.objects.get(pk=number).attention == "amount differs"
    browser = sign_in("view_refund", "operate_refund")
    chosen = {"_selected_action": [number]}
    for action in ("ask_again", "acknowledge"):
        assert browser.post("/admin/refundry/refund/", {"action": action, **chosen}).status_code == 302
    assert models.Refund.objects.get(pk=number).attention is None
    assert [one.id for one in shop.ledger.due()] == [number]
    assert [one.get_change_message() for one in LogEntry.objects.order_by("id")] == ["asked again", "acknowledged"]


def test_nobody_else_may(shop: djangos.Shop) -> None:
    command("refundry_add", "stripe-eu", connector_refund_id=shop.add(), currency="EUR", amount="10.51")
    command("refundry_track")
    refund = models.Refund.objects.get()
    browser = sign_in("view_refund")
    assert "Acknowledge" not in text(browser, "/admin/refundry/refund/")
    browser.post("/admin/refundry/refund/", {"action": "acknowledge", "_selected_action": [refund.pk]})
    assert models.Refund.objects.get().attention == "amount differs"
    assert browser.post(f"/admin/refundry/refund/{refund.pk}/delete/", {"post": "yes"}).status_code == 403
    assert sign_in(superuser=True).get("/admin/refundry/refund/add/").status_code == 403
    assert sign_in().get("/admin/refundry/refund/").status_code == 403


def test_a_project_reads_rows_and_never_writes_them(shop: djangos.Shop) -> None:
    command("refundry_add", "stripe-eu", connector_refund_id=shop.add())
    refund = models.Refund.objects.select_related("account").get(account__name="stripe-eu")
    assert refund.added_at.utcoffset() == timedelta(0)
    assert refund.flags == []
    for write in (refund.save, refund.delete, refund.account.save, models.Observation().delete):
        with pytest.raises(TypeError, match="ledger's rows"):
            write()


# Settings and their checks


def test_models_are_the_ledgers_tables() -> None:
    for model in (models.Account, models.Refund, models.Observation):
        columns = {field.column for field in model._meta.local_fields}
        assert columns <= set(metadata.tables[model._meta.db_table].columns.keys())


@sqlite_alone
def test_a_project_that_is_set_up_well_passes(shop: djangos.Shop) -> None:
    call_command("check", databases=[shop.alias])
    assert [*check_settings(), *check_accounts(), *check_tables([shop.alias])] == []
    with warnings.catch_warnings(action="ignore", category=RuntimeWarning):  # one of its databases is away
        call_command("makemigrations", check=True, verbosity=0)


@sqlite_alone
@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"LEDGER": None}, 'E001.*dictionary with "LEDGER"'),
        ({"LEGDER": "x"}, "E001.*knows no LEGDER: it takes ACCOUNTS, CONFIG, LEDGER, OBSERVERS"),
        ({"ACCOUNTS": ["stripe"]}, "E001.*ACCOUNTS.*dictionary"),
        ({"CONFIG": "refundry.toml"}, "E001.*ACCOUNTS or CONFIG, not both"),
        ({"OBSERVERS": "refundry_otel.Telemetry"}, "E001.*OBSERVERS.*list"),
        ({"LEDGER": "books"}, "E002.*'books', which is no entry"),
        ({"LEDGER": "default"}, "E003.*entry of its own"),
    ],
)
def test_a_wrong_setting_is_named(shop: djangos.Shop, values: dict[str, Any], said: str) -> None:
    with djangos.changed(**values), pytest.raises(SystemCheckError, match=f"(?s){_swapped(said)}"):
        call_command("check")


def _swapped(said: str) -> str:
    """The id stands after the message is begun."""
    number, _, rest = said.partition(".*")
    return f"refundry.{number}.*{rest}"


@sqlite_alone
def test_what_stands_around_the_setting_is_checked(shop: djangos.Shop) -> None:
    with override_settings(DATABASE_ROUTERS=[]):
        assert [one.id for one in check_settings()] == ["refundry.E004"]
    with override_settings(USE_TZ=False):
        assert [one.id for one in check_settings()] == ["refundry.E005"]
    with djangos.changed(LEDGER="away"):
        assert [one.id for one in check_tables(["away"])] == ["refundry.E006"]
        assert check_tables(["default"]) == []


@sqlite_alone
def test_accounts_are_checked_with_warnings(shop: djangos.Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    accounts = {
        "typo": {"connector": "stirpe"},
        "plain": {"connector": "stripe", "api_key": "sk_test_CANARY"},
        "empty": {"connector": "stripe", "api_key": {"env": "SHOP_NOWHERE"}},
    }
    with djangos.changed(ACCOUNTS=accounts):
        typo, plain, empty = (one.msg for one in check_accounts())
    assert "'typo' cannot be used: no connector named 'stirpe'" in typo
    assert "is a secret: write { env" in plain
    assert "CANARY" not in plain
    assert "SHOP_NOWHERE is not set" in empty
    with djangos.changed(ACCOUNTS={}):
        assert [one.id for one in check_accounts()] == ["refundry.W002"]


@sqlite_alone
def test_observers_are_made_of_their_paths(shop: djangos.Shop) -> None:
    with djangos.changed(OBSERVERS=["refundry_otel.Telemetry"]):
        assert [type(one).__name__ for one in conf.observers()] == ["Telemetry"]
    with djangos.changed(OBSERVERS=["refundry_otel.Telemetri"]):
        assert "Telemetri cannot be made" in next(iter(check_accounts())).msg


@sqlite_alone
def test_no_secret_reaches_a_log_or_a_page(shop: djangos.Shop, caplog: pytest.LogCaptureFixture) -> None:
    secrets = list(djangos.secrets(shop.sandbox).values())
    with caplog.at_level(logging.DEBUG):
        post(shop.sandbox.event("stripe", shop.add()))
        command("refundry_track")
        browser = sign_in(superuser=True)
        pages = [text(browser, f"/admin/refundry/{name}/") for name in ("account", "refund", "observation")]
        with override_settings(DEBUG=True), djangos.changed(LEDGER="away"):
            lenient = sign_in(superuser=True)
            lenient.raise_request_exception = False
            pages.append(lenient.get("/admin/refundry/refund/").content.decode())  # shows settings and variables
    assert "REFUNDRY" in pages[-1]
    for secret in secrets:
        assert secret not in caplog.text + "".join(pages)
