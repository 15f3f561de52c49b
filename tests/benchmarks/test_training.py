"""The hand-written NumPy gradients, which are the reference of the training workloads."""

from __future__ import annotations

import numpy as np
import pytest

import lamina as lm
from benchmarks import training
from benchmarks.optimizers import ADAM, ADAMW, MOMENTUM
from benchmarks.workload import compare
from benchmarks.workloads import (
    cnn_train,
    lenet_train,
    lstm_scan,
    lstm_train,
    mlp_train,
    resnet_train,
    transformer_train,
)

STEP = 1e-6


def differences(loss, weights, name, places):
    """Central differences of the loss by some elements of a parameter."""
    found = []
    for place in places:
        sides = []
        for sign in (1, -1):
            moved = {k: a.copy() for k, a in weights.items()}
            moved[name].flat[place] += sign * STEP
            sides.append(loss(moved))
        found.append((sides[0] - sides[1]) / (2 * STEP))
    return np.array(found)


def network(name):
    rng = np.random.default_rng(1)
    if name == "mlp":
        data = mlp_train.data(rng)
        return mlp_train.numpy_gradients, data, data["images"][0, :8], data["labels"][0, :8]
    if name == "transformer":
        sizes = transformer_train.Sizes(2, 8, 2, 5, 3, 11)
        data = transformer_train.make_data(rng, sizes)
        gradients = transformer_train.numpy_gradients(sizes)
        return gradients, data, data["images"][0], data["labels"][0]
    if name == "lenet":
        data = lenet_train.data(2, rng)
        return lenet_train.numpy_gradients, data, data["images"][0], data["labels"][0]
    if name in ("resnet", "lstm"):
        family = {"resnet": resnet_train, "lstm": lstm_train}[name]
        sizes = family.Sizes(2, 32, 2, 3) if name == "resnet" else family.Sizes(2, 4, 5, 3, 7)
        data = family.make_data(rng, sizes)
        return family.numpy_gradients(sizes), data, data["images"][0], data["labels"][0]
    data = cnn_train.data(cnn_train.Sizes(8, 4, (3, 5)), rng)
    return cnn_train.numpy_gradients, data, data["images"][0], data["labels"][0]


@pytest.mark.parametrize("name", ["mlp", "cnn", "transformer", "lenet", "resnet", "lstm"])
def test_gradients_against_differences(name):
    gradients_of, data, images, labels = network(name)
    images = images.astype(np.float64)
    weights = {k: a.astype(np.float64) for k, a in training.parameters(data).items()}
    _, gradients = gradients_of(weights, images, labels)
    assert set(gradients) == set(weights)
    for name, gradient in gradients.items():
        assert gradient.shape == weights[name].shape
        count = 6 if len(weights) < 40 else 2  # ResNet-18 has 62 parameters
        places = np.random.default_rng(2).integers(0, gradient.size, count)
        found = differences(lambda w: gradients_of(w, images, labels)[0], weights, name, places)
        np.testing.assert_allclose(gradient.flat[places], found, rtol=1e-5, atol=1e-8)


def test_cross_entropy_of_equal_logits():
    loss, bar = training.numpy_cross_entropy(np.zeros((2, 4)), np.array([0, 3]))
    assert loss == pytest.approx(np.log(4))
    np.testing.assert_allclose(bar, [[-0.375, *[0.125] * 3], [*[0.125] * 3, -0.375]])


def test_the_first_step_of_adam_moves_by_the_learning_rate():
    zeros = np.zeros(2)
    w, mean, square = ADAM.moved(1, np.ones(2), np.array([0.5, -2.0]), zeros, zeros)
    np.testing.assert_allclose(w, [1 - ADAM.rate, 1 + ADAM.rate], rtol=1e-7)
    np.testing.assert_allclose(mean, [0.05, -0.2], rtol=1e-7)
    np.testing.assert_allclose(square, [0.00025, 0.004], rtol=1e-7)


@pytest.mark.parametrize("optimizer", [ADAM, ADAMW, MOMENTUM], ids=lambda o: o.title)
def test_the_formulas_are_those_of_the_optimisers(optimizer):
    """PyTorch's and Lamina's, over three steps from equal weights."""
    rng = np.random.default_rng(3)
    start, gradients = rng.standard_normal(7), rng.standard_normal((3, 7))
    w, slots = start, [np.zeros(7)] * optimizer.slots
    torch = pytest.importorskip("torch")
    leaf = torch.tensor(start, requires_grad=True)
    model = lm.nn.Module()
    model.w = lm.asarray(start)
    theirs, ours = optimizer.torch([leaf]), optimizer.lamina(model)
    for count, gradient in enumerate(gradients, 1):
        w, *slots = optimizer.moved(count, w, gradient, *slots)
        leaf.grad = torch.from_numpy(gradient)
        theirs.step()
        moved = lm.grad(lambda m, g=gradient: lm.sum(m.w * lm.asarray(g)))(model)
        ours.update(model, moved)
    np.testing.assert_allclose(leaf.detach().numpy(), w, rtol=1e-12)
    np.testing.assert_allclose(model.w.numpy(), w, rtol=1e-12)


def test_a_reset_begins_anew():
    def step(state, images, labels):
        state = [*state, images]
        return state, sum(state)

    made = training.prepared(list, step, [(1.0, None), (10.0, None)])
    assert [made.run(), made.run(), made.run()] == [1.0, 11.0, 12.0]
    made.reset()
    assert made.run() == 1.0
    np.testing.assert_array_equal(made.result()[0], [1.0, 11.0, 12.0, 22.0, 23.0])


def test_single_precision_is_near_double():
    workload = mlp_train.WORKLOADS[0]
    data = workload.make_data()
    found = workload.builders["numpy"](data).result()
    np.testing.assert_allclose(found, workload.reference(data), rtol=1e-5)


def test_gradients_of_an_lstm_against_differences():
    sizes = lstm_scan.Sizes(steps=4, batch=3, width=5)
    data = lstm_scan.make_data(np.random.default_rng(1), sizes)
    wide = {k: a.astype(np.float64) for k, a in data.items()}
    wanted = lstm_scan.reference(wide)
    for name, gradient in zip(wide, wanted[1:], strict=True):
        places = np.random.default_rng(2).integers(0, gradient.size, 6)
        found = differences(lambda d: float(lstm_scan.reference(d)[0]), wide, name, places)
        np.testing.assert_allclose(gradient.flat[places], found, rtol=1e-5, atol=1e-8)
    for make in (lstm_scan.lamina_scan, lstm_scan.lamina_unrolled):
        run = lstm_scan.row("lstm", "an LSTM", sizes, make, {}).builders["lamina"](data)
        assert compare(run.result(), wanted, lstm_scan.TOLERANCE).passed
