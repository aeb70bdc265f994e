"""Runs the HTTP interface until it is told to end; what is being planned then is still answered."""

import socket
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import uvicorn

from tomas.errors import UserError
from tomas.planner import Planner
from tomas.serving.app import make_app
from tomas.serving.limits import Limits

DRAIN_S = 30
BACKLOG = 2048


def serve(load: Callable[[], Planner], host: str, port: int, limits: Limits, token: str | None) -> None:
    """Answer until SIGTERM or Ctrl-C; port 0 takes a free one. The address is said on stderr once it answers."""
    listener = _bind(host, port)  # before the planner is loaded: a port in use is said at once
    planner = loaded(load)
    listener.listen(BACKLOG)
    app = make_app(planner, limits, token)
    config = uvicorn.Config(
        app, log_level="warning", access_log=False, timeout_graceful_shutdown=DRAIN_S, lifespan="on"
    )
    bound_host, bound_port = listener.getsockname()[:2]
    shown = f"[{bound_host}]" if ":" in bound_host else bound_host
    print(f"TOMAS answers on http://{shown}:{bound_port}", file=sys.stderr, flush=True)
    with listener:
        uvicorn.Server(config).run(sockets=[listener])


def loaded(load: Callable[[], Planner]) -> Planner:
    """The planner, ready to plan, loaded in a thread that ends: only the thread that plans shall have OpenMP's workers.

    With those of a second thread there are more workers than cores, and all of them go to sleep after every product.
    """

    def load_and_plan() -> Planner:
        planner = load()
        planner.plan("hello")  # what is made on first use is made before anyone waits for it
        return planner

    with ThreadPoolExecutor(1) as thread:
        return thread.submit(load_and_plan).result()


def _bind(host: str, port: int) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
    except OSError as error:
        raise UserError(f"{host}:{port}: cannot listen there ({error.strerror}); choose another with --port") from error
    return listener
