"""A network for handwritten digits as Keras would have it, with batches, epochs and a file.

    python examples/keras_digits.py [--quick] [--save digits.keras]

The data is part of Lamina. The last line says how often the network is right on the test images.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence

import numpy as np

import lamina as lm
from lamina import data, keras
from lamina.keras import layers


def network() -> keras.Sequential:
    """Two convolutions and a layer of classes."""
    return keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.Conv2D(32, 3, padding="same", activation="relu"),
            layers.BatchNormalization(),
            layers.Conv2D(32, 3, padding="same", activation="relu"),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dropout(0.3),
            layers.Dense(10, activation="softmax"),
        ]
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Train, test, and save if asked to."""
    parser = argparse.ArgumentParser(description="digits by a network as in Keras")
    parser.add_argument("--quick", action="store_true", help="a few epochs")
    parser.add_argument("--save", help="a .keras file to write, which Keras 3 reads too")
    options = parser.parse_args(arguments)
    lm.random.seed(0)
    digits = data.digits()
    images, test_images = (
        np.moveaxis(part, 1, -1) for part in (digits.train_images, digits.test_images)
    )
    model = network()
    model.summary()
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    began = time.perf_counter()
    epochs = 4 if options.quick else 30
    model.fit(images, digits.train_labels, epochs=epochs, validation_split=0.1)
    took = time.perf_counter() - began
    found = model.evaluate(test_images, digits.test_labels, return_dict=True)
    if options.save:
        model.save(options.save)
    print(f"keras_digits: test accuracy {100 * found['accuracy']:.1f} %, {took:.1f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
