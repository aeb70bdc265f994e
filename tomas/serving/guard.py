"""What stands between the network and the planner: body size, and one line for whatever goes wrong."""

import json
import logging
from collections.abc import Sequence
from typing import Any
from uuid import uuid4

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.requests import Request
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tomas.errors import UserError
from tomas.serving.batcher import QueueFull
from tomas.serving.meters import Meters

log = logging.getLogger(__name__)
MAX_ERROR_CHARS = 400


class Guard:
    """Bounds every body, counts every answer, and turns what nobody expected into one line."""

    def __init__(self, app: ASGIApp, body_bytes: int, meters: Meters) -> None:
        self._app, self._limit, self._meters = app, body_bytes, meters

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the call on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        answered = False
        taken = 0

        async def counting_send(message: Message) -> None:
            nonlocal answered
            if message["type"] == "http.response.start":
                answered = True
                # A route's own path: what clients make up must not become names of time series.
                path = getattr(scope.get("route"), "path", "unknown")
                self._meters.calls.labels(path, str(message["status"])).inc()
            await send(message)

        async def bounded_receive() -> Message:
            nonlocal taken
            message = await receive()
            taken += len(message.get("body", b""))
            if taken > self._limit:
                raise HTTPException(413, f"the body is larger than {self._limit} bytes", {"Connection": "close"})
            return message

        try:
            await self._app(scope, bounded_receive, counting_send)
        except Exception:
            number = uuid4().hex[:8]
            log.exception("error %s", number)
            if not answered:
                text = f"the server failed; its log says why under {number}"
                await error_response(500, text)(scope, receive, counting_send)


def answer_errors_in_one_line(app: FastAPI) -> None:
    """Give every error the same shape, and none a stack trace."""

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> Response:
        problems = error.errors()
        status = 400 if any(problem["type"] == "json_invalid" for problem in problems) else 422
        return error_response(status, one_line(problems))

    @app.exception_handler(HTTPException)
    async def refused(_: Request, error: HTTPException) -> Response:
        return error_response(error.status_code, str(error.detail), error.headers)

    @app.exception_handler(UserError)
    async def unplannable(_: Request, error: UserError) -> Response:
        return error_response(422, str(error))

    @app.exception_handler(QueueFull)
    async def busy(_: Request, error: QueueFull) -> Response:
        return error_response(429, str(error), {"Retry-After": "1"})


def one_line(problems: Sequence[Any]) -> str:
    """What a body lacks, without repeating what it held."""
    lines = []
    for problem in problems[:5]:
        place = ".".join(str(part) for part in problem["loc"] if part != "body")
        reason = problem["msg"].removeprefix("Value error, ")
        if problem["type"] == "model_attributes_type":
            reason = "a JSON object is needed, sent with Content-Type: application/json"
        lines.append(f"{place or 'body'}: {reason}")
    return "; ".join(dict.fromkeys(lines))


def error_response(status: int, text: str, headers: Any = None) -> Response:
    """An error as JSON, in one line of bounded length that any client can decode."""
    line = " ".join(text.split())[:MAX_ERROR_CHARS].encode("utf-8", "replace").decode()
    return JSONResponse(json.loads(json.dumps({"error": line})), status_code=status, headers=headers)
