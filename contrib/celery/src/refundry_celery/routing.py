"""Which queue an account's tasks go to, so that a slow or broken processor keeps no worker of the others."""

from __future__ import annotations

from fnmatch import fnmatchcase

from refundry_celery.settings import Settings

SLOW = "slow"


def queue_of(settings: Settings, account: str, *, slow: bool = False) -> str:
    """The queue of an account: the first one with a pattern that fits; else the one for slow accounts, or for all."""
    for queue, patterns in settings.queues.items():
        if any(fnmatchcase(account, pattern) for pattern in patterns):
            return f"{settings.prefix}.{queue}"
    return f"{settings.prefix}.{SLOW}" if slow else settings.prefix


def queue_names(settings: Settings) -> tuple[str, ...]:
    """Every queue that there is; together they hold every task."""
    own = dict.fromkeys([*settings.queues, SLOW])
    return (settings.prefix, *(f"{settings.prefix}.{name}" for name in own))


def task_name(name: str) -> str:
    """How a task is called in a message."""
    return f"refundry.{name}"
