"""The seven situations in which a part is not what it was asked to be, with and without --strict."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from tomas.config import parse_params
from tomas.errors import UserError
from tomas.kernel.checks import check_parts
from tomas.kernel.fallback import Resolution, parts_of_planner, parts_record, record_as_tags, resolve
from tomas.kernel.spec import Kind, PartSpec
from tomas.registry import Registry
from tomas.training.hooks import Hooks


class Observer:
    observer = True

    def on_evaluate_end(self) -> None:
        raise ValueError("broken")


def registry() -> Registry:
    kinds = {
        "attention": Kind("attention", "", default="fused", chain=("fast", "gpu", "fused", "plain")),
        "retriever": Kind("retriever", "", default="words", chain=("meaning", "words")),
        "observer": Kind("observer", "", many=True),
    }
    parts = (
        PartSpec("attention", "fast", "m:a", "", needs=("not_there",), extra="cuda", numerics="approximate"),
        PartSpec("attention", "gpu", "m:a", "", device="cuda", numerics="approximate"),
        PartSpec("attention", "fused", "m:a", "", numerics="exact"),
        PartSpec("attention", "plain", "m:a", "", dtypes=("float32",), numerics="approximate"),
        PartSpec("attention", "other", "m:a", "", needs=("not_there",), extra="cuda"),
        PartSpec("retriever", "meaning", "m:a", "", needs=("not_there",)),
        PartSpec("retriever", "words", "m:a", "", numerics="exact"),
        PartSpec("observer", "first", "m:a", ""),
        PartSpec("observer", "second", "m:a", "", distribution="far-away"),
    )
    return Registry(kinds, parts)


def asked(kind: str, name: str, **options: Any) -> Callable[[bool], Resolution]:
    return lambda strict: resolve(kind, name, strict=strict, registry=registry(), **options)


def bad_config(_strict: bool) -> Any:
    return check_parts(parse_params({"moe": {"experts": 1}}))


def raising_observer(_strict: bool) -> int:
    hooks = Hooks({"observer": Observer()})
    hooks.call.on_evaluate_end(metrics={})
    return hooks.failures["observer"]


SITUATIONS = {
    "unknown name": (asked("attention", "fsat"), "Did you mean fast", "Did you mean fast"),
    "bad config": (bad_config, r"moe\.experts", r"moe\.experts"),
    "missing package": (
        asked("attention", "fast"),
        Resolution("attention", "fast", "fused", 'not_there is not installed; pip install "tomas[cuda]"'),
        "without --strict 'fused' would be used",
    ),
    "no device": (
        asked("attention", "gpu"),
        Resolution("attention", "gpu", "fused", "it needs a CUDA device and a CUDA build of torch"),
        "without --strict 'fused' would be used",
    ),
    "untrained site": (
        asked("retriever", "meaning"),
        Resolution("retriever", "meaning", "words", "not_there is not installed; pip install not_there"),
        "without --strict 'words' would be used",
    ),
    "trained weights": (
        asked("retriever", "meaning", trained_with="meaning"),
        "trained with retriever 'meaning', and 'words' computes something else.*pip install not_there",
        "trained with retriever 'meaning', and 'words' computes something else.*pip install not_there",
    ),
    "raising observer": (raising_observer, 1, "failed in on_evaluate_end"),
}


@pytest.mark.parametrize("strict", [False, True], ids=["lenient", "strict"])
@pytest.mark.parametrize("situation", SITUATIONS)
def test_each_situation_ends_as_the_table_says(
    situation: str, strict: bool, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("TOMAS_STRICT", "1" if strict else "0")
    monkeypatch.setattr("tomas.kernel.availability.has_cuda", lambda: False)
    action, *outcomes = SITUATIONS[situation]
    expected = outcomes[strict]
    if isinstance(expected, str):
        with pytest.raises(UserError, match=expected):
            action(strict)
    else:
        assert action(strict) == expected
        assert len(caplog.records) == 1  # said once


def test_a_part_that_works_is_used_without_a_word(caplog: pytest.LogCaptureFixture) -> None:
    assert asked("attention", "fused")(True) == Resolution("attention", "fused", "fused")
    assert not caplog.records


def test_auto_takes_the_first_that_works_even_when_strict() -> None:
    assert asked("attention", "auto")(True) == Resolution("attention", "auto", "fused")


def test_a_number_format_a_part_cannot_compute_in_counts_as_unavailable() -> None:
    with pytest.raises(UserError, match="it computes in float32, not in bfloat16"):
        asked("attention", "plain", dtype="bfloat16")(False)


def test_trained_weights_may_cross_to_the_same_function() -> None:
    assert asked("attention", "fast", trained_with="fast")(False).used == "fused"


def test_a_part_without_a_chain_says_what_to_install() -> None:
    with pytest.raises(UserError, match=r'pip install "tomas\[cuda\]"'):
        asked("attention", "other")(False)


def test_the_record_of_a_planner_is_json_and_loads_the_same_parts() -> None:
    parts = registry()
    resolutions = [resolve("attention", "fast", registry=parts), resolve("retriever", "words", registry=parts)]
    record = json.loads(json.dumps(parts_record(resolutions, parts)))
    assert record["attention"]["requested"] == "fast"
    assert record_as_tags(record) == {
        "part.attention.requested": "fast",
        "part.attention.used": "fused",
        "part.attention.reason": 'not_there is not installed; pip install "tomas[cuda]"',
        "part.retriever.requested": "words",
        "part.retriever.used": "words",
    }
    assert [item.used for item in parts_of_planner(record, registry=parts)] == ["fused", "words"]


def test_every_observer_is_recorded_and_none_is_needed_to_load() -> None:
    parts = registry()
    record = parts_record([resolve("observer", name, registry=parts) for name in ("first", "second")], parts)
    assert list(record) == ["observer.first", "observer.second"]
    assert parts_of_planner(record) == []


def test_a_planner_of_an_absent_package_says_which_to_install() -> None:
    record = {
        "attention": {"requested": "a", "used": "a", "reason": None, "distribution": "far-away", "version": "3.1"}
    }
    with pytest.raises(UserError, match=r"pip install far-away==3\.1"):
        parts_of_planner(record, registry=registry())
