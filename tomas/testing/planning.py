"""What parts that act while planning must keep to, and what a plan written for another engine must say."""

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch

from tomas.domain.catalogue import Catalogue
from tomas.domain.fit import feasible_at
from tomas.domain.plan import Plan, run_plan
from tomas.domain.request import Request
from tomas.domain.resources import RESOURCES
from tomas.domain.timeline import Timeline
from tomas.domain.tools import InputSpec, Tool, ToolRegistry
from tomas.execution.exporters.job import Job
from tomas.planner.decoder import Rows
from tomas.planner.predictor import Case, Prediction

TOPICS = ("sharpen photographs", "translate sentences", "transcribe speech", "summarise articles", "detect objects")
CORES, LATENCY_MS = (2, 4, 8), (2500.0, 1200.0, 900.0)


def catalogue(num_tools: int) -> Catalogue:
    """Tools on a few topics, three configurations each."""
    spec = InputSpec(field="items", small_max=1, medium_max=4, units=("item", "items"))
    names = [f"tool_{place}" for place in range(num_tools)]
    tools = ToolRegistry(
        tools=tuple(
            Tool(name=name, description=f"{TOPICS[place % len(TOPICS)]}, kind {place}.", input=spec)
            for place, name in enumerate(names)
        )
    )
    rows = [
        {"tool": name, "input_size": "small", "cpu_core": cores, "cpu_mem_gb": 1, "gpu_sm": 0, "gpu_mem_gb": 0,
         "latency_ms": latency_ms}
        for name in names for cores, latency_ms in zip(CORES, LATENCY_MS, strict=True)
    ]  # fmt: skip
    return Catalogue.from_rows(tools, rows)


def case(text: str) -> Case:
    """A request on a machine where eight cores are free until 1,450 ms and four from then on."""
    free = {"cpu_mem_gb": 8, "gpu_sm": 0, "gpu_mem_gb": 0}
    rows = [{"time_ms": 0, "cpu_cores": 8, **free}, {"time_ms": 1450, "cpu_cores": 4, **free}]
    return Case(Request(text=text), Timeline.from_rows(rows), 500.0)


def check_retriever(factory: Any, options: Any) -> None:
    """A retriever keeps the tools that are meant, gives logits of the same shape, and never stops a plan."""
    retriever, table = factory(options), catalogue(200)
    planner = SimpleNamespace(catalogue=table)
    logits = np.linspace(-1.0, 1.0, len(table.tools))
    changed = retriever.on_plan_logits(planner, case("please translate these two sentences"), logits)
    if changed is not None:
        assert changed.shape == logits.shape, f"gave logits of shape {changed.shape}, not {logits.shape}"
        listed = np.flatnonzero(np.isfinite(changed))
        assert len(listed), "left no tool at all"
        assert (listed % len(TOPICS) == 1).any(), "took every tool that is meant out of the choice"
    for text in ("?", "把这段话翻译成英文", "x" * 5000):
        retriever.on_plan_logits(planner, case(text), logits)


def check_voter(factory: Any, options: Any) -> None:
    """A voter leaves a sure plan alone, and what it gives instead of an unsure one is a plan that fits."""
    voter, table = factory(options), catalogue(2)
    planner = _Imagining(table)
    for liking, tools in (([0.0, 0.0, 60.0], [1.0, 0.0]), ([0.0, 0.05, 0.1], [0.55, 0.45])):
        asked = case("translate it")
        prediction = _prediction(table, 0, liking, tools)
        planner.answer = prediction
        plan = run_plan(table, 2, status="ready", start_ms=500.0, feasible=True)
        changed: Plan | None = voter.on_plan_end(planner, asked, prediction, plan)
        if changed is not None and changed.config_id is not None:
            row = slice(changed.config_id, changed.config_id + 1)
            fits = feasible_at(asked.timeline, table.requirement[row], table.latency_ms[row], changed.start_ms or 0.0)
            assert fits.all(), "gave a plan that does not fit the timeline"
        assert changed is None or prediction.doubt > 0.5, "changed a plan that was sure"


def check_exporter(factory: Any, _options: Any) -> None:
    """An exporter writes the command, asks for at least the plan's resources, and says of each what enforces it."""
    table = catalogue(1)
    plan = run_plan(table, 1, status="ready", start_ms=500.0, feasible=True)
    export = factory(Job(plan, ("python", "-c", "print('a b')"), timeout_s=60.0, image="python:3.12"))
    assert "print(" in export.text, "the command is missing"
    told = export.enforced.keys() | export.not_enforced.keys()
    for name in RESOURCES:
        asked, planned = getattr(export.requirement, name), getattr(plan.resource_config, name)
        assert asked >= planned - 1e-9, f"asks for {asked} of {name}, less than the plan's {planned}"
        assert name in told, f"does not say whether {name} is enforced"


class _Imagining:
    """What a voter may ask of a planner."""

    vote_threshold = 0.5
    answer: Prediction

    def __init__(self, table: Catalogue) -> None:
        self.catalogue = table

    def imagine(
        self, _case: Case, variations: Sequence[tuple[str, float]], tool_id: int | None = None
    ) -> list[Prediction]:
        """The same answer to every variation, about another tool where one is given."""
        tool = self.answer.tool_id if tool_id is None else tool_id
        said = self.answer
        answer = _prediction(self.catalogue, tool, said.config_logits.tolist(), said.tool_probabilities.tolist())
        return [answer] * len(variations)


def _prediction(table: Catalogue, tool: int, liking: list[float], tools: list[float]) -> Prediction:
    ids = table.ids(tool, "small")
    unused = {"evidence": np.zeros(3), "opinions": np.zeros((2, len(tools)))}
    return Prediction(np.array(tools), tool, 1.0, "small", "stated", None, ids, np.array(liking), 500.0, **unused)


def check_decoder(factory: Any, _options: Any) -> None:
    """A decoder gives tool logits, and finite logits for the listed configurations alone; its loss can be trained."""
    torch.manual_seed(0)
    hidden, dim, tools, configs = 12, 6, 3, 9
    rows = Rows(torch.randn(configs, hidden), torch.randn(configs, 4), torch.arange(configs) // 3)
    decoder = factory(hidden, dim, tools, rows)
    state_BH, window_BD = torch.randn(2, hidden), torch.randn(2, dim)
    tool_B, size_B = torch.tensor([0, 2]), torch.tensor([0, 1])
    assert decoder.tools(state_BH, window_BD).shape == (2, tools), "tool logits are not [batch, tools]"
    ids_BN = torch.tensor([[0, 1, 2], [7, 8, -1]])
    query = decoder.ask(state_BH, window_BD, tool_B, size_B)
    logits_BN = decoder.score(query, ids_BN)
    assert logits_BN.shape == ids_BN.shape, "configuration logits do not follow the listed rows"
    assert torch.equal(logits_BN.isfinite(), ids_BN >= 0), "padding must get -inf, and nothing else"
    batch = SimpleNamespace(
        tool_B=tool_B, size_B=size_B, config_B=torch.tensor([1, 8]), ids_BN=ids_BN, place_B=torch.tensor([1, 1])
    )
    before = decoder.config_loss(batch, query, logits_BN, everywhere=False)
    optimizer = torch.optim.SGD(decoder.parameters(), lr=1e-3)
    before.backward()
    optimizer.step()
    query = decoder.ask(state_BH, window_BD, tool_B, size_B)
    after = decoder.config_loss(batch, query, decoder.score(query, ids_BN), everywhere=False)
    assert after < before, "a step down the gradient did not lower the loss"
