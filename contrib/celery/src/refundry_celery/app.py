"""The Celery application: its queues, its promises and its clock."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from celery import Celery, Task
from celery.exceptions import Reject
from kombu import Exchange, Queue
from sqlalchemy.exc import InterfaceError, OperationalError

from refundry.errors import RetryableError
from refundry_celery.routing import queue_names, task_name
from refundry_celery.settings import REDIS, Settings
from refundry_celery.work import Work
from refundry_ledger.outbox import configured

if TYPE_CHECKING:
    AnyTask = Task[Any, Any]
else:
    AnyTask = Task

MOST_RETRIES = 5
LONGEST_BACKOFF = 60
"""Seconds."""
_PASSING = (InterfaceError, OperationalError, RetryableError)
"""Errors of the ledger, of the limits and of a processor that pass by themselves."""


class Kept(AnyTask):
    """A task whose message was acknowledged to somebody: it goes back to its queue where Celery would drop it."""

    acks_on_failure_or_timeout = False

    def retry(self, *arguments: Any, **named: Any) -> Any:
        """As Celery's. Where the broker does not take the message for the next try, this one is not given up."""
        try:
            return super().retry(*arguments, **named)
        except Reject as error:
            raise Reject(error.args[0], requeue=True) from error


def make_app(settings: Settings) -> Celery:
    """The application of workers and of beat; whoever only sends tasks makes the same."""
    # Without fixups: a worker needs nothing of a Django project, whatever the environment names.
    app = Celery("refundry", set_as_current=False, fixups=[])
    app.conf.update(**_promises(), **_queues(settings), **_broker(settings))
    app.conf.beat_schedule = _schedule(settings)
    _add_tasks(app, settings)
    return app


def _promises() -> dict[str, Any]:
    return {
        "task_acks_late": True,
        "task_reject_on_worker_lost": True,
        "task_ignore_result": True,
        "worker_prefetch_multiplier": 1,
        "task_serializer": "json",
        "accept_content": ["json"],
        "enable_utc": True,
        "worker_cancel_long_running_tasks_on_connection_loss": False,
    }


def _queues(settings: Settings) -> dict[str, Any]:
    exchange = Exchange(settings.prefix, type="direct", durable=True)
    return {
        "task_queues": [Queue(name, exchange, routing_key=name, durable=True) for name in queue_names(settings)],
        "task_default_queue": settings.prefix,
        "task_default_exchange": settings.prefix,
        "task_default_routing_key": settings.prefix,
        "task_create_missing_queues": False,
    }


def _broker(settings: Settings) -> dict[str, Any]:
    redis = {"visibility_timeout": settings.visibility, "global_keyprefix": f"{settings.prefix}.", "socket_timeout": 30}
    is_redis = urlsplit(settings.broker).scheme in REDIS
    return {
        "broker_url": settings.broker,
        "broker_transport_options": redis if is_redis else {"confirm_publish": True},
        "broker_connection_retry_on_startup": True,
        "broker_connection_max_retries": None,
    }


def _schedule(settings: Settings) -> dict[str, Any]:
    telling = settings.every if configured(settings.path) else None
    every = {"dispatch": settings.every, "tell_changes": telling, "dispatch_lists": settings.list_every}
    return {
        # Of a worker that is late nobody wants to hear the same question twice.
        name: {"task": task_name(name), "schedule": seconds, "options": {"expires": seconds}}
        for name, seconds in every.items()
        if seconds is not None
    }


def _add_tasks(app: Celery, settings: Settings) -> None:
    def send(name: str, given: Mapping[str, Any], queue: str, expires: datetime | None = None) -> None:
        app.send_task(task_name(name), kwargs=dict(given), queue=queue, expires=expires)

    def add(
        work: Callable[..., None],
        *,
        limit: float = settings.turn_limit,
        again_after: tuple[type[Exception], ...] = _PASSING,
        tries: int | None = MOST_RETRIES,
        base: type[AnyTask] = AnyTask,
    ) -> None:
        app.task(
            base=base,
            name=task_name(work.__name__),
            typing=False,  # it would count a method's self
            time_limit=int(limit),
            autoretry_for=again_after,
            max_retries=tries,
            retry_backoff=1,
            retry_backoff_max=LONGEST_BACKOFF,
        )(work)

    work = Work(settings, send)
    for task in (work.dispatch, work.dispatch_lists, work.check_account, work.check_refund):
        add(task)
    for longer in (work.tell_changes, work.list_account, work.reconcile_account):
        add(longer, limit=settings.list_limit)
    # What it is given was acknowledged: whatever is wrong, it is tried until it is stored.
    add(work.receive_event, again_after=(Exception,), tries=None, base=Kept)
