"""Models: fit, evaluate, predict, symbols, configs, and a ready model that Keras itself wrote."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lamina as lm
from lamina import data, keras, metrics, optim
from lamina.keras import layers
from lamina.train import EarlyStopping

READY = Path(__file__).parent / "ready"
DIGITS = data.digits()
IMAGES, LABELS = (
    np.moveaxis(np.asarray(DIGITS.train_images), 1, -1),
    np.asarray(DIGITS.train_labels),
)


def given(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)


def small() -> keras.Sequential:
    lm.random.seed(0)
    return keras.Sequential(
        [
            layers.Conv2D(16, 3, padding="same", activation="relu"),
            layers.BatchNormalization(),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dense(10),
        ]
    )


def test_a_definition_of_keras_learns_digits() -> None:
    model = small()
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(5e-3), loss, metrics=["accuracy", metrics.TopKAccuracy(3)])
    history = model.fit(IMAGES, LABELS, 64, epochs=6, verbose=False, validation_split=0.1).history
    assert [len(v) for v in history.values()] == [6] * 5
    assert history["loss"][-1] < 0.2 * history["loss"][0]
    assert history["val_accuracy"][-1] > 0.9
    assert not model.training
    test_images = np.moveaxis(np.asarray(DIGITS.test_images), 1, -1)
    found = model.evaluate(test_images, DIGITS.test_labels, return_dict=True)
    assert found["accuracy"] > 0.93
    classes = model.predict(test_images).argmax(1)
    assert found["accuracy"] == pytest.approx((classes == DIGITS.test_labels).mean())


def test_fit_goes_on_and_compiles_once() -> None:
    model = small()
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    first = model.fit(IMAGES[:64], LABELS[:64], epochs=2, verbose=False).history["loss"]
    assert model.compiled is not None
    step: Any = model.compiled.trainer.train_step.programs[0]
    count = len(step.traces)
    second = model.fit(IMAGES[:64], LABELS[:64], epochs=3, verbose=False).history["loss"]
    assert len(step.traces) == count
    assert len(second) == 3
    assert second[0] < first[0]


def test_callbacks_and_optimisers_of_lamina() -> None:
    model = keras.Sequential([layers.Dense(1)])
    x = given(96, 3)
    y = x @ np.array([1.0, -2.0, 0.5], np.float32)
    model.compile(lambda model: optim.NAdam(model, lr=0.05), "mse", ["mae"], clip_norm=1.0)
    stop = EarlyStopping("val_loss", patience=1)
    history = model.fit(
        x, y, epochs=60, verbose=False, validation_data=(x, y), callbacks=[stop], shuffle=False
    )
    assert history.history["val_loss"][-1] < 0.3 * history.history["val_loss"][0]
    assert len(history.epoch) < 60


def test_a_model_of_two_inputs() -> None:
    one, other = keras.Input((3,)), keras.Input((2,))
    joined = layers.Concatenate()([layers.Dense(4, "relu")(one), other])
    model = keras.Model([one, other], layers.Dense(1)(joined))
    x = [given(40, 3), given(40, 2)]
    y = x[0][:, :1] + x[1][:, 1:]
    model.compile(keras.optimizers.Adam(0.02), "mse")
    history = model.fit(x, y, batch_size=8, epochs=15, verbose=False).history["loss"]
    assert history[-1] < 0.5 * history[0]
    np.testing.assert_allclose(model.predict(x), model(x).numpy(), atol=1e-6)


class Residual(keras.Model):
    def __init__(self):
        super().__init__()
        self.inner = layers.Dense(4, activation="tanh")
        self.out = layers.Dense(2)

    def call(self, x):
        return self.out(x + self.inner(x))


def test_a_model_of_a_class() -> None:
    model = Residual()
    model.compile(keras.optimizers.Adam(0.02), "mse")
    x = given(32, 4)
    history = model.fit(x, x[:, :2], epochs=20, verbose=False).history["loss"]
    assert history[-1] < 0.7 * history[0]
    assert [layer.name for layer in model.layers] == [model.inner.name, model.out.name]
    assert model.count_params() == 20 + 10


def test_configs_come_back() -> None:
    x = keras.Input((6, 6, 1))
    h = layers.Conv2D(3, 3, kernel_initializer="he_normal")(x)
    shared = layers.Dense(3, activation="relu")
    h = layers.Add()([shared(h), shared(shared(h))])
    model = keras.Model(
        x, [layers.Flatten()(h), layers.Bidirectional(layers.GRU(2))(layers.Reshape((4, 12))(h))]
    )
    again = keras.model_from_json(model.to_json())
    assert json.loads(again.to_json()) == json.loads(model.to_json())
    again.set_weights(model.get_weights())
    images = given(2, 6, 6, 1)
    for one, other in zip(model.predict(images), again.predict(images), strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_ready_model_is_read_without_h5py() -> None:
    known = np.load(READY / "small.npz")
    with zipfile.ZipFile(READY / "small.keras") as file:
        model = keras.model_from_json(file.read("config.json").decode())
    model.set_weights([known[f"w{i}"] for i in range(len(model.weights))])
    np.testing.assert_allclose(model.predict(known["x"]), known["y"], rtol=2e-4, atol=1e-6)
    assert model.get_layer("classes").units == 3


def test_a_ready_archive_loads() -> None:
    pytest.importorskip("h5py", reason="weights of Keras are HDF5 files")
    known = np.load(READY / "small.npz")
    model = keras.load_model(READY / "small.keras")
    np.testing.assert_allclose(model.predict(known["x"]), known["y"], rtol=2e-4, atol=1e-6)


def test_archives_come_back(tmp_path: Path) -> None:
    pytest.importorskip("h5py", reason="weights of Keras are HDF5 files")
    model = small()
    wanted = model.predict(IMAGES[:5])
    model.save(tmp_path / "model.keras")
    np.testing.assert_array_equal(
        keras.load_model(tmp_path / "model.keras").predict(IMAGES[:5]), wanted
    )
    model.save_weights(tmp_path / "model.weights.h5")
    other = small()
    other.predict(IMAGES[:1])
    other.load_weights(tmp_path / "model.weights.h5")
    np.testing.assert_array_equal(other.predict(IMAGES[:5]), wanted)
    with pytest.raises(lm.UsageError, match="the file has other weights"):
        wrong = keras.Sequential([keras.Input((3,)), layers.Embedding(3, 4)])
        wrong.load_weights(tmp_path / "model.weights.h5")


def test_files_that_are_none(tmp_path: Path) -> None:
    (tmp_path / "model.keras").write_bytes(b"nothing")
    with pytest.raises(lm.FormatError, match=r"no \.keras file"):
        keras.load_model(tmp_path / "model.keras")
    with pytest.raises(lm.FormatError, match="no config of a layer"):
        keras.model_from_json("{}")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"class_name": "Lambda"}, "there is no layer 'Lambda'"),
        ({"config": {"units": 3, "quantization_config": {"bits": 4}}}, "do not have"),
    ],
)
def test_what_is_not_supported_is_refused(change: dict[str, Any], message: str) -> None:
    entry = {"class_name": "Dense", "config": {"units": 3}} | change
    config = {"class_name": "Sequential", "config": {"layers": [entry]}}
    with pytest.raises(lm.UsageError, match=message):
        keras.model_from_json(json.dumps(config))


def test_regularizers_are_left_out_with_a_warning() -> None:
    entry = {"class_name": "Dense", "config": {"units": 3, "kernel_regularizer": "l2"}}
    config = {"class_name": "Sequential", "config": {"layers": [entry]}}
    with pytest.warns(UserWarning, match="kernel_regularizer is left out"):
        keras.model_from_json(json.dumps(config))


def test_errors_say_what_to_do() -> None:
    model = keras.Sequential([layers.Dense(2)])
    with pytest.raises(lm.UsageError, match="was not compiled"):
        model.fit(given(4, 3), given(4, 2))
    with pytest.raises(lm.UsageError, match="are not known yet"):
        model.summary()
    with pytest.raises(lm.UsageError, match="a loss is needed"):
        model.compile("adam")
    model.compile("adam", "mse")
    with pytest.raises(lm.UsageError, match="leaves examples on both sides"):
        model.fit(given(4, 3), given(4, 2), validation_split=1.0)
    x, stray = keras.Input((2,)), keras.Input((2,))
    with pytest.raises(lm.UsageError, match="do not rest on the inputs"):
        keras.Model(x, layers.Add()([x, stray]))


def test_summary_prints_the_layers(capsys: pytest.CaptureFixture[str]) -> None:
    model = keras.Sequential([keras.Input((4,)), layers.Dense(3, name="hidden"), layers.Dense(2)])
    model.summary()
    said = capsys.readouterr().out
    assert "hidden: Dense" in said
    assert "parameters: 23 " in said
