"""Finding plugins by entry point and calling their hooks. No other module touches pluggy's managers."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from datetime import timedelta
from functools import lru_cache
from importlib.metadata import EntryPoint, entry_points
from types import ModuleType
from typing import Any

import attrs
import pluggy

from refundry.connector import Connector
from refundry.errors import ConfigurationError, MappingError, RefundryError, UnknownConnector
from refundry.hookspecs import ConnectorSpecs, ObserverSpecs, SandboxSpecs
from refundry.http import Event, Moment, Request, Response, Token
from refundry.model import Refund, RefundEvent, RefundPage, RefundQuery, RefundStatus, Window
from refundry.sandbox import Book, Call, ConnectorSandbox
from refundry.state import Observation

CONNECTORS = "refundry.connectors"
SANDBOXES = "refundry.sandboxes"
_DECLARED = ("name", "title", "documentation", "base_urls", "statuses")
logger = logging.getLogger("refundry.plugins")


@attrs.frozen
class ConnectorHooks:
    """A connector's hooks, typed, on a manager that holds this connector alone."""

    connector: Connector
    _hook: Any = attrs.field(repr=False)
    implemented: frozenset[str]

    def can(self, *hooks: str) -> bool:
        """Whether the connector implements all of these hooks."""
        return self.implemented.issuperset(hooks)

    def fetch_refund(self, query: RefundQuery) -> Request:
        return self._hook.fetch_refund(query=query)  # type: ignore[no-any-return]

    def map_refund(self, query: RefundQuery, response: Response, previous: Sequence[Response]) -> Refund | Request:
        return self._hook.map_refund(query=query, response=response, previous=previous)  # type: ignore[no-any-return]

    def fetch_refunds(self, window: Window, cursor: str | None) -> Request:
        return self._hook.fetch_refunds(window=window, cursor=cursor)  # type: ignore[no-any-return]

    def map_refunds(self, window: Window, cursor: str | None, response: Response) -> RefundPage:
        return self._hook.map_refunds(window=window, cursor=cursor, response=response)  # type: ignore[no-any-return]

    def fetch_token(self) -> Request | None:
        return self._hook.fetch_token()  # type: ignore[no-any-return]

    def map_token(self, response: Response) -> Token:
        return self._hook.map_token(response=response)  # type: ignore[no-any-return]

    def map_error(self, response: Response) -> RefundryError | None:
        return self._hook.map_error(response=response)  # type: ignore[no-any-return]

    def verify_event(self, event: Event, response: Response | None) -> bool | Request:
        return self._hook.verify_event(event=event, response=response)  # type: ignore[no-any-return]

    def map_event(self, event: Event) -> Sequence[RefundEvent | MappingError]:
        return self._hook.map_event(event=event)  # type: ignore[no-any-return]

    def acknowledge_event(self, event: Event, accepted: bool) -> Response | None:
        return self._hook.acknowledge_event(event=event, accepted=accepted)  # type: ignore[no-any-return]


@attrs.frozen
class SandboxHooks:
    """A sandbox's hooks, typed, on a manager that holds this sandbox alone."""

    sandbox: ConnectorSandbox[Any]
    _hook: Any = attrs.field(repr=False)
    implemented: frozenset[str]

    def can(self, *hooks: str) -> bool:
        """Whether the sandbox implements all of these hooks."""
        return self.implemented.issuperset(hooks)

    def check_call(self, call: Call, book: Book) -> None:
        self._hook.check_call(call=call, book=book)

    def answer_call(self, call: Call, book: Book) -> Response:
        return self._hook.answer_call(call=call, book=book)  # type: ignore[no-any-return]

    def render_refund(self, refund: Refund) -> Response:
        return self._hook.render_refund(refund=refund)  # type: ignore[no-any-return]

    def render_error(self, error: RefundryError) -> Response:
        return self._hook.render_error(error=error)  # type: ignore[no-any-return]

    def render_event(self, refund: Refund, moment: Moment) -> Event:
        return self._hook.render_event(refund=refund, moment=moment)  # type: ignore[no-any-return]


class Observers:
    """The observers of one client. One that raises is logged and harms nobody."""

    def __init__(self, plugins: Iterable[object] = ()) -> None:
        self._hooks = [_single_manager(plugin, ObserverSpecs) for plugin in plugins]

    def __bool__(self) -> bool:
        return bool(self._hooks)

    def refund_observed(self, observation: Observation) -> None:
        self._tell("refund_observed", observation=observation)

    def refund_status_changed(self, previous: RefundStatus | None, current: Observation) -> None:
        self._tell("refund_status_changed", previous=previous, current=current)

    def request_sent(self, account: str, operation: str, request: Request) -> None:
        self._tell("request_sent", account=account, operation=operation, request=request)

    def response_received(self, account: str, operation: str, response: Response, elapsed: timedelta) -> None:
        self._tell("response_received", account=account, operation=operation, response=response, elapsed=elapsed)

    def _tell(self, hook: str, **facts: Any) -> None:
        for manager in self._hooks:
            try:
                getattr(manager.hook, hook)(**facts)
            except Exception as error:  # noqa: BLE001  a stranger's code; its traceback could show what it was told
                logger.error("an observer raised %s in %s", type(error).__name__, hook)


def connector_hooks(connector: Connector) -> ConnectorHooks:
    """The hooks of this connector. Raises `ConfigurationError` for a hook that is misspelt."""
    manager = _single_manager(connector, ConnectorSpecs)
    return ConnectorHooks(connector, manager.hook, _implemented(manager, connector))


def sandbox_hooks(sandbox: ConnectorSandbox[Any]) -> SandboxHooks:
    """The hooks of this sandbox. Raises `ConfigurationError` for a hook that is misspelt."""
    manager = _single_manager(sandbox, SandboxSpecs)
    return SandboxHooks(sandbox, manager.hook, _implemented(manager, sandbox))


class _PluginManager(pluggy.PluginManager):
    """Looks at what is marked alone: pluggy's own look at every field of a connector takes some milliseconds."""

    def parse_hookimpl_opts(self, plugin: object, name: str) -> pluggy.HookimplOpts | None:
        is_marked = isinstance(plugin, ModuleType) or hasattr(getattr(type(plugin), name, None), "refundry_impl")
        return super().parse_hookimpl_opts(plugin, name) if is_marked else None


def _single_manager(plugin: object, specs: type) -> pluggy.PluginManager:
    manager = _PluginManager("refundry")
    manager.add_hookspecs(specs)
    try:
        manager.register(plugin)
        manager.check_pending()
    except pluggy.PluginValidationError as error:
        name = type(plugin).__name__
        reason = str(error).splitlines()[-1] if "Argument" in str(error) else str(error).split(" in plugin")[0]
        raise ConfigurationError(f"{name} does not keep the contract {specs.__name__}: {reason}") from None
    return manager


def _implemented(manager: pluggy.PluginManager, plugin: object) -> frozenset[str]:
    return frozenset(caller.name for caller in manager.get_hookcallers(plugin) or ())


@lru_cache(maxsize=4)
def _entry_points(group: str) -> dict[str, tuple[EntryPoint, ...]]:
    found: dict[str, tuple[EntryPoint, ...]] = {}
    for point in entry_points(group=group):
        found[point.name] = (*found.get(point.name, ()), point)
    return found


def forget_entry_points() -> None:
    """Look for installed plugins anew, after one was installed into a running process."""
    _entry_points.cache_clear()


def connector_names() -> tuple[str, ...]:
    """The names of the installed connectors, sorted. Imports none of them."""
    return tuple(sorted(_entry_points(CONNECTORS)))


def load_connector(name: str) -> type[Connector]:
    """The class of an installed connector. Imports that plugin and no other.

    Raises `UnknownConnector` when it is not installed, `ConfigurationError` when two distributions claim the name, when
    the plugin fails to import, or when it is no connector.
    """
    found = _load(CONNECTORS, name)
    if not (isinstance(found, type) and issubclass(found, Connector)):
        raise ConfigurationError(f"the plugin {name!r} is not a connector: its entry point must name a Connector class")
    for declared in _DECLARED:
        if not hasattr(found, declared):
            raise ConfigurationError(f"the plugin {name!r} declares no {declared}: update it, or tell its author")
    return found


def load_sandbox(name: str) -> type[ConnectorSandbox[Any]] | None:
    """The sandbox of an installed connector, or None where its plugin has none. Raises `ConfigurationError`."""
    if name not in _entry_points(SANDBOXES):
        return None
    found = _load(SANDBOXES, name)
    if not (isinstance(found, type) and issubclass(found, ConnectorSandbox)):
        raise ConfigurationError(f"the sandbox of {name!r} must be a ConnectorSandbox class")
    return found


def _load(group: str, name: str) -> object:
    points = _entry_points(group).get(name, ())
    if not points:
        installed = ", ".join(connector_names()) or "none"
        raise UnknownConnector(
            f"no connector named {name!r} is installed (installed: {installed}); try: pip install refundry-{name}"
        )
    point, *others = points
    if others:
        owners = " and ".join(sorted(one.dist.name if one.dist else "?" for one in points))
        raise ConfigurationError(f"two plugins claim the name {name!r}: {owners}; uninstall one of them")
    try:
        return point.load()
    except Exception as error:
        raise ConfigurationError(
            f"the plugin {name!r} cannot be imported: {type(error).__name__}: {error}; reinstall or update it"
        ) from error
