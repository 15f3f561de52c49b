"""k-means on the handwritten digits: the centres, and the clusters in two principal components."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.metrics import adjusted_mutual_info_score

from docs.drawings import style
from lamina import classical, data


def draw() -> Any:
    """Ten centres as images beside all digits as points."""
    digits = data.digits()
    images = digits.train_images.reshape(len(digits.train_images), -1)
    found = classical.KMeans(n_clusters=10, n_init=4, random_state=0).fit(images)
    plane = classical.PCA(n_components=2).fit_transform(images)
    agreement = adjusted_mutual_info_score(digits.train_labels, found.labels_)

    made, (left, right) = style.figure(8.0, 3.3, ncols=2, width_ratios=[1, 1.25])
    centres = np.pad(found.cluster_centers_.reshape(2, 5, 8, 8), ((0, 0), (0, 0), (1, 1), (1, 1)))
    left.imshow(np.vstack([np.hstack(row) for row in centres]), cmap="gray_r")
    left.set(title="centres of ten clusters", xticks=[], yticks=[])
    dots = {"c": found.labels_, "cmap": "tab10", "s": 7, "linewidths": 0, "rasterized": True}
    right.scatter(plane[:, 0], plane[:, 1], **dots)
    right.set(
        title=f"1437 digits; adjusted mutual information\nwith the true labels {agreement:.2f}",
        xlabel="first principal component",
        ylabel="second",
        xticks=[],
        yticks=[],
    )
    return made
