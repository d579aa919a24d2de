"""Finding plugins by entry point and calling their hooks. No other module touches pluggy's managers."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import timedelta
from functools import lru_cache, wraps
from importlib.metadata import EntryPoint, entry_points
from types import ModuleType
from typing import Any, TypeAlias
from weakref import WeakKeyDictionary

import pluggy

from refundry.connector import Connector
from refundry.errors import ConfigurationError, UnknownConnector
from refundry.hookspecs import Attempt, ConnectorSpecs, ObserverSpecs, SandboxSpecs
from refundry.http import Request, Response
from refundry.model import RefundStatus
from refundry.observation import Observation
from refundry.sandbox import ConnectorSandbox

CONNECTORS = "refundry.connectors"
SANDBOXES = "refundry.sandboxes"
_NOTHING = nullcontext()
_DECLARED = ("name", "title", "documentation", "base_urls", "statuses")
_Places: TypeAlias = tuple[int, ...] | None
"""Of the arguments that a hook takes, among those that it is offered; None where it takes all in their order."""
_Found: TypeAlias = dict[str, tuple[str, _Places]]
"""By hook: what its function is called in the plugin, nearly always the same."""
# By a plugin's class, then by what it implements hooks of.
_known_hooks: WeakKeyDictionary[type, dict[type, _Found]] = WeakKeyDictionary()
logger = logging.getLogger("refundry.plugins")


class _Hooks:
    """The hooks of one plugin, called past pluggy: those of one alone need no order and no loop."""

    def __init__(self, plugin: object, specs: type) -> None:
        found = _find_hooks(plugin, specs)
        self.implemented = frozenset(found)
        for hook, (name, places) in found.items():
            setattr(self, hook, _plain_call(getattr(plugin, name), places))

    def can(self, *hooks: str) -> bool:
        """Whether the plugin implements all of these hooks; any other answers None."""
        return self.implemented.issuperset(hooks)


class ConnectorHooks(_Hooks, ConnectorSpecs):
    """A connector's hooks, each with all the arguments of its specification. Raises `ConfigurationError`."""

    def __init__(self, connector: Connector) -> None:
        super().__init__(connector, ConnectorSpecs)
        self.connector = connector


class SandboxHooks(_Hooks, SandboxSpecs):
    """A sandbox's hooks, each with all the arguments of its specification. Raises `ConfigurationError`."""

    def __init__(self, sandbox: ConnectorSandbox[Any]) -> None:
        super().__init__(sandbox, SandboxSpecs)
        self.sandbox = sandbox


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

    def attempt_ended(self, attempt: Attempt) -> None:
        self._tell("attempt_ended", attempt=attempt)

    def operation(self, account: str, operation: str) -> AbstractContextManager[None]:
        """Tell that an operation starts and how it ends."""
        return self._operation(account, operation) if self._hooks else _NOTHING

    @contextmanager
    def _operation(self, account: str, operation: str) -> Iterator[None]:
        error: BaseException | None = None
        self._tell("operation_started", account=account, operation=operation)
        try:
            yield
        except BaseException as raised:
            error = raised
            raise
        finally:
            self._tell("operation_ended", account=account, operation=operation, error=error)

    def _tell(self, hook: str, **facts: Any) -> None:
        for manager in self._hooks:
            try:
                getattr(manager.hook, hook)(**facts)
            except Exception as error:  # noqa: BLE001  a stranger's code; its traceback could show what it was told
                logger.error("an observer raised %s in %s", type(error).__name__, hook)


def connector_hooks(connector: Connector) -> ConnectorHooks:
    """The hooks of this connector. Raises `ConfigurationError` for a hook that is misspelt."""
    return ConnectorHooks(connector)


def sandbox_hooks(sandbox: ConnectorSandbox[Any]) -> SandboxHooks:
    """The hooks of this sandbox. Raises `ConfigurationError` for a hook that is misspelt."""
    return SandboxHooks(sandbox)


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


def _find_hooks(plugin: object, specs: type) -> _Found:
    """The hooks that a plugin's class implements, for pluggy takes a millisecond or two to find them out."""
    known = _known_hooks.setdefault(type(plugin), {})
    if specs not in known:
        callers = _single_manager(plugin, specs).get_hookcallers(plugin) or ()
        known[specs] = {caller.name: _implementation(caller, plugin) for caller in callers}
    return known[specs]


def _implementation(caller: pluggy.HookCaller, plugin: object) -> tuple[str, _Places]:
    found = caller.get_hookimpls()[-1]
    taken, offered = found.argnames, caller.spec.argnames if caller.spec else ()
    places = None if taken == offered else tuple(offered.index(name) for name in taken)
    function = getattr(found.function, "__func__", found.function)
    members = (member for owner in type(plugin).__mro__ for member in vars(owner).items())
    names = (name for name, value in members if getattr(value, "__func__", value) is function)
    return next(names, caller.name), places


def _plain_call(function: Callable[..., Any], places: _Places) -> Callable[..., Any]:
    if places is None:
        return function
    return wraps(function)(lambda *given: function(*[given[place] for place in places]))


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
