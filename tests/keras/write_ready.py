# pyright: reportAttributeAccessIssue=false
"""Writes `ready/`: a small model by Keras itself, with what it gives. Needs Keras 3 and h5py.

KERAS_BACKEND=jax python -m tests.keras.write_ready
"""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
from keras import layers

FOLDER = Path(__file__).parent / "ready"


def main() -> None:
    """Write the archive, and its weights, an input and the output as arrays."""
    x = keras.Input((8, 8, 2), name="image")
    h = layers.Conv2D(4, 3, padding="same", activation="relu", name="first")(x)
    h = layers.BatchNormalization()(h)
    h = layers.Add()([h, layers.Conv2D(4, 3, padding="same")(h)])
    h = layers.MaxPooling2D()(h)
    rows = layers.Bidirectional(layers.LSTM(3))(layers.Reshape((4, 16))(h))
    h = layers.Concatenate()([layers.Flatten()(h), rows])
    model = keras.Model(x, layers.Dense(3, activation="softmax", name="classes")(h))
    draw = np.random.default_rng(0)
    model.set_weights([draw.uniform(0.1, 0.5, w.shape) for w in model.get_weights()])
    images = draw.normal(size=(5, 8, 8, 2)).astype(np.float32)
    model.save(FOLDER / "small.keras")
    weights = {f"w{i}": w for i, w in enumerate(model.get_weights())}
    np.savez(FOLDER / "small.npz", x=images, y=model.predict(images), **weights)


if __name__ == "__main__":
    main()
