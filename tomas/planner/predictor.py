"""The model's answer to requests, before any timeline has a say: one pass of the backbone per batch."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from tomas.backbone.loading import Backbone, load_backbone
from tomas.backbone.packed import NAME as PACKED
from tomas.backbone.prepacked import prepack
from tomas.backbone.reading import apply_reading
from tomas.domain import oracle
from tomas.domain.catalogue import Catalogue
from tomas.domain.request import Request
from tomas.domain.resources import SIZES, Floats, Ints, Size, capacity_of
from tomas.domain.size import resolve_size
from tomas.domain.timeline import Timeline
from tomas.planner.adapters import apply_adapters
from tomas.planner.artifact import Artifact, readable
from tomas.planner.calibration import normalised_entropy, serviceable, softmax, weigh
from tomas.planner.characters import Grams, grams
from tomas.planner.lexicon import load_lexicon
from tomas.planner.model import MAX_TEXT_TOKENS, Decision, packed_pass, padded, whole_pass
from tomas.planner.windows import WindowReader

BATCH = 32


@dataclass(frozen=True)
class Prediction:
    """What the model says of one request."""

    tool_probabilities: Floats
    """[K], calibrated."""
    tool_id: int
    serviceable: float
    """Probability that one of the tools serves the request."""
    size: Size
    size_how: str
    size_warning: str | None
    ids: Ints
    """Config IDs of the tool and size [n]."""
    config_logits: Floats
    start_ms: float
    """The moment the configuration was chosen for: T_inf, or the earliest at which one fits."""
    evidence: Floats
    """What `serviceable` is made from: the gate's logit, what all tools weigh together, and the lexicon's logit."""
    opinions: Floats
    """What the tool's probabilities are made from: log-probabilities [2, K] of language model and lexicon."""

    @property
    def doubt(self) -> float:
        """How unsure the model is, from 0 to 1: the larger normalised entropy of tool and configuration."""
        configs = normalised_entropy(softmax(self.config_logits)) if len(self.ids) else 0.0
        return max(normalised_entropy(self.tool_probabilities), configs)


@dataclass(frozen=True)
class Case:
    """A request as the model needs it."""

    request: Request
    timeline: Timeline
    t_inf_ms: float
    warnings: list[str] = field(default_factory=list)
    """What plug-ins want the plan to tell."""
    _decisions: dict[bytes, oracle.Decision] = field(default_factory=dict, repr=False)

    def decide(self, catalogue: Catalogue, ids: Ints, capacity: Floats) -> oracle.Decision:
        """What the oracle says of these configurations; it is asked once, by the model and by who makes the plan."""
        key = ids.tobytes()
        if key not in self._decisions:
            self._decisions[key] = oracle.decide(self.timeline, self.t_inf_ms, catalogue, ids, capacity)
        return self._decisions[key]


ChangeLogits = Callable[[Case, Floats], Floats | None]


class Predictor:
    """The trained model with its backbone."""

    def __init__(self, artifact: Artifact) -> None:
        self.spec, self.catalogue = artifact.spec, artifact.catalogue
        self.backbone: Backbone = load_backbone(self.spec.backbone)
        self.heads = artifact.heads(self.backbone).to(self.backbone.model.device)
        with readable(artifact.folder):
            tail = self.heads.tail(self.spec.lora)
            reading = apply_reading(self.backbone, artifact.folder)
            self.lora = apply_adapters(self.backbone, artifact.folder, self.spec.tva, tail)
            self.adapters = [*reading, *self.lora]
            self.lexicon = load_lexicon(artifact.folder, len(self.catalogue.tools))
        self._passes = 0
        # Other kernels have a way of their own with several sequences: padding.
        self.packs = self.backbone.attention.used == "sdpa"
        if self.packs:
            self.backbone.model.set_attn_implementation(PACKED)
        self.device = self.backbone.model.device
        self.window = WindowReader.from_json(self.spec.window)
        self.capacity = capacity_of(self.spec.machine)

    def predict(
        self, cases: Sequence[Case], tool_ids: Sequence[int] | None = None, change: ChangeLogits | None = None
    ) -> list[Prediction]:
        """A prediction a case, in order; batches are cut from the cases sorted by length.

        `tool_ids` gives the tools instead of asking for them; `change` may give other tool logits for a case.
        """
        if not cases:
            return []
        tokens = self.backbone.tokenize([case.request.text for case in cases], MAX_TEXT_TOKENS)
        order = np.argsort([len(ids) for ids in tokens], kind="stable").tolist()
        found: list[Prediction | None] = [None] * len(cases)
        for start in range(0, len(order), BATCH):
            rows = order[start : start + BATCH]
            few, given = [cases[row] for row in rows], None if tool_ids is None else [tool_ids[row] for row in rows]
            decision = self.decide(few, [tokens[row] for row in rows])
            for row, prediction in zip(rows, self.decode(decision, few, given, change), strict=True):
                found[row] = prediction
        return [prediction for prediction in found if prediction is not None]

    @torch.inference_mode()
    def decide(self, cases: Sequence[Case], tokens: list[list[int]]) -> Decision:
        """Tool and gate logits, and the state the configuration is looked up by."""
        if self._passes == 1:  # laying the weights out takes as long as ten passes: not for a single plan
            prepack(self.backbone)
        self._passes += 1
        windows = np.stack([self.window.read(case.timeline, case.t_inf_ms) for case in cases])
        now_BCP = torch.from_numpy(windows).to(self.device)
        known = Grams.of([grams(case.request.text) for case in cases], self.device)
        if self.packs:
            return packed_pass(self.backbone, self.heads, tokens, now_BCP, known, self.lora)
        tokens_BT, mask_BT = (tensor.to(self.device) for tensor in padded(tokens))
        return whole_pass(self.backbone, self.heads, tokens_BT, mask_BT, now_BCP, known)

    @torch.inference_mode()
    def decode(
        self,
        decision: Decision,
        cases: Sequence[Case],
        tool_ids: Sequence[int] | None = None,
        change: ChangeLogits | None = None,
    ) -> list[Prediction]:
        """The predictions of one batch, from what the backbone left for the heads."""
        opinions, evidence = self._opinions(decision, cases)
        tool_logits = weigh(opinions, self.spec.tool_weights)
        if change is not None:
            changed = [change(case, own) for case, own in zip(cases, tool_logits, strict=True)]
            tool_logits = np.stack([own if new is None else new for own, new in zip(tool_logits, changed, strict=True)])
        probabilities = softmax(tool_logits)
        gates = serviceable(evidence, self.spec.gate_weights).tolist()
        tools = probabilities.argmax(axis=1).tolist() if tool_ids is None else list(tool_ids)
        sizes = [
            resolve_size(self.catalogue.tools[tool], case.request.text, case.request.input, case.request.input_size)
            for tool, case in zip(tools, cases, strict=True)
        ]
        ids = [self.catalogue.ids(tool, read.size) for tool, read in zip(tools, sizes, strict=True)]
        starts = [self._start(case, own) for case, own in zip(cases, ids, strict=True)]
        logits = self._configurations(decision, cases, tools, sizes, ids, starts)
        return [
            Prediction(p, tool, gate, read.size, read.how, read.warning, own, own_logits, start, *why)
            for p, tool, gate, read, own, own_logits, start, *why in zip(
                probabilities, tools, gates, sizes, ids, logits, starts, evidence, opinions, strict=True
            )
        ]

    def _opinions(self, decision: Decision, cases: Sequence[Case]) -> tuple[Floats, Floats]:
        """What language model and lexicon say of the tools [B, 2, K], and of whether there is one [B, 3]."""
        tools_BK = decision.tools_BK.float()
        energy_B = tools_BK.logsumexp(dim=1)
        model_BK = (tools_BK - energy_B[:, None]).double().cpu().numpy()
        gate_B2 = torch.stack([decision.gate_B.float(), energy_B], dim=1).double().cpu().numpy()
        said_BT = self.lexicon.opinions([case.request.text for case in cases])
        lexicon_BK, none_B = said_BT[:, :-1], said_BT[:, -1]
        any_B = np.logaddexp.reduce(lexicon_BK, axis=1)
        return np.stack([model_BK, lexicon_BK], axis=1), np.column_stack([gate_B2, any_B - none_B])

    def _start(self, case: Case, ids: Ints) -> float:
        start_ms = case.decide(self.catalogue, ids, self.capacity).start_ms if len(ids) else np.inf
        return float(start_ms) if np.isfinite(start_ms) else case.t_inf_ms

    def _configurations(
        self,
        decision: Decision,
        cases: Sequence[Case],
        tools: list[int],
        sizes: Any,
        ids: list[Ints],
        starts: list[float],
    ) -> list[Floats]:
        """Logits of each case's own configurations; only their rows of the head are read."""
        width = max(1, max(len(own) for own in ids))
        ids_BN = np.full((len(cases), width), -1, dtype=np.int64)
        for place, own in enumerate(ids):
            ids_BN[place, : len(own)] = own
        query_BH = self.heads.decoder.ask(
            decision.state_BH,
            self._windows_from(decision.window_BD, cases, starts),
            torch.tensor(tools, device=self.device),
            torch.tensor([SIZES.index(read.size) for read in sizes], device=self.device),
        )
        logits_BN = self.heads.decoder.score(query_BH, torch.from_numpy(ids_BN).to(self.device))
        numbers = logits_BN.float().cpu().numpy().astype(np.float64)
        return [numbers[place, : len(own)] for place, own in enumerate(ids)]

    def _windows_from(self, now_BD: torch.Tensor, cases: Sequence[Case], starts: list[float]) -> torch.Tensor:
        """The windows from each start on: those from T_inf on are known, and most plans start there."""
        later = [place for place, case in enumerate(cases) if starts[place] != case.t_inf_ms]
        if not later:
            return now_BD
        windows = np.stack([self.window.read(cases[place].timeline, starts[place]) for place in later])
        from_BD = now_BD.clone()
        from_BD[later] = self.heads.temporal(torch.from_numpy(windows).to(self.device))
        return from_BD
