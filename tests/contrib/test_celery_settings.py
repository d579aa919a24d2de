"""The table [celery], what the application promises, and the commands."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import attrs
import pytest
from celery.exceptions import Reject
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from refundry.errors import ConfigurationError
from refundry_celery import Settings, make_app, read_settings
from refundry_celery.routing import queue_names, queue_of
from refundry_celery.settings import PLAIN
from refundry_cli.app import app as command
from refundry_cli.exits import code_of_error

SETTINGS = Settings(broker="redis://127.0.0.1:6379/0", limits="redis://127.0.0.1:6379/0", ledger="postgresql:///x")
WHOLE = """
ledger = "postgresql://127.0.0.1/refunds"
[celery]
broker = { env = "THE_BROKER" }
limits = { env = "THE_LIMITS" }
every = 2
concurrency = 8
[celery.queues]
large = ["stripe-*"]
[accounts.stripe-eu]
connector = "stripe"
timeout = 100
"""


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("THE_BROKER", "amqp://me:secret@127.0.0.1//")
    monkeypatch.setenv("THE_LIMITS", "redis://:secret@127.0.0.1/1")
    path = tmp_path / "refundry.toml"
    path.write_text(WHOLE)
    return path


def test_the_table_is_read(file: Path) -> None:
    settings = read_settings(file)
    assert (settings.every, settings.concurrency, settings.queues) == (2, 8, {"large": ("stripe-*",)})
    assert settings.ledger == "postgresql://127.0.0.1/refunds"
    assert "secret" not in repr(settings)


def test_the_environment_may_name_the_ledger(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REFUNDRY_LEDGER", "postgresql://127.0.0.1/others")
    assert read_settings(file).ledger == "postgresql://127.0.0.1/others"


def test_a_redis_that_is_the_broker_keeps_the_limits_too(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("THE_BROKER", "rediss://127.0.0.1/2")
    file.write_text(WHOLE.replace('limits = { env = "THE_LIMITS" }\n', ""))
    assert read_settings(file).limits == "rediss://127.0.0.1/2"


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('broker = { env = "THE_BROKER" }', 'broker = "redis://127.0.0.1"', "broker of [celery] is a secret"),
        ('{ env = "THE_BROKER" }', '{ env = "NO_SUCH" }', "variable NO_SUCH is not set"),
        ('limits = { env = "THE_LIMITS" }', "", "name a Redis"),
        ('limits = { env = "THE_LIMITS" }', 'limits = { env = "THE_BROKER" }', "limits of [celery] must be an address"),
        ("every = 2", "every = 0", "every in [celery] must be a number of more than 0"),
        ("every = 2", 'lease = "long"', "lease in [celery] must be a number"),
        ("concurrency = 8", "concurrency = 1.5", "concurrency in [celery] must be a whole number"),
        ("every = 2", 'prefix = "a b"', "prefix in [celery] must be a name"),
        ("every = 2", "evry = 2", "no setting 'evry'"),
        ('large = ["stripe-*"]', 'large = "stripe-*"', "[celery.queues] takes"),
        ('ledger = "postgresql://127.0.0.1/refunds"', "", "lacks ledger"),
    ],
)
def test_what_is_wrong_is_named(file: Path, old: str, new: str, told: str) -> None:
    file.write_text(WHOLE.replace(old, new, 1))
    with pytest.raises(ConfigurationError) as caught:
        read_settings(file)
    assert told in str(caught.value)
    assert "secret@" not in str(caught.value)


def test_without_the_table_it_says_how_to_begin(file: Path) -> None:
    file.write_text('ledger = "refunds.db"')
    with pytest.raises(ConfigurationError, match="no table"):
        read_settings(file)


def test_a_lease_and_the_limits_outlast_the_slowest_account(file: Path) -> None:
    settings = read_settings(file)
    assert settings.whole_lease == 500
    assert settings.turn + 100 < settings.turn_limit < settings.list_limit < settings.visibility


def test_what_the_application_promises(file: Path) -> None:
    app = make_app(read_settings(file))
    conf = app.conf
    assert conf.task_acks_late
    assert conf.task_reject_on_worker_lost
    assert conf.task_ignore_result
    assert conf.worker_prefetch_multiplier == 1
    assert conf.accept_content == ["json"]
    assert conf.broker_transport_options == {"confirm_publish": True}
    ours = {name: task for name, task in app.tasks.items() if name.startswith("refundry.")}
    assert sorted(ours) == [
        *("refundry.check_account", "refundry.check_refund", "refundry.dispatch", "refundry.dispatch_lists"),
        *("refundry.list_account", "refundry.receive_event", "refundry.reconcile_account", "refundry.tell_changes"),
    ]
    assert all(task.time_limit for task in ours.values())
    assert {name for name, task in ours.items() if task.max_retries is None} == {"refundry.receive_event"}


def test_a_webhook_is_not_dropped_where_the_broker_does_not_take_its_next_try() -> None:
    app = make_app(attrs.evolve(SETTINGS, broker="amqp://guest:guest@127.0.0.1:9//"))
    task = app.tasks["refundry.receive_event"]
    task.push_request(args=(), kwargs={"account": "one", "event": {}}, called_directly=False, id="1", retries=0)
    try:
        with pytest.raises(Reject) as caught:
            task.retry(exc=OSError("the database is away"), countdown=0)
    finally:
        task.pop_request()
    assert caught.value.requeue


def test_the_workers_need_no_django_project_that_the_environment_names() -> None:
    # In a process of its own, for Celery reads the variable as it is imported.
    code = "from test_celery_settings import SETTINGS, make_app; make_app(SETTINGS).loader.import_default_modules()"
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "nowhere.settings",
        "PYTHONPATH": str(Path(__file__).parent),
    }
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=False)  # noqa: S603
    assert ran.returncode == 0, ran.stderr


def test_redis_waits_longer_for_a_message_than_any_task_lasts() -> None:
    app = make_app(SETTINGS)
    longest = max(task.time_limit for name, task in app.tasks.items() if name.startswith("refundry."))
    assert app.conf.broker_transport_options["visibility_timeout"] >= 2 * longest


def test_beat_looks_for_lists_and_changes_only_where_it_should(file: Path) -> None:
    assert set(make_app(read_settings(file)).conf.beat_schedule) == {"dispatch"}
    file.write_text(
        WHOLE.replace("every = 2", "list_every = 3600") + '[outbox]\nurl="https://x.example"\nsecret={env="THE_LIMITS"}'
    )
    assert set(make_app(read_settings(file)).conf.beat_schedule) == {"dispatch", "dispatch_lists", "tell_changes"}


def test_each_queue_gets_its_own_messages_alone() -> None:
    queues = make_app(attrs.evolve(SETTINGS, queues={"large": ("a*",)})).conf.task_queues
    assert [(queue.name, queue.routing_key, queue.durable) for queue in queues] == [
        (name, name, True) for name in ("refundry", "refundry.large", "refundry.slow")
    ]


@given(
    st.dictionaries(st.from_regex("[a-z]{1,5}", fullmatch=True), st.lists(st.text(max_size=4))),
    st.text(),
    st.booleans(),
)
def test_every_account_goes_to_a_queue_that_there_is(queues: dict[str, Any], account: str, slow: bool) -> None:
    settings = attrs.evolve(SETTINGS, queues={name: tuple(patterns) for name, patterns in queues.items()})
    assert queue_of(settings, account, slow=slow) in queue_names(settings)


def test_an_account_with_a_queue_of_its_own_stays_there_when_it_is_slow() -> None:
    settings = attrs.evolve(SETTINGS, queues={"large": ("big-*",), "rest": ("*-eu",)})
    assert queue_of(settings, "big-eu", slow=True) == "refundry.large"
    assert queue_of(settings, "small-eu") == "refundry.rest"
    assert (queue_of(settings, "us"), queue_of(settings, "us", slow=True)) == ("refundry", "refundry.slow")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [(["worker", "--queue", "none"], "there is no queue refundry.none"), (["beat"], "THE_BROKER is not set")],
)
def test_a_command_says_what_is_wrong(
    file: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], told: str
) -> None:
    if arguments == ["beat"]:
        monkeypatch.delenv("THE_BROKER")
    result = CliRunner().invoke(command, ["celery", *arguments, "--config", str(file)])
    assert isinstance(result.exception, ConfigurationError)
    assert told in str(result.exception)
    assert code_of_error(result.exception) == 2


def test_every_setting_and_task_is_in_the_readme() -> None:
    readme = (Path(__file__).parents[2] / "contrib" / "celery" / "README.md").read_text()
    for name in ("broker", "limits", *PLAIN):
        assert f"\n{name} = " in readme
    for name in make_app(SETTINGS).tasks:
        assert not name.startswith("refundry.") or f"| `{name}" in readme
