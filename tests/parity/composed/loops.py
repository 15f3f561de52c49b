"""Loops, branches and what is built of them."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.parity.composed.table import program


def recurrence(xp: Any, w: Any) -> Any:
    def step(h: Any, x: Any) -> Any:
        h = xp.tanh(w @ h + x)
        return h, xp.sum(h * h)

    return step


@program((3, 3), (3,), (5, 3))
def scan(xp: Any, w: Any, h: Any, xs: Any) -> Any:
    return xp.scan(recurrence(xp, w), h, xs)


@program((3, 3), (3,), (5, 3))
def scan_in_reverse_unrolled(xp: Any, w: Any, h: Any, xs: Any) -> Any:
    return xp.scan(recurrence(xp, w), h, xs, reverse=True, unroll=2)


@program((3, 3), (3,), (5, 3))
def scan_with_checkpoint(xp: Any, w: Any, h: Any, xs: Any) -> Any:
    return xp.scan(xp.checkpoint(recurrence(xp, w)), h, xs)


@program((3, 3), (3,), (4, 2, 3))
def scan_of_scans(xp: Any, w: Any, h: Any, xs: Any) -> Any:
    return xp.scan(lambda s, x: xp.scan(recurrence(xp, w), s, x), h, xs)


@program((3, 3), (3,), (4, 3))
def hessian_through_a_scan(xp: Any, w: Any, h: Any, xs: Any) -> Any:
    return xp.hessian(lambda s: xp.scan(recurrence(xp, w), s, xs)[1].sum())(h)


@program((2, 3, 3), (3,), (5, 3))
def vmap_of_scan(xp: Any, w: Any, h: Any, xs: Any) -> Any:
    return xp.vmap(lambda m: xp.scan(recurrence(xp, m), h, xs))(w)


@program((3,), (3,))
def bounded_while(xp: Any, x: Any, y: Any) -> Any:
    go = lambda s: xp.sum(s[0] ** 2) < 50.0
    grow = lambda s: (s[0] * 1.5 + xp.sin(y), s[1] + 1.0)
    return xp.while_loop(go, grow, (x, xp.zeros_like(x[0])), max_steps=12)


@program((3,), (3, 3))
def fori_loop_of_products(xp: Any, x: Any, a: Any) -> Any:
    return xp.fori_loop(0, 4, lambda i, s: xp.tanh(a @ s) + 0.1 * i, x)


@program((3,), (6, 3))
def cond_inside_scan(xp: Any, h: Any, xs: Any) -> Any:
    def step(s: Any, x: Any) -> Any:
        s = xp.cond(x[0] > 0, lambda t: xp.sin(t) * x, lambda t: t * t + x[1], s)
        return s, s.sum()

    return xp.scan(step, h, xs)


@program((3,), (6, 3))
def switch_inside_scan(xp: Any, h: Any, xs: Any) -> Any:
    branches = [lambda s, x: s * x, lambda s, x: xp.tanh(s) + x, lambda s, x: s - x**2]

    def step(s: Any, both: Any) -> Any:
        i, x = both
        s = xp.switch(i, branches, s, x)
        return s, s[1]

    return xp.scan(step, h, (xp.asarray(np.array([0, 2, 1, 1, 0, 2])), xs))


@program((6, 2), (6, 2))
def associative_scan_of_affine_maps(xp: Any, a: Any, b: Any) -> Any:
    join = lambda f, g: (f[0] * g[0], g[0] * f[1] + g[1])
    return xp.associative_scan(join, (xp.tanh(a), b))


@program((4, 4), (4,))
def conjugate_gradients(xp: Any, a: Any, b: Any) -> Any:
    m = a @ a.T + 4.0 * xp.eye(4, dtype=a.dtype)

    def step(s: Any) -> Any:
        x, r, p, rr, k = s
        mp = m @ p
        alpha = rr / xp.sum(p * mp)
        r = r - alpha * mp
        new = xp.sum(r * r)
        return x + alpha * p, r, r + new / rr * p, new, k + 1

    start = (xp.zeros_like(b), b, b, xp.sum(b * b), 0 * b[0])
    return xp.while_loop(lambda s: s[4] < 3, step, start, max_steps=4)[0]


@program((4, 4), (4,))
def power_iteration(xp: Any, a: Any, v: Any) -> Any:
    def step(_: Any, u: Any) -> Any:
        u = a @ (a.T @ u)
        return u / xp.sqrt(xp.sum(u * u))

    u = xp.fori_loop(0, 6, step, v)
    return u, u @ (a @ (a.T @ u))


@program((2,), (3,))
def runge_kutta(xp: Any, y: Any, p: Any) -> Any:
    """Lotka and Volterra's equations, by the classical method of fourth order."""

    def slope(s: Any) -> Any:
        return xp.stack([s[0] * (p[0] - p[1] * s[1]), s[1] * (p[2] * s[0] - 1.0)])

    def step(s: Any, h: Any) -> Any:
        k1 = slope(s)
        k2 = slope(s + h / 2 * k1)
        k3 = slope(s + h / 2 * k2)
        k4 = slope(s + h * k3)
        s = s + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
        return s, s

    return xp.scan(step, y, xp.linspace(0.01, 0.1, 6, dtype=y.dtype))


@program((2,), (5, 2), (2, 5), (6, 2))
def neural_ode(xp: Any, y: Any, w: Any, out: Any, seen: Any) -> Any:
    """A network as the slope of a state, fitted to what is seen (Chen et al. 2018), by a scan."""
    slope = lambda s: 0.5 * out @ xp.tanh(w @ s)

    def step(s: Any, x: Any) -> Any:
        k1 = slope(s)
        k2 = slope(s + 0.1 * k1)
        k3 = slope(s + 0.1 * k2)
        s = s + 0.2 / 6 * (k1 + 2 * k2 + 2 * k3 + slope(s + 0.2 * k3))
        return s, xp.sum((s - x) ** 2)

    last, errors = xp.scan(step, y, seen)
    return last, xp.mean(errors)


@program((3,), (3,), (3, 3))
def symplectic_steps(xp: Any, q: Any, p: Any, w: Any) -> Any:
    """Leapfrog steps of H = p^2 / 2 + U(q), whose force is a gradient."""
    force = xp.grad(lambda x: xp.sum(xp.cos(w @ x)))

    def step(s: Any, _: Any) -> Any:
        q, p = s
        p = p - 0.05 * force(q)
        q = q + 0.1 * p
        return (q, p - 0.05 * force(q)), q[0]

    return xp.scan(step, (q, p), None, length=5)


@program((2, 2), (1, 2), (5, 1))
def kalman_filter(xp: Any, a: Any, c: Any, ys: Any) -> Any:
    eye = xp.eye(2, dtype=a.dtype)

    def step(s: Any, y: Any) -> Any:
        mean, cov = s
        mean, cov = a @ mean, a @ cov @ a.T + 0.1 * eye
        v = c @ cov @ c.T + xp.eye(1, dtype=a.dtype)
        gain = xp.linalg.solve(v, c @ cov).T
        error = y - c @ mean
        like = -0.5 * (error @ xp.linalg.solve(v, error) + xp.linalg.slogdet(v)[1])
        return (mean + gain @ error, (eye - gain @ c) @ cov), like

    return xp.scan(step, (xp.zeros_like(a[0]), eye), ys)


@program((3,), (3, 3), (6, 3))
def hidden_markov_forward(xp: Any, start: Any, moves: Any, emitted: Any) -> Any:
    moves, emitted = xp.log_softmax(moves, axis=1), xp.log_softmax(emitted, axis=1)
    step = lambda s, e: (xp.logsumexp(s[:, None] + moves, axis=0) + e, s)
    last, _ = xp.scan(step, xp.log_softmax(start, axis=0) + emitted[0], emitted[1:])
    return xp.logsumexp(last)


@program((7, 4))
def connectionist_classification(xp: Any, logits: Any) -> Any:
    """The loss of Graves et al. 2006 for one sequence; class 3 is the blank."""
    logs = xp.log_softmax(logits, axis=-1)
    path = np.array([3, 1, 3, 0, 3, 0, 3])
    skip = np.array([-1e5, -1e5, -1e5, 0.0, -1e5, -1e5, -1e5])
    low = xp.asarray(np.full(2, -1e5), dtype=logits.dtype)

    def step(s: Any, row: Any) -> Any:
        one, two = xp.concat([low[:1], s[:-1]]), xp.concat([low, s[:-2]])
        two = two + xp.asarray(skip, dtype=logits.dtype)
        s = xp.logsumexp(xp.stack([s, one, two]), axis=0) + xp.take(row, xp.asarray(path), axis=0)
        return s, None

    first = xp.asarray(np.array([0.0] + [-1e5] * 6), dtype=logits.dtype)
    return -xp.logsumexp(xp.scan(step, first, logs)[0][-2:])


@program((2, 8), (2, 8), (5, 3, 2), (2, 4))
def lstm_over_time(xp: Any, w: Any, u: Any, xs: Any, out: Any) -> Any:
    def step(s: Any, x: Any) -> Any:
        h, c = s
        i, f, g, o = xp.split(x @ w + h @ u, 4, axis=-1)
        c = xp.sigmoid(f) * c + xp.sigmoid(i) * xp.tanh(g)
        h = xp.sigmoid(o) * xp.tanh(c)
        return (h, c), h @ out

    return xp.scan(step, (xp.zeros_like(xs[0]), xp.zeros_like(xs[0])), xs)


@program((2, 6), (2, 6), (5, 3, 2))
def gru_over_time(xp: Any, w: Any, u: Any, xs: Any) -> Any:
    def step(h: Any, x: Any) -> Any:
        a, b = xp.split(x @ w, 3, axis=-1), xp.split(h @ u, 3, axis=-1)
        r, z = xp.sigmoid(a[0] + b[0]), xp.sigmoid(a[1] + b[1])
        h = (1 - z) * xp.tanh(a[2] + r * b[2]) + z * h
        return h, None

    return xp.scan(step, xs[0], xs)[0]


@program((4, 5))
def sinkhorn(xp: Any, cost: Any) -> Any:
    """Entropic transport between uniform weights (Cuturi 2013), in logarithms."""

    def step(_: Any, s: Any) -> Any:
        f = -xp.logsumexp(s[1][None, :] - cost, axis=1) - np.log(4.0)
        return f, -xp.logsumexp(f[:, None] - cost, axis=0) - np.log(5.0)

    f, g = xp.fori_loop(0, 5, step, (xp.zeros_like(cost[:, 0]), xp.zeros_like(cost[0])))
    return xp.exp(f[:, None] + g[None, :] - cost)


def newton(xp: Any) -> Any:
    """The root of x + x^3 = a, whose derivative is that of the implicit function."""
    residual = lambda x, a: x + x**3 - a

    @xp.custom_vjp
    def root(a: Any) -> Any:
        far = lambda s: (xp.max(xp.abs(residual(s[0], a))) > 1e-13) & (s[1] < 60)
        step = lambda s: (s[0] - residual(s[0], a) / (1 + 3 * s[0] ** 2), s[1] + 1)
        return xp.while_loop(far, step, (a, 0))[0]

    def forward(a: Any) -> Any:
        x = root(a)
        return x, x

    root.defvjp(forward, lambda x, bar: (bar / (1 + 3 * x**2),))
    return root


@program((4,))
def implicit_root(xp: Any, a: Any) -> Any:
    return newton(xp)(a)


@program((4,))
def implicit_root_mapped_in_jit(xp: Any, a: Any) -> Any:
    return xp.jit(xp.vmap(xp.value_and_grad(newton(xp))))(a)


@program((3, 3), (3,))
def deep_equilibrium(xp: Any, w: Any, x: Any) -> Any:
    """z = tanh(W z + x) and its gradient by a second fixed point (Bai et al. 2019)."""
    w = 0.2 * w
    layer = lambda w, x, z: xp.tanh(w @ z + x)

    @xp.custom_vjp
    def settled(w: Any, x: Any) -> Any:
        return xp.fori_loop(0, 80, lambda _, z: layer(w, x, z), xp.zeros_like(x))

    def forward(w: Any, x: Any) -> Any:
        z = settled(w, x)
        return z, (w, x, z)

    def backward(kept: Any, bar: Any) -> Any:
        w, x, z = kept
        _, pull_z = xp.vjp(lambda z: layer(w, x, z), z)
        u = xp.fori_loop(0, 80, lambda _, u: bar + pull_z(u)[0], bar)
        return xp.vjp(lambda w, x: layer(w, x, z), w, x)[1](u)

    settled.defvjp(forward, backward)
    return settled(w, x)
