"""What the local Swift's configuration names by import path: a cache in memory and a log on stderr."""

import json
import logging
import sys
import time
from collections.abc import Callable, Iterable
from logging.handlers import SysLogHandler
from typing import Any

WsgiApp = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


class MemoryCache:
    """The part of Swift's memcached client that Swift calls, for a server that is one process.

    Values pass through JSON as they would on their way to memcached, so that callers get copies.
    """

    def __init__(self) -> None:
        self._entries: dict[str, tuple[float, str]] = {}

    def get(self, key: str, raise_on_error: bool = False) -> Any:
        """Return the value, or None if it is unknown or has expired."""
        expires, text = self._entries.get(key, (0.0, ""))
        if not text or (expires and expires < time.time()):
            self._entries.pop(key, None)
            return None
        return json.loads(text)

    def set(self, key: str, value: Any, time: float = 0, **_options: Any) -> None:
        """Keep `value` for `time` seconds; 0 is for ever."""
        self._entries[key] = (_now() + time if time else 0.0, json.dumps(value, default=_text))

    def incr(self, key: str, delta: int = 1, time: float = 0) -> int:
        """Add to a counter that never falls below 0; return it."""
        value = max(0, int(self.get(key) or 0) + delta)
        self.set(key, value, time=time)
        return value

    def decr(self, key: str, delta: int = 1, time: float = 0) -> int:
        """Subtract from a counter; return it."""
        return self.incr(key, -delta, time)

    def delete(self, key: str, server_key: str | None = None) -> None:
        """Forget the value."""
        self._entries.pop(key, None)

    def set_multi(self, mapping: dict[str, Any], server_key: str, time: float = 0, **_options: Any) -> None:
        """Keep several values."""
        for key, value in mapping.items():
            self.set(key, value, time=time)

    def get_multi(self, keys: Iterable[str], server_key: str) -> list[Any]:
        """Return several values."""
        return [self.get(key) for key in keys]


def _now() -> float:
    # `time` is the name of a parameter in memcached's interface, which hides the module.
    return time.time()


def _text(value: bytes) -> str:
    return value.decode()


def memory_cache(_global_conf: dict[str, str], **_conf: str) -> Callable[[WsgiApp], WsgiApp]:
    """Paste filter factory: stands where Swift's memcache middleware would, without a memcached."""
    cache = MemoryCache()

    def wrap(app: WsgiApp) -> WsgiApp:
        def cached(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
            environ["swift.cache"] = cache
            return app(environ, start_response)

        return cached

    return wrap


def log_to_stderr(
    _conf: Any, _name: Any, _console: Any, _route: Any, _format: Any, logger: logging.Logger, _adapted: Any
) -> None:
    """Swift's hook for log handlers: stderr in the place of the machine's syslog."""
    for handler in list(logger.handlers):
        if isinstance(handler, SysLogHandler):
            logger.removeHandler(handler)
    if not any(isinstance(handler, logging.StreamHandler) for handler in logger.handlers):
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(logging.Formatter("%(levelname)s %(name)s: %(message)s"))
        logger.addHandler(handler)
