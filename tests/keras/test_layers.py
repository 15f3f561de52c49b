"""Layers by themselves: weights at the first call, shapes of symbols, modes, layers of users."""

from __future__ import annotations

import numpy as np
import pytest

import lamina as lm
from lamina import keras, nn
from lamina.keras import layers


def given(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)


def test_a_layer_makes_its_weights_at_the_first_call() -> None:
    layer = layers.Dense(3)
    assert not layer.weights
    assert layer(given(2, 4)).shape == (2, 3)
    assert [w.shape for w in layer.weights] == [(4, 3), (3,)]


def test_convolution_and_pooling_are_those_of_nn() -> None:
    x = given(2, 7, 9, 4)
    ours, theirs = layers.Conv2D(6, 3, strides=2), nn.Conv2d(4, 6, 3, stride=2)
    ours(x)
    weight, bias = (p.numpy() for p in theirs.parameters())
    ours.set_weights([np.moveaxis(weight, (0, 1), (3, 2)), bias])
    wanted = theirs(lm.asarray(np.moveaxis(x, -1, 1))).numpy()
    np.testing.assert_allclose(np.moveaxis(ours(x).numpy(), -1, 1), wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["LSTM", "GRU"])
def test_recurrent_layers_are_those_of_nn(name: str) -> None:
    x = given(2, 5, 4)
    theirs = getattr(nn, name)(4, 3, batch_first=True)
    ours = getattr(layers, name)(3, return_sequences=True)
    ours(x)
    parts = {n: p.numpy() for n, p in theirs.named_parameters()}
    if name == "GRU":  # its gates are r, z, n there and z, r, n here
        order = [*range(3, 6), *range(3), *range(6, 9)]
        parts = {n: p[order] for n, p in parts.items()}
        bias = np.stack([parts["bias_ih_l0"], parts["bias_hh_l0"]])
    else:
        bias = parts["bias_ih_l0"] + parts["bias_hh_l0"]
    ours.set_weights([parts["weight_ih_l0"].T, parts["weight_hh_l0"].T, bias])
    np.testing.assert_allclose(ours(x).numpy(), theirs(lm.asarray(x))[0].numpy(), atol=1e-5)


@pytest.mark.parametrize("size", [1, 2, 5, 6])
@pytest.mark.parametrize("stride", [1, 2, 3])
def test_same_padding_gives_a_window_for_each_stride(size: int, stride: int) -> None:
    x = given(1, size, size, 2)
    for layer in (
        layers.Conv2D(3, 3, stride, "same"),
        layers.MaxPooling2D(2, stride, "same"),
        layers.AveragePooling2D(3, stride, "same"),
    ):
        assert layer(x).shape[1:3] == (-(-size // stride),) * 2
        assert np.isfinite(layer(x).numpy()).all()


def test_open_sizes_stay_open() -> None:
    x = keras.Input((None, None, 3))
    y = layers.Conv2D(4, 3, strides=2, padding="same")(x)
    assert y.shape == (None, None, None, 4)
    assert layers.GlobalAveragePooling2D()(y).shape == (None, 4)
    assert layers.LSTM(2)(keras.Input((None, 5))).shape == (None, 2)


def test_dropout_drops_only_while_training() -> None:
    x = np.ones((50, 40), np.float32)
    layer = layers.Dropout(0.5)
    assert (layer(x).numpy() == 1.0).all()
    dropped = layer(x, training=True).numpy()
    assert set(np.unique(dropped)) == {0.0, 2.0}
    assert not layer.training
    rows = layers.Dropout(0.5, noise_shape=(None, 1))(x, training=True).numpy()
    assert (rows == rows[:, :1]).all()
    assert len(np.unique(rows)) == 2


def test_batch_norm_that_is_not_trainable_keeps_its_statistics() -> None:
    layer = layers.BatchNormalization(momentum=0.5)
    x = given(8, 3) + 2.0
    layer(x, training=True)
    moved = layer.moving_mean.numpy()
    np.testing.assert_allclose(moved, 0.5 * x.mean(0), rtol=1e-5)
    layer.trainable = False
    layer(x, training=True)
    np.testing.assert_array_equal(layer.moving_mean.numpy(), moved)


class Scale(layers.Layer):
    def build(self, input_shape):
        self.factor = self.add_weight((input_shape[-1],), "ones", name="factor")
        self.add_weight((), "zeros", trainable=False, name="calls")

    def call(self, x, training=False):
        self.calls = self.calls + 1.0
        return x * self.factor * (2.0 if training else 1.0)


def test_a_layer_of_a_user() -> None:
    layer = Scale()
    x = given(2, 3)
    np.testing.assert_array_equal(layer(x, training=True).numpy(), 2.0 * x)
    np.testing.assert_array_equal(layer(x).numpy(), x)
    assert [p for p, _ in layer.named_parameters()] == ["factor"]
    assert float(layer.calls) == 2.0
    model = keras.Sequential([keras.Input((3,)), layer])
    again = keras.model_from_json(model.to_json(), {"Scale": Scale})
    np.testing.assert_array_equal(again(x).numpy(), x)


def test_errors_say_what_to_do() -> None:
    with pytest.raises(lm.UsageError, match="no activation 'rely'"):
        layers.Dense(3, activation="rely")
    with pytest.raises(lm.UsageError, match=r"images here are \[B, H, W, C\]"):
        layers.Conv2D(3, 3, data_format="channels_first")
    with pytest.raises(lm.UsageError, match="pass no masks on"):
        layers.Embedding(5, 3, mask_zero=True)
    with pytest.raises(lm.UsageError, match="inside of a compiled function"):
        lm.jit(lambda layer, x: layer(x))(layers.Dense(3), lm.ones((2, 3)))
    with pytest.raises(lm.UsageError, match="another number of weights"):
        layers.Dense(3).set_weights([given(2, 3)])
