"""The HTTP interface: plans, alternatives, the catalogue, figures, and a page for people."""

import secrets
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Path
from fastapi.responses import HTMLResponse, Response
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from fastapi_offline import FastAPIOffline
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.exceptions import HTTPException

import tomas
from tomas.domain.plan import Plan, ResourceConfig, plan_json_schema
from tomas.domain.request import Request
from tomas.domain.resources import RESOURCES
from tomas.domain.timeline import Timeline
from tomas.errors import UserError
from tomas.planner import Planner
from tomas.serving.batcher import Batcher
from tomas.serving.bodies import (
    AlternativesAnswer,
    BatchAnswer,
    BatchBody,
    CatalogueAnswer,
    HealthAnswer,
    PlanBody,
    ToolAnswer,
    error_answers,
)
from tomas.serving.guard import Guard, answer_errors_in_one_line
from tomas.serving.limits import Limits
from tomas.serving.meters import Meters
from tomas.serving.page import page

ALTERNATIVES = 5


def make_app(planner: Planner, limits: Limits, token: str | None = None) -> FastAPI:
    """The application; with a token, whoever wants plans must bear it."""
    batcher = Batcher(planner.plan_batch, limits.batch, limits.queue)
    meters = Meters(lambda: batcher.waiting)
    batcher.on_batch = meters.batches.observe

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        batcher.start()
        yield
        await batcher.stop()

    app = FastAPIOffline(
        title="TOMAS",
        version=tomas.__version__,
        description="Plans which tool serves a request and with which resources it should run.",
        redoc_url=None,
        lifespan=lifespan,
    )
    app.add_middleware(Guard, body_bytes=limits.body_bytes, meters=meters)
    answer_errors_in_one_line(app)
    guarded = [Depends(_bearer(token))] if token else []
    refusals = error_answers(401) if token else {}
    _add_open_routes(app, planner, batcher)
    _add_plan_routes(app, planner, batcher, meters, limits, {"dependencies": guarded}, refusals)
    _add_reading_routes(app, planner, meters, {"dependencies": guarded}, refusals)
    return app


def _add_open_routes(app: FastAPI, planner: Planner, batcher: Batcher) -> None:
    """What anyone may see: the page, whether the server lives, and the schema of plans."""
    shown = page()

    @app.get("/", include_in_schema=False)
    async def index() -> HTMLResponse:
        return shown

    @app.get("/healthz")
    async def healthz() -> HealthAnswer:
        """Whether the server can plan."""
        return HealthAnswer(
            version=tomas.__version__,
            backbone=planner.predictor.backbone.name,
            configurations=len(planner.catalogue),
            waiting=batcher.waiting,
        )

    @app.get("/schema")
    async def schema() -> dict[str, Any]:
        """The JSON schema of plans."""
        return plan_json_schema()


def _add_plan_routes(
    app: FastAPI,
    planner: Planner,
    batcher: Batcher,
    meters: Meters,
    limits: Limits,
    guarded: dict[str, Any],
    refusals: dict[int | str, dict[str, Any]],
) -> None:
    errors = error_answers(400, 413, 422, 429) | refusals

    async def planned(requests: Sequence[Request], explain: bool) -> list[Plan]:
        for request in requests:
            if request.timeline is not None and len(request.timeline) > limits.timeline_rows:
                raise UserError(f"timeline: at most {limits.timeline_rows} rows, found {len(request.timeline)}")
        began = time.monotonic()
        plans = await batcher.plan(requests, explain)
        meters.seconds.observe(time.monotonic() - began)
        for plan in plans:
            meters.plans.labels(plan.status).inc()
        return plans

    @app.post("/plan", responses=errors, **guarded)
    async def plan(body: PlanBody) -> Plan:
        """The plan for one request."""
        return (await planned([body], body.explain))[0]

    @app.post("/plan/batch", responses=errors, **guarded)
    async def plan_batch(body: BatchBody) -> BatchAnswer:
        """The plans for many requests, in order."""
        if len(body.requests) > limits.requests_per_call:
            raise UserError(f"requests: at most {limits.requests_per_call}, found {len(body.requests)}")
        return BatchAnswer(plans=await planned(body.requests, body.explain))

    @app.post("/plan/alternatives", responses=errors, **guarded)
    async def plan_alternatives(body: PlanBody) -> AlternativesAnswer:
        """The plan for one request, the next best configurations, and what was taken as free."""
        body = body.model_copy(update={"t_inf_ms": planner.thinking_ms(body)})  # one thinking time for all of them
        (chosen,) = await planned([body], body.explain)
        others = await batcher.run(lambda: alternatives(planner, body, chosen))
        timeline = body.timeline or Timeline.constant(planner.capacity)
        return AlternativesAnswer(plan=chosen, alternatives=others, timeline=timeline.to_rows())


def _add_reading_routes(
    app: FastAPI,
    planner: Planner,
    meters: Meters,
    guarded: dict[str, Any],
    refusals: dict[int | str, dict[str, Any]],
) -> None:
    machine = ResourceConfig(**dict(zip(RESOURCES, planner.capacity.tolist(), strict=True)))
    catalogue = planner.catalogue
    tools = [
        ToolAnswer(
            name=tool.name, description=tool.description, input=tool.input, configurations=len(catalogue.ids(place))
        )
        for place, tool in catalogue.tools.each()
    ]

    @app.get("/catalogue", responses=refusals, **guarded)
    async def all_tools() -> CatalogueAnswer:
        """The tools and the machine."""
        return CatalogueAnswer(machine=machine, tools=tools)

    @app.get("/catalogue/{tool}", responses=error_answers(404, 422) | refusals, **guarded)
    async def configurations(tool: Annotated[str, Path(examples=[tools[0].name])]) -> list[dict[str, Any]]:
        """Every configuration of one tool."""
        if tool not in catalogue.tools:
            raise HTTPException(404, f"no tool {tool!r}; GET /catalogue lists them")
        return [{"config_id": place, **catalogue.row(place)} for place in catalogue.ids(tool).tolist()]

    @app.get("/metrics", responses=refusals, **guarded, response_class=Response)
    async def metrics() -> Response:
        """Figures for Prometheus."""
        return Response(meters.text(), media_type=CONTENT_TYPE_LATEST)


def alternatives(planner: Planner, request: Request, plan: Plan) -> list[dict[str, Any]]:
    """What also fits at the plan's start; nothing where nothing runs."""
    if plan.config_id is None or plan.tool_id is None:
        return []
    (prediction,) = planner.predict([request], tool_ids=[plan.tool_id])
    return planner.alternatives(request, prediction, ALTERNATIVES)


def _bearer(token: str) -> Any:
    """A dependency that lets only those pass who bear the token."""
    scheme = HTTPBearer(auto_error=False)

    def check(given: Annotated[HTTPAuthorizationCredentials | None, Depends(scheme)]) -> None:
        if given is None or not secrets.compare_digest(given.credentials.encode(), token.encode()):
            raise HTTPException(401, "a bearer token is needed", {"WWW-Authenticate": "Bearer"})

    return check
