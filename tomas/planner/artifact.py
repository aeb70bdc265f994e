"""assets/planner: everything a planner is, apart from the backbone it names."""

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import torch
from pydantic import Field
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from tomas.backbone.loading import Backbone
from tomas.backbone.reading import ReadingAdapters
from tomas.config import Backbone as BackboneParams
from tomas.config import Decoder, Lora, Machine, Params, Section, Temporal, TInf, Tva
from tomas.domain.catalogue import Catalogue
from tomas.errors import UserError
from tomas.files import write_json
from tomas.kernel.fallback import Resolution, parts_of_planner, parts_record
from tomas.planner.adapters import Adapters
from tomas.planner.decoder import Rows
from tomas.planner.lexicon import Lexicon
from tomas.planner.model import Heads
from tomas.planner.plugins import rebuild
from tomas.planner.windows import WindowReader

FORMAT = 4


class Spec(Section):
    """planner.json: what the weights beside it were trained as, and what was fitted on validation."""

    format: int = FORMAT
    backbone: BackboneParams
    fingerprint: str
    """Of the backbone the heads were trained on."""
    machine: Machine
    t_inf: TInf
    temporal: Temporal
    lora: Lora
    decoder: Decoder
    tva: Tva = Tva()
    plugins: dict[str, dict[str, Any]] = Field(default_factory=dict)
    """Options of the plug-ins of the training, by `kind.name`."""
    plugin_state: dict[str, Any] = Field(default_factory=dict)
    window: dict[str, Any]
    tool_weights: tuple[float, ...] = (1.0, 0.0)
    """Of the language model's opinion on the tool, which is one over its temperature, and of the lexicon's."""
    gate_weights: tuple[float, ...] = (1.0, 0.0, 0.0, 0.0)
    """Of the gate's logit, of what all tools weigh together, of the lexicon's logit that there is a tool, and a bias:
    the logit that a tool serves a request."""
    gate_threshold: float = 0.0
    vote_threshold: float = 1.0

    @classmethod
    def of(cls, params: Params, backbone: Backbone, reader: WindowReader) -> Self:
        """What params.yaml asks of a planner, before anything of it is trained."""
        sections = ("backbone", "machine", "t_inf", "temporal", "lora", "decoder", "tva")
        named = {name: getattr(params, name) for name in sections}
        return cls(fingerprint=backbone.fingerprint, window=reader.to_json(), **named)


@dataclass(frozen=True)
class Artifact:
    """A planner's folder, read."""

    spec: Spec
    catalogue: Catalogue
    folder: Path

    def heads(self, backbone: Backbone) -> Heads:
        """The trained heads; refuses a backbone they were not trained on."""
        if backbone.fingerprint != self.spec.fingerprint:
            raise UserError(
                f"{self.folder}: trained on other weights of {self.spec.backbone.name!r} than those installed here; "
                "train again with `dvc repro`"
            )
        heads = make_heads(self.spec, backbone, self.catalogue, torch.zeros(len(self.catalogue), backbone.hidden_size))
        rebuild(heads, self.spec.plugins, self.spec.plugin_state)
        with readable(self.folder):
            heads.load_state_dict(load_file(self.folder / "heads.safetensors"))
        return heads.eval().requires_grad_(False)


def make_heads(spec: Spec, backbone: Backbone, catalogue: Catalogue, vectors_NH: torch.Tensor) -> Heads:
    """Heads of the right shapes for a backbone and a catalogue, with these vectors in the config head."""
    tools, rows = len(catalogue.tools), make_rows(catalogue, vectors_NH)
    return Heads(backbone.hidden_size, backbone.embedding_norm, tools, rows, spec.temporal, spec.decoder)


def make_rows(catalogue: Catalogue, vectors_NH: torch.Tensor) -> Rows:
    """The configurations as a decoder takes them, with these vectors."""
    resources_N4 = torch.log2(1 + torch.tensor(catalogue.requirement, dtype=torch.float32))
    spread_4 = resources_N4.std(dim=0, correction=0).clamp(min=1e-6)
    return Rows(vectors_NH, (resources_N4 - resources_N4.mean(dim=0)) / spread_4, torch.tensor(catalogue.tool_id))


def write_artifact(
    folder: Path,
    spec: Spec,
    catalogue: Catalogue,
    heads: Heads,
    *,
    adapters: Adapters,
    reading: ReadingAdapters,
    lexicon: Lexicon,
    parts: Iterable[Resolution],
) -> None:
    """Write a whole planner into a new folder."""
    folder.mkdir(parents=True)
    reading.save(folder)
    adapters.save(folder)
    save_file({name: value.contiguous() for name, value in heads.state_dict().items()}, folder / "heads.safetensors")
    lexicon.save(folder)
    write_json(folder / "config_lookup.json", catalogue.to_lookup())
    write_json(folder / "parts.json", parts_record(parts))
    write_spec(folder, spec)


def write_spec(folder: Path, spec: Spec) -> None:
    """Write planner.json."""
    write_json(folder / "planner.json", spec.model_dump(mode="json"))


def read_parts(folder: Path) -> dict[str, dict[str, str | None]]:
    """parts.json: the parts the planner was trained with, by kind."""
    parts: dict[str, dict[str, str | None]] = json.loads((folder / "parts.json").read_text(encoding="utf-8"))
    return parts


def read_artifact(folder: Path) -> Artifact:
    """Read planner.json and the catalogue; says what to do where there is no planner, or a part of it is missing."""
    with readable(folder):
        parts_of_planner(read_parts(folder))
        saved = json.loads((folder / "planner.json").read_text(encoding="utf-8"))
        lookup = json.loads((folder / "config_lookup.json").read_text(encoding="utf-8"))
        if saved.get("format") != FORMAT:
            raise UserError(f"{folder}: written by another version of TOMAS; train again with `dvc repro`")
        return Artifact(Spec.model_validate(saved), Catalogue.from_lookup(lookup), folder)


@contextmanager
def readable(folder: Path) -> Iterator[None]:
    """Say in one line what to do about a planner that is not there, not whole, or not what it should be."""
    try:
        yield
    except FileNotFoundError as error:
        raise UserError(f"{folder}: no trained planner here; run `make repro` (or `dvc repro`) first") from error
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RuntimeError, SafetensorError) as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:160]
        raise UserError(f"{folder}: cannot be read ({reason}); run `dvc repro` again") from error
