"""params.yaml as one frozen, typed model; the meaning of each key stands in its field's docstring."""

from collections.abc import Collection
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, ValidationError

from tomas.errors import UserError


class Section(BaseModel):
    """A part of params.yaml: frozen, and an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


SomeModel = TypeVar("SomeModel", bound=BaseModel)


def narrowed(model: SomeModel, names: Collection[str]) -> SomeModel:
    """A copy with only these fields, so that the record of what is read of it cannot be wrong."""
    copy = model.model_copy()
    for name in type(model).model_fields.keys() - set(names):
        del copy.__dict__[name]
    return copy


Share = Annotated[float, Field(ge=0.0, le=1.0)]
Positive = Annotated[float, Field(gt=0.0)]
Count = Annotated[int, Field(ge=1)]
Part = Annotated[float, Field(gt=0.0, le=1.0)]


class Machine(Section):
    """The machine plans are made for; without a timeline all of it is taken as free."""

    cpu_cores: Positive = 16
    """CPU cores."""
    cpu_mem_gb: Positive = 64
    """Host memory in GB."""
    gpu_sm: Annotated[float, Field(ge=0.0)] = 100
    """GPU compute as percent of the SMs; 0 for a machine without GPU."""
    gpu_mem_gb: Annotated[float, Field(ge=0.0)] = 24
    """GPU memory in GB."""


class Backbone(Section):
    """The language model everything stands on."""

    name: str = "smollm2-135m"
    """`smollm2-135m` or `gemma3-270m` (embedded), `tiny` (random, for tests), a local folder, or a hub name."""
    attention: str = "auto"
    """Attention kernel: `flash`, `sdpa`, `eager`; `auto` takes the first of them that works here. `tva` adds trained
    low-rank attention to the model's own."""
    dtype: Literal["bfloat16", "float32"] = "bfloat16"
    """Number format of the frozen weights."""
    threads: Annotated[int, Field(ge=0)] = 0
    """CPU threads of a stage; 0 means the physical cores this process may use."""


class Data(Section):
    """Which input is read and how."""

    interpolation: Literal["previous", "linear", "nearest"] = "previous"
    """How a timeline is read between its rows; `previous` is the exact step function."""


class Labelling(Section):
    """How requests meet timelines and get their labels from the oracle."""

    train_examples: Count = 25_000
    """Labelled examples for training; requests repeat with other timelines until the number is reached."""
    eval_examples: Count = 2500
    """Labelled examples of the validation and of the test split each."""
    t_inf_ms: tuple[Positive, Positive] = (50, 2000)
    """Range T_inf is drawn from, log-uniform, so that the planner learns any thinking time."""


class TInf(Section):
    """How the planner predicts its own thinking time (T_inf)."""

    kind: str = "fixed"
    """The part: `fixed`, `rule_based`, `measured` or `learned` (a small network, trained on planning times that are
    recorded when the planner is)."""
    fixed_ms: Positive = 500
    """The value `fixed` answers, `rule_based` scales, and `measured` and `learned` start from."""


class Lora(Section):
    """Low-rank adaptation of the backbone."""

    rank: Count = 16
    """Rank of the update."""
    alpha: Positive = 32
    """Scale: the update is multiplied by alpha / rank."""
    targets: tuple[str, ...] = ("q_proj", "v_proj")
    """Modules that get an update."""
    scope: Literal["context", "all"] = "context"
    """`context`: active on the context positions only, so the text's keys and values are the frozen model's and are
    computed once; `all`: ordinary LoRA over every position."""


class Reading(Section):
    """How the backbone reads requests: adapters in its middle, trained on the texts alone, before these are cached."""

    epochs: Annotated[int, Field(ge=0)] = 1
    """Passes over the distinct texts; 0 leaves the backbone as it is."""
    batch_size: Count = 16
    """Texts of a step."""
    rank: Count = 16
    """Rank of the update."""
    targets: tuple[str, ...] = ("q_proj", "v_proj", "o_proj", "up_proj", "down_proj")
    """Modules that get an update."""
    lr: Positive = 2e-3
    """Peak learning rate of the adapters; reader, characters and gate have that of the heads."""


class Encoder(Section):
    """Phase 0: the resource encoder and its pretraining."""

    d_resource: int | None = None
    """Width of the resource stream; null takes the backbone's hidden size."""
    fusion: str = "gated"
    """The part that joins the two streams: `gated`, `attention` or `concat`."""
    exemplars: Annotated[int, Field(ge=0)] = 4
    """Rows of the same template shown before the vector; 0 leaves the exemplar prompt out."""
    jitter: Share = 0.05
    """Relative noise on the six numbers during training."""
    batch_size: Count = 16
    """Rows of a step."""
    spelling_epochs: Annotated[int, Field(ge=0)] = 40
    """Passes that teach the vector to spell its row in token embeddings, without the backbone, before that."""
    lr: Positive = 1e-3
    """Peak learning rate of resource stream, fusion and speaker."""
    max_epochs: Count = 1
    """Passes over the table at most."""
    epoch_share: Part = 0.7
    """Share of the rows that a pass goes through, drawn anew for each."""
    stop_loss: Annotated[float, Field(ge=0.0)] = 0.01
    """Training stops when an epoch's mean loss is below."""


class Temporal(Section):
    """The encoder of free resources over time."""

    kind: str = "mixer"
    """The part: `tomas plugin list --kind temporal` names all; with `none` no timeline is seen (an ablation)."""
    normalise: Literal["minmax", "standard", "none"] = "minmax"
    """How free resources are scaled before the encoder."""
    points: Count = 64
    """Log-spaced offsets at which the timeline is read, from 50 ms to 200 s after T_inf; also how many shares of the
    machine are told apart."""
    dim: Count = 256
    """Width of the temporal vector."""
    prefix_tokens: Annotated[int, Field(ge=0)] = 2
    """Soft tokens the temporal vector becomes in the backbone's input; with 0 only the decoder sees the timeline."""


class Decoder(Section):
    """The heads that read the decision."""

    kind: str = "hierarchical"
    """The part: `hierarchical`, `flat` or `regressor`."""
    init: Literal["encoder", "text", "random"] = "encoder"
    """What the config head starts from: the encoder's vectors, text embeddings of each row's sentence, or noise."""
    train_vectors: bool = True
    """Whether the config head's rows are trained further."""


class Training(Section):
    """Phase 3: training of the planner."""

    batch_size: Count = 96
    """Examples of a step."""
    accumulate: Count = 1
    """Steps whose gradients are added before an update."""
    max_epochs: Count = 1
    """Passes over the labelled examples."""
    epoch_share: Part = 0.36
    """Share of the examples that such a pass goes through, drawn anew for each; the warm-up goes through all."""
    warmup_epochs: Annotated[int, Field(ge=0)] = 14
    """Passes that train the temporal encoder and the config head alone, without the backbone, before that."""
    lr: Positive = 1e-3
    """Peak learning rate of LoRA and projector."""
    head_lr: Positive = 1e-3
    """Peak learning rate of the temporal encoder and the heads."""
    weight_decay: Annotated[float, Field(ge=0.0)] = 0.01
    """AdamW's weight decay."""
    grad_clip: Positive = 1.0
    """Largest norm of the gradient."""
    config_weight: Annotated[float, Field(ge=0.0)] = 1.0
    """Weight of the configuration loss (lambda)."""
    regret_weight: Annotated[float, Field(ge=0.0)] = 1.0
    """Weight, within the configuration loss, of the latency lost by a draw from the configurations that fit."""
    gate_weight: Annotated[float, Field(ge=0.0)] = 1.0
    """Weight of the gate's loss."""
    config_loss: Literal["within_tool", "global"] = "within_tool"
    """Configurations the config loss runs over: the true tool's and size's, or all."""


class Tva(Section):
    """Low-rank attention; in use where an `attention` key says `tva`."""

    rank: Count = 4
    """Width of the shared subspace of a head."""
    corrections: Annotated[int, Field(ge=0)] = 1
    """Directions beside it for values that stick out."""
    tau: Share = 0.18
    """Share of a value's length outside the subspace from which it is corrected."""


class Moe(Section):
    """Experts in the planner's own layers; in use with `moe` under `plugins:`."""

    experts: Annotated[int, Field(ge=2)] = 64
    """Experts a layer becomes."""
    top_k: Count = 2
    """Experts a token goes to."""
    capacity: Positive = 1.25
    """While training an expert takes at most this share of an even load; tokens beyond keep the other experts'."""
    balance_weight: Annotated[float, Field(ge=0.0)] = 0.01
    """Weight of the loss that spreads tokens over experts."""
    route_temp: Annotated[float, Field(ge=0.0)] = 0.8
    """Noise on the routing while training, in units of the logits; `schedules.route_temp` moves it."""


class Bistate(Section):
    """Keeps the config head near Phase 0 and its states apart; in use with `bistate` under `plugins:`."""

    alpha: Annotated[float, Field(ge=0.0)] = 0.35
    """Weight of the pull of each config row towards its Phase-0 direction."""
    beta: Annotated[float, Field(ge=0.0)] = 0.20
    """Weight of the contrast between the configurations of one tool."""
    tau: Positive = 0.15
    """Temperature of the contrast."""


class Voter(Section):
    """Planning several times where the planner is unsure; in use with `entropy` under `plugins:`."""

    samples: Count = 3
    """Plans that vote."""
    threshold: Share | None = None
    """Normalised entropy above which is voted; null takes the value calibrated on validation."""
    jitter: Annotated[float, Field(ge=0.0)] = 0.3
    """Spread of the thinking times that are tried, as the standard deviation of their logarithm."""


class Retriever(Section):
    """A shortlist of tools for large catalogues; in use with `tfidf` or `sentence` under `plugins:`."""

    min_tools: Count = 50
    """Catalogues with fewer tools are planned over whole."""
    shortlist: Count = 20
    """Tools on the shortlist."""


class Anneal(Section):
    """A number that moves in a straight line while training."""

    start: FiniteFloat
    """Value in the first epoch or step."""
    end: FiniteFloat
    """Value in the last one."""
    by: Literal["epoch", "step"] = "epoch"
    """What it moves with."""


class Params(Section):
    """The whole of params.yaml."""

    seed: int = 0
    """Seed of everything that is drawn."""
    plugins: tuple[str, ...] = ()
    """Third-party and optional parts that may be used, by name."""
    tracker: str = "mlflow"
    """Where runs are recorded: `mlflow`, `jsonl`, `wandb` or `none`."""
    machine: Machine = Machine()
    backbone: Backbone = Backbone()
    data: Data = Data()
    labelling: Labelling = Labelling()
    t_inf: TInf = TInf()
    encoder: Encoder = Encoder()
    temporal: Temporal = Temporal()
    reading: Reading = Reading()
    lora: Lora = Lora()
    decoder: Decoder = Decoder()
    training: Training = Training()
    tva: Tva = Tva()
    moe: Moe = Moe()
    bistate: Bistate = Bistate()
    voter: Voter = Voter()
    retriever: Retriever = Retriever()
    schedules: dict[str, Annotated[int, Field(ge=0)] | Anneal] = {}
    """`enable_NAME_at_epoch` (counted from 0) for a plug-in, {start, end, by} for a value that a plug-in anneals."""
    options: dict[str, dict[str, Any]] = {}
    """Options of parts from other packages, by the part's name."""


def load_params(path: Path) -> Params:
    """params.yaml, checked whole: every wrong key is named with its path."""
    from ruamel.yaml import YAML  # YAML 1.2, as DVC reads it: 2e-05 is a number
    from ruamel.yaml.error import YAMLError

    try:
        raw = YAML(typ="safe").load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, YAMLError) as error:
        raise UserError(f"{path.name}: cannot be read: {' '.join(str(error).split())}") from error
    return parse_params(raw or {}, path.name)


def parse_params(raw: Any, where: str = "params.yaml") -> Params:
    """A `Params` from plain data, all mistakes reported together."""
    try:
        return Params.model_validate(raw)
    except ValidationError as error:
        lines = [f"{where}: {'.'.join(map(str, e['loc']))}: {_reason(e)}" for e in error.errors()]
        raise UserError("\n".join(lines)) from error


def _reason(error: Any) -> str:
    if error["type"] == "extra_forbidden":
        return "unknown key; remove it or correct its name"
    return f"{error['msg']} (got {error['input']!r})"
