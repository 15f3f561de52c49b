"""k-means on handwritten digits beside scikit-learn's: how well clusters agree with the digits.

    python examples/kmeans_digits.py                  five seeds, the best of ten starts each
    python examples/kmeans_digits.py --seeds 20 --starts 1

The measure is adjusted mutual information: 1 for the digits themselves, about 0 for chance. Both
also begin once from the same centers, where they have to find the same clusters. The digits are the
1,797 images that come with Lamina.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence

import numpy as np
from rich.progress import track
from sklearn import cluster

from lamina import classical, data, metrics

DIGITS = 10


def images_and_labels() -> tuple[np.ndarray, np.ndarray]:
    """All digits.  Shapes: `[N, 64], [N]`."""
    split = data.digits(test=0)
    return split.train_images.reshape(-1, 64), split.train_labels


def agreement(
    images: np.ndarray, labels: np.ndarray, seed: int, starts: int
) -> tuple[float, float]:
    """Adjusted mutual information with the digits, of Lamina's clusters and scikit-learn's."""
    found = []
    for kind in (classical.KMeans, cluster.KMeans):
        fitted = kind(DIGITS, n_init=starts, random_state=seed).fit(images)
        found.append(metrics.adjusted_mutual_information(fitted.labels_, labels))
    return found[0], found[1]


def from_the_same_centers(images: np.ndarray, seed: int) -> float:
    """Adjusted mutual information of the two clusterings when both begin from the same images."""
    chosen = np.random.default_rng(seed).choice(len(images), DIGITS, replace=False)
    ours, theirs = (
        kind(DIGITS, init=images[chosen], n_init=1).fit(images).labels_
        for kind in (classical.KMeans, cluster.KMeans)
    )
    return metrics.adjusted_mutual_information(ours, theirs)


def main(arguments: Sequence[str] | None = None) -> int:
    """Cluster by both for each seed, and sum up in one line; the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=5, help="seeds from 0 on (5)")
    parser.add_argument("--starts", type=int, default=10, help="starts of a seed (10)")
    parser.add_argument("--quick", action="store_true", help="one seed, one start")
    options = parser.parse_args(arguments)
    if options.quick:
        options.seeds, options.starts = 1, 1
    began = time.perf_counter()
    images, labels = images_and_labels()
    rows = []
    for seed in track(range(options.seeds), "seeds"):
        rows.append(agreement(images, labels, seed, options.starts))
    for seed, (ours, theirs) in enumerate(rows):
        print(f"seed {seed}: Lamina {ours:.3f}, scikit-learn {theirs:.3f}")
    same = from_the_same_centers(images, seed=0)
    ours, theirs = np.mean(rows, axis=0)
    seconds = time.perf_counter() - began
    print(f"from the same centers: {same:.3f} with each other")
    print(
        f"kmeans_digits: adjusted mutual information {ours:.3f}, scikit-learn {theirs:.3f}, "
        f"{seconds:.1f} s"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
