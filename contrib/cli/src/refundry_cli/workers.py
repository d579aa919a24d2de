"""The commands ``refundry celery``: Celery's own, with the application of ``refundry.toml``."""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from celery import Celery

celery = typer.Typer(help="Follow the refunds of the ledger with many workers, over Celery.", no_args_is_help=True)

Config = Annotated[Path | None, typer.Option(help="refundry.toml, if it is elsewhere.", metavar="PATH")]
LogLevel = Annotated[str, typer.Option(metavar="LEVEL", help="DEBUG, INFO, WARNING or ERROR.")]


@celery.command()
def worker(
    queue: Annotated[list[str] | None, typer.Option(metavar="NAME", help="Serve this one alone; repeatable.")] = None,
    concurrency: Annotated[int, typer.Option(min=1, metavar="N", help="Processes, each with one account.")] = 4,
    log_level: LogLevel = "INFO",
    config: Config = None,
) -> None:
    """Ask for what is due, until Ctrl-C or SIGTERM; what is in hand is finished first.

    Without --queue it serves all queues of the table [celery]: one worker for each keeps slow accounts from the others.
    """
    from refundry.errors import ConfigurationError

    app = _app(config)
    known = [one.name for one in app.conf.task_queues]
    prefix = app.conf.task_default_queue
    chosen = [name if name in known else f"{prefix}.{name}" for name in queue or known]
    strange = sorted(set(chosen) - set(known))
    if strange:
        raise ConfigurationError(f"there is no queue {strange[0]}: [celery] makes {', '.join(known)}")
    arguments = ["worker", f"--queues={','.join(chosen)}", f"--concurrency={concurrency}", f"--loglevel={log_level}"]
    # Several on one machine need names of their own, and none needs to know of the others.
    app.worker_main([*arguments, f"--hostname={prefix}-{os.getpid()}@%h", "--without-gossip", "--without-mingle"])


@celery.command()
def beat(log_level: LogLevel = "INFO", config: Config = None) -> None:
    """Look for what is due and hand it to the workers, until Ctrl-C or SIGTERM. A second one does no harm."""
    _app(config).start(["beat", "--scheduler=celery.beat:Scheduler", f"--loglevel={log_level}"])


def _app(config: Path | None) -> Celery:
    from refundry.errors import ConfigurationError

    if find_spec("refundry_celery") is None:
        raise ConfigurationError("the workers are not installed; try: pip install refundry-cli[celery]")
    from refundry_celery import make_app, read_settings

    return make_app(read_settings(config))
