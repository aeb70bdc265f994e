"""What is fitted on validation after training: the temperature of the tool's probabilities, the gate's threshold."""

from collections.abc import Sequence

import numpy as np

from tomas.domain.resources import Bools, Floats, Ints

TEMPERATURES = (0.05, 20.0)
GOLDEN = (np.sqrt(5.0) - 1.0) / 2.0


def softmax(logits: Floats, temperature: float = 1.0) -> Floats:
    """Give probabilities along the last axis; -inf becomes 0."""
    scaled = np.asarray(logits, dtype=np.float64) / temperature
    weights = np.exp(scaled - scaled.max(axis=-1, keepdims=True))
    probabilities: Floats = weights / weights.sum(axis=-1, keepdims=True)
    return probabilities


def fit_temperature(logits: Floats, tool_id: Ints) -> float:
    """Give the temperature under which logits [E, K] say the true tools [E] most likely: 1 where there are none.

    The likelihood has one peak over log temperature, so a golden-section search finds it. Where every tool is right
    the likelihood grows for ever as the temperature falls; the search then ends at the lowest one.
    """
    if not len(tool_id):
        return 1.0

    def surprise(log_temperature: float) -> float:
        scaled = np.asarray(logits, dtype=np.float64) / np.exp(log_temperature)
        scaled -= scaled.max(axis=1, keepdims=True)
        return float((np.log(np.exp(scaled).sum(axis=1)) - scaled[np.arange(len(tool_id)), tool_id]).mean())

    low, high = np.log(TEMPERATURES[0]), np.log(TEMPERATURES[1])
    while high - low > 1e-4:
        left, right = high - GOLDEN * (high - low), low + GOLDEN * (high - low)
        if surprise(left) <= surprise(right):
            high = right
        else:
            low = left
    return float(np.exp((low + high) / 2))


def serviceable(evidence_EF: Floats, weights: Sequence[float] | Floats) -> Floats:
    """Give the probability that a tool serves each request, by the weights of `fit_gate`."""
    logits: Floats = np.asarray(evidence_EF) @ np.asarray(weights)[:-1] + weights[-1]
    return 1 / (1 + np.exp(-np.clip(logits, -50, 50)))


def fit_gate(evidence_EF: Floats, is_serviceable: Bools) -> tuple[float, ...]:
    """Give the weight of each kind of evidence [E, F], and the bias, of a logistic regression.

    The gate knows the requests it was trained on; what all tools weigh together is low for those that are like nothing
    seen. A slight pull to zero keeps the weights finite where the two kinds can be told apart without a mistake.
    """
    count = evidence_EF.shape[1]
    if is_serviceable.all() or not is_serviceable.any():
        return (1.0, *([0.0] * count))
    spread_F = evidence_EF.std(axis=0) + 1e-9
    design_EG = np.column_stack([evidence_EF / spread_F, np.ones(len(evidence_EF))])
    weights_G = np.zeros(count + 1)
    pull_G = np.append(np.full(count, 1e-3), 0.0) * len(evidence_EF)
    for _ in range(50):  # Newton's steps: convex, so they end at the one best place
        p_E = serviceable(design_EG[:, :-1], weights_G)
        slope_G = design_EG.T @ (p_E - is_serviceable) + pull_G * weights_G
        curvature_GG = (design_EG.T * (p_E * (1 - p_E) + 1e-6)) @ design_EG + np.diag(pull_G)
        step_G = np.linalg.solve(curvature_GG, slope_G)
        weights_G -= step_G
        if np.abs(step_G).max() < 1e-8:
            break
    return tuple(float(w) for w in np.append(weights_G[:-1] / spread_F, weights_G[-1]))


def fit_gate_threshold(serviceable: Floats, is_serviceable: Bools, refuse_at_most: float = 0.01) -> float:
    """Give the probability [E] below which a request is refused.

    It refuses less than this share of the serviceable requests. Among such thresholds it is the one that separates
    the two kinds best, and where several do, the middle of the gap, which leaves the most room to requests of a new
    kind. Without requests that no tool serves it is 0: nothing says what to refuse.
    """
    scores = np.asarray(serviceable, dtype=np.float64)
    ours, others = np.sort(scores[is_serviceable]), np.sort(scores[~is_serviceable])
    if not len(ours) or not len(others):
        return 0.0
    levels = np.unique(scores)
    # refused are those below the threshold, so each gap between two neighbouring scores, and its ends, is one choice
    refused_ours = np.searchsorted(ours, levels, side="left") / len(ours)
    refused_others = np.searchsorted(others, levels, side="left") / len(others)
    gain = np.where(refused_ours < refuse_at_most, refused_others - refused_ours, -np.inf)
    best = int(np.argmax(gain))
    below = levels[best - 1] if best else 0.0
    return float((below + levels[best]) / 2)


def normalised_entropy(probabilities: Floats) -> float:
    """Entropy as a share of the largest there can be: 0 when sure, 1 when all are alike."""
    if len(probabilities) < 2:
        return 0.0
    positive = probabilities[probabilities > 0]
    return float(-(positive * np.log(positive)).sum() / np.log(len(probabilities)))
