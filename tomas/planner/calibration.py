"""What is fitted on validation after training: how much each opinion on the tool weighs, and the gate."""

from collections.abc import Sequence

import numpy as np

from tomas.domain.resources import Bools, Floats, Ints

LEAST, MOST = 0.05, 20.0
"""Of the weight of an opinion."""


def softmax(logits: Floats, temperature: float = 1.0) -> Floats:
    """Give probabilities along the last axis; -inf becomes 0."""
    scaled = np.asarray(logits, dtype=np.float64) / temperature
    weights = np.exp(scaled - scaled.max(axis=-1, keepdims=True))
    probabilities: Floats = weights / weights.sum(axis=-1, keepdims=True)
    return probabilities


def fit_opinions(opinions_EOK: Floats, tool_id: Ints) -> tuple[float, ...]:
    """Give the weights under which opinions [E, O, K], added up, make the true tools [E] most likely.

    Each is a model's log-probabilities. The likelihood has one peak. Where every tool is right it grows for ever with
    the weights; the search then ends at the largest ones. The first opinion is never taken for nothing: its order
    of the tools is all there is to go by where examples are too few to say anything.
    """
    from scipy.optimize import minimize

    count, opinions = opinions_EOK.shape[1], np.asarray(opinions_EOK, dtype=np.float64)
    if not len(tool_id):
        return (1.0, *[0.0] * (count - 1))
    true_EO = opinions[np.arange(len(tool_id)), :, tool_id]

    def surprise(weights: Floats) -> tuple[float, Floats]:
        together_EK = weigh(opinions, weights)
        peak_E1 = together_EK.max(axis=1, keepdims=True)
        total_E = np.log(np.exp(together_EK - peak_E1).sum(axis=1)) + peak_E1[:, 0]
        expected_EO = np.einsum("eok,ek->eo", opinions, softmax(together_EK))
        return float((total_E - true_EO @ weights).mean()), (expected_EO - true_EO).mean(axis=0)

    bounds = [(LEAST, MOST), *[(0.0, MOST)] * (count - 1)]
    found = minimize(surprise, np.full(count, 1 / count), jac=True, method="L-BFGS-B", bounds=bounds)
    return tuple(float(weight) for weight in found.x)


def weigh(opinions_EOK: Floats, weights: Sequence[float] | Floats) -> Floats:
    """Give the logits [E, K] of all opinions together."""
    together: Floats = np.einsum("eok,o->ek", opinions_EOK, np.asarray(weights))
    return together


def serviceable(evidence_EF: Floats, weights: Sequence[float] | Floats) -> Floats:
    """Give the probability that a tool serves each request, by the weights of `fit_gate`."""
    logits: Floats = np.asarray(evidence_EF) @ np.asarray(weights)[:-1] + weights[-1]
    return 1 / (1 + np.exp(-np.clip(logits, -50, 50)))


def fit_gate(evidence_EF: Floats, is_serviceable: Bools) -> tuple[float, ...]:
    """Give the weight of each kind of evidence [E, F], and the bias, of a logistic regression.

    The gate knows the requests it was trained on; what all tools weigh together is low for those that are like nothing
    seen, and the lexicon goes by words. A slight pull to zero keeps the weights finite where the two kinds can be told
    apart without a mistake.
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
