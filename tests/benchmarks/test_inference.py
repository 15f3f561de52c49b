"""Forward passes at small sizes: every peer against the reference in float64."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.peers import PEERS
from benchmarks.workload import Workload, compare
from benchmarks.workloads import gpt2_prefill, quantized, resnet_infer, transformer_train
from lamina.backend.targets import select

SMALL = transformer_train.Sizes(2, 32, 4, 16, 1, 50, last=True)
ROWS = [
    *gpt2_prefill.network("gpt2", SMALL).workloads(),
    *resnet_infer.network(resnet_infer.Sizes(2, 32, 4, 5)).workloads(),
]
PEERS_HERE = ["lamina", "torch", "jax", "onnxruntime", "openvino"]
SATURATING = ("onnxruntime", "openvino")  # pairs of products of bytes, on processors without VNNI


def share_of_tolerance(row: Workload, peer: str) -> float:
    """How much of what is tolerated the peer's error takes."""
    if peer not in row.builders:
        pytest.skip("has no such function")
    if PEERS[peer].version() is None:
        pytest.skip(f"{peer} is not installed")
    data = row.make_data()
    return compare(row.builders[peer](data).result(), row.reference(data), row.tolerance).share


@pytest.mark.parametrize("peer", PEERS_HERE)
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_logits(row, peer):
    assert share_of_tolerance(row, peer) < 0.3


def test_the_reference_tells_a_wrong_network(monkeypatch):
    row = ROWS[0]
    data = row.make_data()
    wrong = {**data, "layers.1.linear1.bias": data["layers.1.linear1.bias"] + 0.1}
    found = row.builders["lamina"](wrong).result()
    assert not compare(found, row.reference(data), row.tolerance).passed


@pytest.mark.filterwarnings("ignore:torch.quantize:UserWarning")  # it is what torch 2.13 has
@pytest.mark.parametrize("peer", PEERS_HERE)
def test_layers_in_eight_bits(peer, monkeypatch):
    if peer in SATURATING and not select().dots_bytes:
        pytest.skip(f"{peer} saturates sums of two products on this processor, and is wrong")
    monkeypatch.setattr(quantized, "WIDTH", 256)
    assert share_of_tolerance(quantized.row(3), peer) < 1.0


def test_weights_of_eight_bits_keep_the_variance(monkeypatch):
    monkeypatch.setattr(quantized, "WIDTH", 256)
    found = quantized.row(64).make_data()
    assert len(found["largest"]) == quantized.LAYERS
    for x in quantized.activations(found, np.float64):
        assert 0.3 < np.sqrt(np.square(x).mean()) < 3
