"""How good the configuration vectors are, measured without the task they were trained on."""

import math

import numpy as np
import torch

from tomas.domain.catalogue import Catalogue
from tomas.encoder.export import configuration_vectors
from tomas.encoder.model import ResourceEncoder
from tomas.encoder.pretraining import PretrainingTask
from tomas.encoder.resource import scaled

SAID_SHARE = 1 / 5
"""Saying is measured on a share of the rows, drawn at random: in profiled grids every third row has the same memory."""
FEATURES = ("input_size", "cpu_core", "cpu_mem_gb", "gpu_sm", "gpu_mem_gb", "latency_ms")


def encoder_quality(task: PretrainingTask, catalogue: Catalogue, seed: int) -> dict[str, object]:
    """Loss and accuracy of saying rows, and the alpha, retention, recoverability and identification of the vectors."""
    encoder = task.encoder.eval()
    vectors_NH = configuration_vectors(encoder, catalogue)
    semantics_NH = encoder.semantics.cpu()[torch.from_numpy(np.array(catalogue.tool_id))]
    retention = torch.nn.functional.cosine_similarity(vectors_NH, semantics_NH, dim=1).mean()
    return {
        **said(task, seed),
        "alpha": encoder.alpha,
        "semantic_retention": float(retention),
        "recoverability": recoverability(vectors_NH, catalogue),
        "identification": identification(encoder, vectors_NH, catalogue, task.params.jitter, seed),
    }


@torch.no_grad()
def said(task: PretrainingTask, seed: int) -> dict[str, float]:
    """Mean loss a token, and accuracy on all and on value tokens, without jitter."""
    drawn = np.random.default_rng(seed).permutation(len(task.tokens))[: math.ceil(len(task.tokens) * SAID_SHARE)]
    rows = sorted(drawn.tolist(), key=lambda i: len(task.tokens[i]))
    losses, rights, values = [], [], []
    for start in range(0, len(rows), 4 * task.params.batch_size):
        chosen = rows[start : start + 4 * task.params.batch_size]
        batch = task.rows(chosen, task.vectors_N6[chosen])
        loss_M, right_M = task.say(batch)
        losses.append(loss_M)
        rights.append(right_M)
        values.append(right_M[batch.is_value_BT[batch.labels_BT >= 0]])
    return {
        "final_loss": float(torch.cat(losses).mean()),
        "token_accuracy": float(torch.cat(rights).float().mean()),
        "value_token_accuracy": float(torch.cat(values).float().mean()),
    }


def recoverability(vectors_NH: torch.Tensor, catalogue: Catalogue) -> dict[str, float | None]:
    """R2 of a ridge regression from the vectors to each number (on its training scale), on held-out rows."""
    target_NF = scaled(torch.tensor(catalogue.vector6(), dtype=torch.float32)).numpy().astype(np.float64)
    x_NH = vectors_NH.numpy().astype(np.float64)
    held = np.arange(len(x_NH)) % 5 == 0
    mean_H, mean_F = x_NH[~held].mean(axis=0), target_NF[~held].mean(axis=0)
    a, b = x_NH[~held] - mean_H, target_NF[~held] - mean_F
    penalty = 1e-3 * np.trace(a.T @ a) / a.shape[1]
    weights = np.linalg.solve(a.T @ a + penalty * np.eye(a.shape[1]), a.T @ b)
    residual = ((target_NF[held] - (x_NH[held] - mean_H) @ weights - mean_F) ** 2).sum(axis=0)
    spread = ((target_NF[held] - target_NF[held].mean(axis=0)) ** 2).sum(axis=0)
    return {name: float(1 - r / s) if s > 0 else None for name, r, s in zip(FEATURES, residual, spread, strict=True)}


@torch.no_grad()
def identification(
    encoder: ResourceEncoder, vectors_NH: torch.Tensor, catalogue: Catalogue, jitter: float, seed: int
) -> float:
    """Share of rows whose jittered copy has the row itself as its nearest neighbour."""
    noise_N6 = np.random.default_rng(seed).uniform(-1, 1, (len(catalogue), len(FEATURES))) * jitter
    noisy_N6 = torch.from_numpy(catalogue.vector6() * (1 + noise_N6)).float()
    noisy_NH = encoder(torch.from_numpy(np.array(catalogue.tool_id)), noisy_N6).cpu()
    nearest_N = torch.cdist(noisy_NH, vectors_NH).argmin(dim=1)
    return float((nearest_N == torch.arange(len(vectors_NH))).float().mean())
