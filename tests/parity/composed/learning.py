"""Layers, losses and models as they are trained."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.parity.composed.table import program

LABELS = np.array([1, 0, 2, 1])


def norm(xp: Any, x: Any) -> Any:
    x = x - xp.mean(x, axis=-1, keepdims=True)
    return x / xp.sqrt(xp.mean(x * x, axis=-1, keepdims=True) + 1e-5)


def chosen(xp: Any, logs: Any) -> Any:
    return xp.take_along_axis(logs, xp.asarray(LABELS)[:, None], axis=1)[:, 0]


@program((4, 6), (6, 3), (6,))
def normed_softmax_cross_entropy(xp: Any, x: Any, w: Any, gain: Any) -> Any:
    return -xp.mean(chosen(xp, xp.log_softmax((norm(xp, x) * gain) @ w, axis=-1)))


@program((2, 5, 8), (8, 24), (8, 8))
def attention_block(xp: Any, x: Any, w: Any, out: Any) -> Any:
    split = lambda t: xp.permute_dims(t.reshape(2, 5, 2, 4), (0, 2, 1, 3))
    q, k, v = (split(t) for t in xp.split(norm(xp, x) @ w, 3, axis=-1))
    scores = q @ xp.permute_dims(k, (0, 1, 3, 2)) / 2.0
    mask = xp.asarray(np.tril(np.ones((5, 5), bool)))
    y = xp.softmax(xp.where(mask, scores, -1e9), axis=-1) @ v
    return x + xp.permute_dims(y, (0, 2, 1, 3)).reshape(2, 5, 8) @ out


@program((4, 2, 6, 6), (3, 2, 3, 3), (12, 3))
def convolution_with_batch_norm(xp: Any, x: Any, w: Any, out: Any) -> Any:
    y = xp.conv2d(x, 0.3 * w, padding=1)
    mean = xp.mean(y, axis=(0, 2, 3), keepdims=True)
    var = xp.mean((y - mean) ** 2, axis=(0, 2, 3), keepdims=True)
    y = xp.avg_pool2d(xp.relu((y - mean) / xp.sqrt(var + 1e-5)), 3)
    return -xp.mean(chosen(xp, xp.log_softmax(y.reshape(4, 12) @ out, axis=-1)))


@program((4, 3), (3, 6), (6,))
def mixture_density(xp: Any, x: Any, w: Any, y: Any) -> Any:
    pi, mean = xp.split(x @ w, 2, axis=-1)
    logs = xp.log_softmax(pi, axis=-1) - 0.5 * (y[:4, None] - mean) ** 2
    return -xp.mean(xp.logsumexp(logs, axis=-1))


@program((4, 5), (5, 4), (2, 5), (4, 2))
def variational_bound(xp: Any, x: Any, encoder: Any, decoder: Any, noise: Any) -> Any:
    mean, log = xp.split(x @ encoder, 2, axis=-1)
    logits = (mean + xp.exp(0.5 * log) * noise) @ decoder
    like = xp.sum(xp.sigmoid(x) * logits - xp.softplus(logits), axis=-1)
    divergence = 0.5 * xp.sum(mean**2 + xp.exp(log) - 1 - log, axis=-1)
    return divergence - like


@program((3, 3), (3,), (4, 3))
def normalising_flow(xp: Any, w: Any, b: Any, xs: Any) -> Any:
    """log p(x) = log N(f(x)) + log |det df/dx|."""
    f = lambda x: x + 0.3 * xp.tanh(w @ x + b)
    logp = lambda x: -0.5 * xp.sum(f(x) ** 2) + xp.linalg.slogdet(xp.jacfwd(f)(x))[1]
    return xp.vmap(logp)(xs)


@program((4, 3), (3, 4), (4, 4))
def autoencoder_with_contraction(xp: Any, x: Any, w: Any, u: Any) -> Any:
    code = lambda row: xp.sigmoid(row @ w)
    j = xp.vmap(xp.jacrev(code))(x)
    return xp.mean((code(x) @ u[:, :3] - x) ** 2) + xp.sum(j * j)


@program((5, 4), (5, 4))
def contrastive_loss(xp: Any, a: Any, b: Any) -> Any:
    unit = lambda t: t / xp.sqrt(xp.sum(t * t, axis=-1, keepdims=True))
    logits = unit(a) @ unit(b).T / 0.5
    return -xp.mean(xp.diagonal(xp.log_softmax(logits, axis=1) + xp.log_softmax(logits, axis=0)))


@program((3, 4), (4,), (4,), (4, 3))
def momentum_training_by_scan(xp: Any, w: Any, v: Any, y: Any, xs: Any) -> Any:
    loss = lambda p: xp.mean((xp.tanh(xs @ p["w"]) @ p["v"] - y) ** 2)

    def step(s: Any, _: Any) -> Any:
        p, m = s
        g = xp.grad(loss)(p)
        m = {k: 0.9 * m[k] + g[k] for k in m}
        return ({k: p[k] - 0.1 * m[k] for k in p}, m), loss(p)

    zero = {"w": xp.zeros_like(w), "v": xp.zeros_like(v)}
    (p, _), losses = xp.scan(step, ({"w": w, "v": v}, zero), None, length=4)
    return p["w"], losses


@program((5, 5), (5, 3), (3, 2))
def graph_convolution(xp: Any, a: Any, x: Any, w: Any) -> Any:
    links = xp.sigmoid(a + a.T)
    d = 1.0 / xp.sqrt(xp.sum(links, axis=1))
    return xp.log_softmax(xp.tanh((d[:, None] * links * d) @ x @ w), axis=-1)


@program((4, 3), (3, 3, 4), (3, 3))
def mixture_of_experts(xp: Any, x: Any, experts: Any, gate: Any) -> Any:
    weights = xp.softmax(x @ gate, axis=-1)
    return xp.einsum("be,bec->bc", weights, xp.vmap(lambda w: xp.tanh(x @ w), out_axes=1)(experts))


@program((6,), (6,), (6,))
def policy_gradient_with_clipping(xp: Any, new: Any, old: Any, gain: Any) -> Any:
    ratio = xp.exp(0.3 * (new - old))
    return -xp.mean(xp.minimum(ratio * gain, xp.clip(ratio, 0.8, 1.2) * gain))


@program((5, 4), (5, 3), (5, 3), (4,))
def linear_attention_by_scan(xp: Any, v: Any, k: Any, q: Any, decay: Any) -> Any:
    def step(s: Any, row: Any) -> Any:
        v, k, q = row
        s = xp.sigmoid(decay)[:, None] * s + v[:, None] * xp.softplus(k)
        return s, s @ q

    return xp.scan(step, 0.0 * v[0][:, None] * k[0], (v, k, q))[1]


@program((4,), (4, 3))
def huber_regression_gradients(xp: Any, y: Any, x: Any) -> Any:
    loss = lambda w: xp.sum(xp.where(xp.abs(x @ w - y) < 1, (x @ w - y) ** 2, xp.abs(x @ w - y)))
    return xp.grad(loss)(x[0]), xp.hessian(loss)(x[0])
