"""A small neural network in NumPy: dense layers with ReLU between them, and its backward pass."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from common import Array


@dataclass(frozen=True)
class Network:
    """Dense layers of the given sizes; all weights are one vector."""

    sizes: tuple[int, ...]

    def initial(self, seed: int) -> Array:
        """Draw weights with variance 2/(number of inputs), biases 0 (He et al., 1502.01852)."""
        rng = np.random.default_rng(seed)
        parts = [
            np.concatenate([rng.normal(0.0, np.sqrt(2.0 / n), size=n * m), np.zeros(m)])
            for n, m in pairwise(self.sizes)
        ]
        return np.concatenate(parts)

    def layers(self, weights: Array) -> list[tuple[Array, Array]]:
        """Return matrices and biases as views."""
        found, begin = [], 0
        for n, m in pairwise(self.sizes):
            end = begin + n * m
            found.append((weights[begin:end].reshape(n, m), weights[end : end + m]))
            begin = end + m
        return found

    def evaluate(self, weights: Array, events: Array) -> list[Array]:
        """Return the inputs of each layer, and the output last, shape (n_events, n_outputs)."""
        values = [events]
        layers = self.layers(weights)
        for i, (matrix, bias) in enumerate(layers):
            output = values[-1] @ matrix + bias
            values.append(output if i == len(layers) - 1 else np.maximum(output, 0.0))
        return values

    def pull_back(self, weights: Array, values: list[Array], cotangents: Array) -> Array:
        """Return the derivatives of sum(cotangents * output) with respect to all weights."""
        parts: list[Array] = []
        for (matrix, _), entering in zip(
            reversed(self.layers(weights)), reversed(values[:-1]), strict=True
        ):
            parts = [(entering.T @ cotangents).ravel(), cotangents.sum(axis=0), *parts]
            cotangents = (cotangents @ matrix.T) * (entering > 0.0)
        return np.concatenate(parts)


def sigmoid(x: Array) -> Array:
    """Return 1/(1 + exp(-x)) without overflow."""
    return 0.5 * (1.0 + np.tanh(0.5 * x))


def softmax(x: Array) -> Array:
    """Return exponentials, normalised along the last axis."""
    weights = np.exp(x - x.max(axis=-1, keepdims=True))
    shares: Array = weights / weights.sum(axis=-1, keepdims=True)
    return shares


def cross_entropy(
    network: Network, weights: Array, signal: Array, background: Array
) -> tuple[float, Array]:
    """Return the cross-entropy of a network with one output, and its gradient.

    Both classes have the same weight, whatever their numbers of events.
    """
    events = np.concatenate([signal, background])
    labels = np.concatenate([np.ones(len(signal)), np.zeros(len(background))])
    shares = np.where(labels == 1.0, 0.5 / len(signal), 0.5 / len(background))
    values = network.evaluate(weights, events)
    logits = values[-1][:, 0]
    loss = float(np.sum(shares * (np.logaddexp(0.0, logits) - labels * logits)))
    cotangents = shares * (sigmoid(logits) - labels)
    return loss, network.pull_back(weights, values, cotangents[:, None])
