"""Layers, losses, models and files beside Keras 3 itself, where it is installed."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lamina as lm
from lamina import keras
from lamina.keras import config

os.environ.setdefault("KERAS_BACKEND", "jax")
theirs = pytest.importorskip("keras", reason="Keras 3 is what this compares with")

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of Keras on NumPy 2

Make = Callable[[Any], Any]

IMAGE = (2, 7, 9, 4)
LAYERS: dict[str, tuple[Make, tuple[int, ...]]] = {
    "dense": (lambda L: L.Dense(5, activation="relu"), (3, 4)),
    "dense over time": (lambda L: L.Dense(5, use_bias=False), (3, 6, 4)),
    "conv1d": (lambda L: L.Conv1D(5, 3, padding="causal", dilation_rate=2), (2, 9, 4)),
    "conv1d same": (lambda L: L.Conv1D(5, 4, strides=3, padding="same"), (2, 10, 4)),
    "conv2d": (lambda L: L.Conv2D(6, (3, 2), activation="gelu"), IMAGE),
    "conv2d same": (lambda L: L.Conv2D(6, 3, strides=2, padding="same"), IMAGE),
    "conv2d groups": (lambda L: L.Conv2D(6, 3, groups=2, dilation_rate=2), IMAGE),
    "conv3d": (lambda L: L.Conv3D(3, 2, strides=2, padding="same"), (1, 4, 5, 6, 2)),
    "depthwise": (lambda L: L.DepthwiseConv2D(3, 2, "same", depth_multiplier=2), IMAGE),
    "separable": (lambda L: L.SeparableConv2D(5, 3, padding="same"), IMAGE),
    "transpose": (lambda L: L.Conv2DTranspose(5, 3, strides=2, padding="same"), IMAGE),
    "transpose valid": (lambda L: L.Conv2DTranspose(5, (2, 4), strides=3), IMAGE),
    "batch norm": (lambda L: L.BatchNormalization(), IMAGE),
    "layer norm": (lambda L: L.LayerNormalization(), (3, 4, 6)),
    "layer norm of axes": (lambda L: L.LayerNormalization(axis=(-2, -1), scale=False), (3, 4, 6)),
    "max pooling": (lambda L: L.MaxPooling2D(), IMAGE),
    "max pooling same": (lambda L: L.MaxPooling2D(3, strides=2, padding="same"), IMAGE),
    "mean pooling": (lambda L: L.AveragePooling2D((2, 3)), IMAGE),
    "mean pooling same": (lambda L: L.AveragePooling2D(3, strides=2, padding="same"), IMAGE),
    "mean pooling 1d": (lambda L: L.AveragePooling1D(3, padding="same"), (2, 7, 4)),
    "max pooling 3d": (lambda L: L.MaxPooling3D(2), (1, 4, 5, 6, 2)),
    "global mean": (lambda L: L.GlobalAveragePooling2D(keepdims=True), IMAGE),
    "global max": (lambda L: L.GlobalMaxPooling1D(), (2, 7, 4)),
    "flatten": (lambda L: L.Flatten(), IMAGE),
    "reshape": (lambda L: L.Reshape((9, -1)), IMAGE),
    "permute": (lambda L: L.Permute((2, 3, 1)), IMAGE),
    "repeat": (lambda L: L.RepeatVector(3), (2, 5)),
    "zero padding": (lambda L: L.ZeroPadding2D(((0, 1), (2, 3))), IMAGE),
    "upsampling": (lambda L: L.UpSampling2D((2, 3)), IMAGE),
    "upsampling bilinear": (lambda L: L.UpSampling2D(2, interpolation="bilinear"), IMAGE),
    "dropout": (lambda L: L.Dropout(0.5), (3, 4)),
    "noise": (lambda L: L.GaussianNoise(0.5), (3, 4)),
    "relu": (lambda L: L.ReLU(max_value=1.0, negative_slope=0.1, threshold=0.2), (3, 4)),
    "leaky relu": (lambda L: L.LeakyReLU(), (3, 4)),
    "prelu": (lambda L: L.PReLU(shared_axes=[1, 2]), IMAGE),
    "elu": (lambda L: L.ELU(0.5), (3, 4)),
    "softmax": (lambda L: L.Softmax(axis=1), (3, 4, 5)),
    "rescaling": (lambda L: L.Rescaling([0.1, 0.2, 0.3, 0.4], -1.0), IMAGE),
    "normalization": (lambda L: L.Normalization(mean=1.0, variance=4.0), (3, 4)),
    "rnn": (lambda L: L.SimpleRNN(5, return_sequences=True), (2, 6, 4)),
    "lstm": (lambda L: L.LSTM(5), (2, 6, 4)),
    "lstm backwards": (lambda L: L.LSTM(5, return_sequences=True, go_backwards=True), (2, 6, 4)),
    "gru": (lambda L: L.GRU(5, return_sequences=True), (2, 6, 4)),
    "gru before": (lambda L: L.GRU(5, reset_after=False, activation="relu"), (2, 6, 4)),
    "both ways": (lambda L: L.Bidirectional(L.LSTM(3, return_sequences=True)), (2, 6, 4)),
    "both ways summed": (lambda L: L.Bidirectional(L.GRU(3), merge_mode="sum"), (2, 6, 4)),
    "each step": (lambda L: L.TimeDistributed(L.Conv2D(3, 2)), (2, 3, 5, 5, 2)),
}
ACTIVATIONS = [
    "linear",
    "relu",
    "relu6",
    "leaky_relu",
    "elu",
    "selu",
    "gelu",
    "sigmoid",
    "hard_sigmoid",
    "tanh",
    "softmax",
    "log_softmax",
    "softplus",
    "softsign",
    "exponential",
    "silu",
    "mish",
    "hard_silu",
    "log_sigmoid",
]


def given(shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def randomised(layer: Any) -> list[np.ndarray]:
    """Other numbers in place of all weights; variances stay above 0."""
    weights = [np.abs(given(w.shape, i)) + 0.1 for i, w in enumerate(layer.get_weights())]
    layer.set_weights(weights)
    return weights


@pytest.mark.parametrize("name", LAYERS)
def test_layer(name: str) -> None:
    make, shape = LAYERS[name]
    x = given(shape)
    theirs_layer = make(theirs.layers)
    theirs_layer(x)
    weights = randomised(theirs_layer)
    wanted = np.asarray(theirs_layer(x))
    ours = make(keras.layers)
    imported = config.read(theirs.layers.serialize(theirs_layer))
    for layer in (ours, imported):
        layer(x)
        layer.set_weights(weights)
        for found in (layer(x), lm.jit(lambda layer, x: layer(x))(layer, x)):
            np.testing.assert_allclose(found.numpy(), wanted, rtol=2e-4, atol=2e-5)


@pytest.mark.parametrize("name", ["Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum"])
def test_merging(name: str) -> None:
    parts = [given((2, 3), 1), given((2, 3), 2)]
    wanted = getattr(theirs.layers, name)()(parts)
    np.testing.assert_allclose(getattr(keras.layers, name)()(parts).numpy(), wanted, rtol=1e-6)


def test_embedding() -> None:
    numbers = np.array([[0, 3], [6, 6]])
    table = given((7, 4))
    layers = theirs.layers.Embedding(7, 4), keras.layers.Embedding(7, 4)
    for layer in layers:
        layer(numbers)
        layer.set_weights([table])
    np.testing.assert_array_equal(layers[1](numbers).numpy(), np.asarray(layers[0](numbers)))


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activation(name: str) -> None:
    x = 4.0 * given((5, 6))
    wanted = getattr(theirs.activations, name)(x)
    found = keras.activations.get(name)(lm.asarray(x))
    np.testing.assert_allclose(found.numpy(), wanted, rtol=1e-4, atol=1e-6)


def test_batch_norm_while_training() -> None:
    x = given((6, 3, 3, 4), 3)
    layers = [module.BatchNormalization(momentum=0.8) for module in (theirs.layers, keras.layers)]
    wanted, found = (np.asarray(layer(x, training=True)) for layer in layers)
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-5)
    for one, other in zip(*(layer.get_weights() for layer in layers), strict=True):
        np.testing.assert_allclose(other, one, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("SparseCategoricalCrossentropy", (5, 3)),
        ("CategoricalCrossentropy", (5, 3)),
        ("BinaryCrossentropy", (5, 2)),
        ("MeanSquaredError", (5, 2)),
        ("MeanAbsoluteError", (5, 2)),
        ("Huber", (5, 2)),
    ],
)
@pytest.mark.parametrize("from_logits", [False, True])
def test_loss(name: str, shape: tuple[int, ...], from_logits: bool) -> None:
    options = {"from_logits": from_logits} if "entropy" in name else {}
    scores = given(shape)
    if not from_logits:
        scores = np.abs(scores) / 4.0
    target = np.random.default_rng(1).integers(0, shape[1], shape[:1])
    if not name.startswith("Sparse"):
        target = np.eye(shape[1], dtype=np.float32)[target]
    wanted = getattr(theirs.losses, name)(**options)(target, scores)
    found = getattr(keras.losses, name)(**options)(target, scores)
    assert float(found) == pytest.approx(float(wanted), rel=1e-4)


# ---------------------------------------------------------------------- whole models


def network(module: Any) -> Any:
    """A residual network of two branches, with a layer that is called twice."""
    L = module.layers
    x = module.Input((12, 12, 3))
    h = L.Conv2D(8, 3, padding="same", use_bias=False)(x)
    h = L.Activation("relu")(L.BatchNormalization()(h))
    branch = L.SeparableConv2D(8, 3, padding="same")(h)
    h = L.MaxPooling2D()(L.Add()([h, branch]))
    shared = L.Dense(8, activation="tanh")
    h = shared(shared(h))
    pooled = L.Concatenate()([L.GlobalAveragePooling2D()(h), L.GlobalMaxPooling2D()(h)])
    return module.Model(x, L.Dense(5, activation="softmax")(L.Dropout(0.3)(pooled)))


def test_a_model_of_symbols_loads_from_an_archive(tmp_path: Path) -> None:
    pytest.importorskip("h5py")
    model = network(theirs)
    randomised(model)
    model.save(tmp_path / "ready.keras")
    loaded = keras.load_model(tmp_path / "ready.keras")
    x = given((4, 12, 12, 3))
    np.testing.assert_allclose(loaded.predict(x), model.predict(x, verbose=0), atol=1e-5)
    assert len(loaded.layers) == len(model.layers)
    by_json = keras.model_from_json(model.to_json())
    model.save_weights(tmp_path / "ready.weights.h5")
    by_json.load_weights(tmp_path / "ready.weights.h5")
    np.testing.assert_array_equal(by_json.predict(x), loaded.predict(x))


def test_our_archive_loads_in_keras(tmp_path: Path) -> None:
    pytest.importorskip("h5py")
    L = keras.layers
    model = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            L.Conv2D(4, 3, padding="same", activation="relu"),
            L.BatchNormalization(),
            L.Flatten(),
            L.Reshape((8, 32)),
            L.Bidirectional(L.LSTM(3, return_sequences=True)),
            L.GRU(4),
            L.Dense(10),
        ]
    )
    randomised(model)
    model.save(tmp_path / "ours.keras")
    x = given((3, 8, 8, 1))
    wanted = theirs.models.load_model(tmp_path / "ours.keras").predict(x, verbose=0)
    np.testing.assert_allclose(model.predict(x), wanted, rtol=1e-4, atol=1e-5)
    theirs.models.model_from_json(model.to_json())


def test_a_published_architecture_loads(tmp_path: Path) -> None:
    pytest.importorskip("h5py")
    options = {"weights": None, "input_shape": (32, 32, 3), "classes": 7, "alpha": 0.35}
    model = theirs.applications.MobileNetV2(**options)
    model.save(tmp_path / "mobile.keras")
    loaded = keras.load_model(tmp_path / "mobile.keras")
    assert loaded.count_params() == model.count_params()
    x = given((2, 32, 32, 3))
    np.testing.assert_allclose(loaded.predict(x), model.predict(x, verbose=0), rtol=1e-3)


def test_both_learn_alike_from_the_same_weights() -> None:
    x, y = given((64, 6)), np.arange(64) % 3
    losses = []
    weights: list[np.ndarray] = []
    for module in (theirs, keras):
        L = module.layers
        model = module.Sequential(
            [module.Input((6,)), L.Dense(16, activation="relu"), L.Dense(3, activation="softmax")]
        )
        weights = weights or model.get_weights()
        model.set_weights(weights)
        optimizer = module.optimizers.SGD(learning_rate=0.1, momentum=0.9)
        model.compile(optimizer, loss="sparse_categorical_crossentropy", metrics=["accuracy"])
        history = model.fit(x, y, batch_size=16, epochs=4, shuffle=False, verbose=0).history
        losses.append(history["loss"] + history["accuracy"] + [model.evaluate(x, y)[0]])
    np.testing.assert_allclose(losses[1], losses[0], rtol=1e-4)
