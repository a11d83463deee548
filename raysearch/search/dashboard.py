"""optuna-dashboard on a run's study, to look at only: what it shows is derived from the ledger, which nobody edits."""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Callable, Iterable
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from optuna.storages import BaseStorage

from raysearch.errors import UserError

_HERE = "127.0.0.1"
"""Only this machine: the dashboard asks nobody for a password. From elsewhere: ``ssh -L 8080:127.0.0.1:8080 HOST``."""
_READ_ONLY = "raysearch shows the study and lets nobody change it: the run's ledger is the truth"

Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


def check_installed() -> None:
    """Whether there is an optuna-dashboard.

    Raises:
        UserError: it is not installed.
    """
    if importlib.util.find_spec("optuna_dashboard") is None:
        raise UserError('raysearch dashboard needs optuna-dashboard: `pip install "raysearch[dashboard]"`.')


def server(storage: BaseStorage, name: str, port: int) -> tuple[WSGIServer, str]:
    """A server that is ready to serve, and the address of a study's page on it.

    Args:
        storage: where the study is.
        name: of the study.
        port: of this machine; 0 takes one that is free.

    Raises:
        UserError: the port cannot be had.
    """
    from optuna_dashboard import wsgi

    try:
        found = make_server(_HERE, port, read_only(wsgi(storage)), _Server, _Quiet)
    except (OSError, OverflowError) as error:
        raise UserError(f"--port {port}: cannot be had ({error}). Give another, or 0 for one that is free.") from None
    study = storage.get_study_id_from_name(name)
    return found, f"http://{_HERE}:{found.server_port}/dashboard/studies/{study}"


def read_only(application: Application) -> Application:
    """The application without all that changes something."""

    def answer(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        if environ["REQUEST_METHOD"] in ("GET", "HEAD"):
            return application(environ, start)
        start("403 Forbidden", [("Content-Type", "application/json")])
        return [json.dumps({"reason": _READ_ONLY}).encode()]

    return answer


class _Server(ThreadingMixIn, WSGIServer):
    """Answers several questions at a time: an importance takes seconds, and the page goes on meanwhile."""

    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A browser that went away is no news; anything else is."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


class _Quiet(WSGIRequestHandler):
    def log_message(self, *_: Any) -> None:
        """Not a line for each request."""
