"""What is computed once is what would be computed again."""

from pathlib import Path

import numpy as np
import pytest
import torch

from tests.encoder.small import CATALOGUE
from tests.planner.small import untrained
from tomas.backbone.prepacked import Prepacked
from tomas.domain import oracle
from tomas.domain.request import Request
from tomas.domain.resources import SIZES
from tomas.domain.timeline import Timeline
from tomas.planner.artifact import read_artifact, write_spec
from tomas.planner.calibration import softmax
from tomas.planner.lexicon import learn_lexicon
from tomas.planner.predictor import Case, Prediction, Predictor

FREE, FULL = (8.0, 16.0, 100.0, 8.0), (0.0, 0.0, 0.0, 0.0)


@pytest.fixture(scope="module")
def predictor(tmp_path_factory: pytest.TempPathFactory) -> Predictor:
    folder: Path = untrained(tmp_path_factory.mktemp("planner") / "planner")
    return Predictor(read_artifact(folder))


def cases() -> list[Case]:
    """Ready at T_inf, free only later, and never free."""
    timelines = {"ready": [FREE, FREE], "wait": [FULL, FREE], "infeasible": [FULL, FULL]}
    return [
        Case(Request(text=f"sharpen the {word} images"), Timeline(np.array([0.0, 900.0]), np.array(free)), 300.0)
        for word, free in timelines.items()
    ]


@torch.inference_mode()
def test_configurations_are_looked_up_by_the_window_from_the_moment_the_run_starts(predictor: Predictor) -> None:
    asked = cases()
    tokens = predictor.backbone.tokenize([case.request.text for case in asked], 50)
    decision = predictor.decide(asked, tokens)
    found = predictor.decode(decision, asked)
    assert [prediction.start_ms for prediction in found] == [300.0, 900.0, 300.0]
    decoder = predictor.heads.decoder
    for row, (case, prediction) in enumerate(zip(asked, found, strict=True)):
        window = torch.from_numpy(predictor.window.read(case.timeline, prediction.start_ms))[None]
        tool, size = torch.tensor([prediction.tool_id]), torch.tensor([SIZES.index(prediction.size)])
        query = decoder.ask(decision.state_BH[row : row + 1], predictor.heads.temporal(window), tool, size)
        expected = decoder.score(query, torch.from_numpy(prediction.ids)[None])[0]
        torch.testing.assert_close(torch.from_numpy(prediction.config_logits).float(), expected, rtol=1e-4, atol=1e-4)


def test_a_case_asks_the_oracle_once_for_each_choice_of_configurations(predictor: Predictor) -> None:
    for case in cases():
        for tool, size in ((0, "small"), (0, "large"), (2, "small")):
            ids = CATALOGUE.ids(tool, size)
            found = case.decide(CATALOGUE, ids, predictor.capacity)
            again = oracle.decide(case.timeline, case.t_inf_ms, CATALOGUE, ids, predictor.capacity)
            assert (found.status, found.start_ms, found.best) == (again.status, again.start_ms, again.best)
            assert case.decide(CATALOGUE, ids.copy(), predictor.capacity) is found


def test_language_model_and_lexicon_say_together_which_tool_and_whether_there_is_one(tmp_path: Path) -> None:
    """As much as the weights in planner.json give each of them to say."""
    folder, asked, names = untrained(tmp_path / "planner"), cases(), CATALOGUE.tools.names
    texts = [case.request.text for case in asked] * 5 + ["tell me a joke", "what a nice day"] * 5
    truth = np.array([len(names) - 1] * 15 + [-1] * 10)
    learn_lexicon(texts, truth, len(names), seed=0).save(folder)
    spec = read_artifact(folder).spec

    def predict(**weights: tuple[float, ...]) -> list[Prediction]:
        write_spec(folder, spec.model_copy(update=weights))
        return Predictor(read_artifact(folder)).predict(asked)

    alone, both = predict(), predict(tool_weights=(0.5, 2.0), gate_weights=(0.0, 0.0, 3.0, 0.0))
    for before, after in zip(alone, both, strict=True):
        model, lexicon = after.opinions
        assert np.log(before.tool_probabilities) == pytest.approx(model, abs=1e-5)
        assert np.exp(lexicon).sum() < 1  # the rest speaks for no tool
        assert after.tool_probabilities == pytest.approx(softmax(0.5 * model + 2.0 * lexicon), abs=1e-6)
        assert after.tool_id == len(names) - 1
        assert after.serviceable == pytest.approx(1 / (1 + np.exp(-3.0 * after.evidence[2])))
        assert after.serviceable > 0.9


def test_weights_are_laid_out_from_the_second_pass_on_and_say_the_same(tmp_path: Path) -> None:
    backbone = {"name": "tiny", "dtype": "bfloat16"}
    predictor = Predictor(read_artifact(untrained(tmp_path / "planner", backbone=backbone)))

    def laid_out() -> int:
        return sum(isinstance(module, Prepacked) for module in predictor.backbone.body.modules())

    first = predictor.predict(cases())
    assert not laid_out()
    for before, after in zip(first, predictor.predict(cases()), strict=True):
        assert np.array_equal(before.tool_probabilities, after.tool_probabilities)
        assert np.array_equal(before.config_logits, after.config_logits)
    assert laid_out()
