"""Derivatives of derivatives, batches of them, and rules that are given."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.parity.composed.table import program


def network(xp: Any, w: Any, v: Any, x: Any) -> Any:
    return xp.sum(v * xp.tanh(w @ x))


@program((3, 3), (3,), (3,))
def hessian(xp: Any, w: Any, v: Any, x: Any) -> Any:
    return xp.hessian(lambda t: network(xp, w, v, t))(x)


@program((3, 3), (3,), (3,), (3,))
def hessian_vector_product(xp: Any, w: Any, v: Any, x: Any, d: Any) -> Any:
    return xp.hvp(lambda t: network(xp, w, v, t), (x,), (d,))


@program((3, 2), (2,))
def forward_and_reverse_jacobians(xp: Any, w: Any, x: Any) -> Any:
    f = lambda t: xp.sin(w @ t) * xp.sum(t)
    return xp.jacfwd(f)(x), xp.jacrev(f)(x)


@program((3, 2), (2,))
def jacobian_of_jacobian(xp: Any, w: Any, x: Any) -> Any:
    return xp.jacfwd(xp.jacrev(lambda t: xp.sin(w @ t)))(x)


@program((3, 3), (3,), (3,), (3,))
def grad_of_jvp(xp: Any, w: Any, v: Any, x: Any, d: Any) -> Any:
    return xp.grad(lambda t: xp.jvp(lambda s: network(xp, w, v, s), (t,), (d,))[1])(x)


@program((3, 3), (3,), (3,), (3,))
def jvp_of_vjp(xp: Any, w: Any, v: Any, x: Any, d: Any) -> Any:
    f = lambda t: xp.tanh(w @ t)
    return xp.jvp(lambda t: xp.vjp(f, t)[1](v)[0], (x,), (d,))


@program((4,))
def grad_of_grad_of_grad(xp: Any, x: Any) -> Any:
    f = lambda t: xp.sin(t) * xp.exp(-t * t) + t**5
    return xp.vmap(xp.grad(xp.grad(xp.grad(f))))(x)


@program((4,), (4,))
def linearized(xp: Any, x: Any, d: Any) -> Any:
    y, push = xp.linearize(lambda t: xp.exp(xp.sin(t)), x)
    return y, push(d), push(2.0 * d)


@program((3, 3), (3,), (5, 3))
def per_example_gradients_in_jit(xp: Any, w: Any, v: Any, xs: Any) -> Any:
    one = lambda p, x: network(xp, p[0], p[1], x) ** 2
    return xp.jit(xp.vmap(xp.grad(one), in_axes=(None, 0)))((w, v), xs)


@program((3, 3), (3,), (4, 3))
def hessians_of_a_batch(xp: Any, w: Any, v: Any, xs: Any) -> Any:
    return xp.vmap(xp.hessian(lambda t: network(xp, w, v, t)))(xs)


@program((3, 2), (6, 2))
def fisher_information(xp: Any, w: Any, xs: Any) -> Any:
    score = lambda p, x: xp.log_softmax(p @ x, axis=0)[1]
    g = xp.vmap(xp.grad(score), in_axes=(None, 0))(w, xs).reshape(6, 6)
    return g.T @ g / 6


@program((4,), (5, 4))
def gauss_newton_step(xp: Any, p: Any, xs: Any) -> Any:
    residual = lambda q: xp.tanh(xs @ q) - 0.3
    j = xp.jacrev(residual)(p)
    return p - xp.linalg.solve(j.T @ j + xp.eye(4, dtype=p.dtype), j.T @ residual(p))


@program((3,))
def newton_step(xp: Any, x: Any) -> Any:
    f = lambda t: xp.sum(xp.cosh(t)) + 0.5 * xp.sum(t) ** 2
    return x - xp.linalg.solve(xp.hessian(f)(x), xp.grad(f)(x))


@program((3, 3), (4, 3), (4, 3))
def inner_loop_of_maml(xp: Any, w: Any, xs: Any, ys: Any) -> Any:
    """Finn et al. 2017: a loss after two steps of descent, differentiable in the start."""
    loss = lambda p, x, y: xp.mean((xp.tanh(x @ p) - y) ** 2)
    p = w
    for _ in range(2):
        p = p - 0.1 * xp.grad(loss)(p, xs[:2], ys[:2])
    return loss(p, xs[2:], ys[2:])


@program((), (3,), (4, 3))
def meta_gradient_of_a_learning_rate(xp: Any, rate: Any, w: Any, xs: Any) -> Any:
    loss = lambda p: xp.mean(xp.log1p((xs @ p - 1.0) ** 2))
    step = lambda p, _: (p - 0.1 * xp.sigmoid(rate) * xp.grad(loss)(p), loss(p))
    return xp.scan(step, w, None, length=4)


@program((3, 4), (4,), (5, 3))
def gradient_penalty(xp: Any, w: Any, v: Any, xs: Any) -> Any:
    critic = lambda x: xp.sum(v * xp.softplus(x @ w))
    g = xp.vmap(xp.grad(critic))(xs)
    return xp.mean((xp.sqrt(xp.sum(g * g, axis=1)) - 1.0) ** 2)


@program((4,), (4,), (4, 2))
def physics_informed_residual(xp: Any, w: Any, b: Any, points: Any) -> Any:
    """u_t - u_xx of a network, the second derivative by two forward passes."""
    u = lambda t, x: xp.sum(b * xp.tanh(w * x + b * t))

    def residual(p: Any) -> Any:
        t, x = p[0], p[1]
        one = xp.ones_like(x)
        slope = lambda s: xp.jvp(lambda r: u(t, r), (s,), (one,))[1]
        return xp.jvp(lambda r: u(r, x), (t,), (one,))[1] - xp.jvp(slope, (x,), (one,))[1]

    return xp.vmap(residual)(points)


@program((4, 2), (4,), (3, 2))
def hamiltonian_network(xp: Any, w: Any, v: Any, states: Any) -> Any:
    energy = lambda s: xp.sum(v * xp.tanh(w @ s))

    def flow(s: Any) -> Any:
        g = xp.grad(energy)(s)
        return xp.stack([g[1], -g[0]])

    return xp.vmap(flow)(states)


@program((3, 3), (3,), (3,))
def laplacian(xp: Any, w: Any, v: Any, x: Any) -> Any:
    f = xp.grad(lambda t: network(xp, w, v, t))
    push = lambda e: xp.sum(xp.jvp(f, (x,), (e,))[1] * e)
    return xp.sum(xp.vmap(push)(xp.eye(3, dtype=x.dtype)))


@program((4, 3))
def custom_jvp_in_vmap_in_jit(xp: Any, x: Any) -> Any:
    @xp.custom_jvp
    def softened(t: Any) -> Any:
        return xp.abs(t)

    @softened.defjvp
    def _(primals: Any, tangents: Any) -> Any:
        return softened(primals[0]), tangents[0] * xp.tanh(5.0 * primals[0])

    f = lambda t: xp.sum(softened(xp.sin(t)))
    return xp.jit(xp.vmap(xp.value_and_grad(f)))(x)


@program((4, 3))
def custom_vjp_in_vmap_in_jit(xp: Any, x: Any) -> Any:
    @xp.custom_vjp
    def clipped(t: Any) -> Any:
        return t * t

    clipped.defvjp(lambda t: (clipped(t), t), lambda t, bar: (xp.clip(2 * bar * t, -1, 1),))
    return xp.jit(xp.vmap(xp.grad(lambda t: xp.sum(clipped(xp.sin(t))))))(x)


@program((3, 2), (2,), (2,), (4, 3))
def gradients_of_a_tree(xp: Any, w: Any, b: Any, s: Any, xs: Any) -> Any:
    params = {"dense": {"w": w, "b": b}, "scale": [s]}
    f = lambda p: xp.mean((xs @ p["dense"]["w"] + p["dense"]["b"]) ** 3 * p["scale"][0])
    return xp.grad(f)(params)["dense"]["w"]


@program((3,), (3,), (2, 3))
def langevin_step(xp: Any, x: Any, m: Any, noise: Any) -> Any:
    logp = lambda t: xp.logsumexp(xp.stack([-xp.sum((t - m) ** 2), -xp.sum((t + m) ** 2)]))
    for e in (noise[0], noise[1]):
        x = x + 0.05 * xp.grad(logp)(x) + np.sqrt(0.1) * e
    return x


@program((4,), (3, 4), (3, 4))
def two_loop_recursion(xp: Any, g: Any, s: Any, y: Any) -> Any:
    """The direction of L-BFGS (Nocedal and Wright 2006, algorithm 7.4), by two scans."""
    y = y * 0.1 + s
    rho = 1.0 / xp.sum(s * y, axis=1)

    def back(q: Any, row: Any) -> Any:
        s, y, r = row
        alpha = r * xp.sum(s * q)
        return q - alpha * y, alpha

    def forth(q: Any, row: Any) -> Any:
        s, y, r, alpha = row
        return q + s * (alpha - r * xp.sum(y * q)), None

    q, alphas = xp.scan(back, g, (s, y, rho), reverse=True)
    return -xp.scan(forth, q, (s, y, rho, alphas))[0]


@program((3, 3), (3,))
def stopped_gradients(xp: Any, w: Any, x: Any) -> Any:
    target = xp.stop_gradient if hasattr(xp, "stop_gradient") else xp.lax.stop_gradient
    y = xp.tanh(w @ x)
    return y * target(y) + target(w) @ x
