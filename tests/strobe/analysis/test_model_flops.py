"""Operations of a training step: against published figures, and against a count by torch."""

from __future__ import annotations

import numpy as np
import pytest

from strobe.analysis.device_peaks import device_peak
from strobe.analysis.model_flops import TransformerShape, attention_flops, dense_flops, matrix_flops, utilization
from strobe.analysis.step_times import usual


def test_the_dense_count_of_a_known_model() -> None:
    assert dense_flops(1.294159104e9, 18, 18, 128, 2048) == pytest.approx(8.784170496e9, rel=1e-12)


def test_the_exact_count_is_what_torch_counts() -> None:
    torch = pytest.importorskip("torch")
    counting = pytest.importorskip("torch.utils.flop_counter")
    shape = TransformerShape(
        n_layer=2, n_head=4, head_size=8, width=32, mlp_width=96, vocab_size=50, n_kv_head=2, gated=True
    )
    length, kv = 16, 2 * 8
    x = torch.randn(length, shape.width)
    matrices = [torch.randn(32, out, requires_grad=True) for out in (32, kv, kv, 32, 96, 96)]
    down, unembed = torch.randn(96, 32, requires_grad=True), torch.randn(32, 50, requires_grad=True)
    with counting.FlopCounterMode(display=False) as counter:
        for _ in range(shape.n_layer):
            q, k, v, o, gate, up = (x @ matrix for matrix in matrices)
            heads = [each.view(length, -1, 8).transpose(0, 1) for each in (q, k, v)]
            keys, values = (each.repeat_interleave(2, 0) for each in heads[1:])
            torch.bmm(torch.bmm(heads[0], keys.transpose(1, 2)), values)
            (torch.nn.functional.silu(gate) * up) @ down
        x @ unembed
    assert o.shape == (length, 32)
    assert matrix_flops(shape, length) == 3 * counter.get_total_flops() / length
    plain = TransformerShape(2, 4, 8, 32, 128, 50)
    weights = 2 * (4 * 32 * 32 + 2 * 32 * 128) + 32 * 50
    assert matrix_flops(plain, 16) == 6 * weights + attention_flops(2, 4, 8, 16)


def test_utilization() -> None:
    assert utilization(8e9, 1e6, 10.0, 1e15, 2) == pytest.approx(0.4)


@pytest.mark.parametrize(
    ("device", "tera"),
    [
        ("NVIDIA A100-SXM4-80GB", 312), ("NVIDIA H100 80GB HBM3", 989), ("NVIDIA H100 PCIe", 756),
        ("NVIDIA H200", 989), ("NVIDIA RTX A6000", 155), ("Tesla V100-SXM2-16GB", 125), ("NVIDIA B200", 2250),
    ],
)  # fmt: skip
def test_peaks_by_the_names_of_drivers(device: str, tera: float) -> None:
    peak = device_peak(device)
    assert peak is not None
    assert peak.flops == tera * 1e12


def test_an_unknown_device_has_no_peak() -> None:
    assert device_peak("cpu") is None
    assert device_peak("NVIDIA A1000") is None


def test_slow_steps_beside_evaluations_are_left_out_and_others_stay() -> None:
    steps, times = np.arange(0, 200, 10), np.full(20, 4000.0)
    times[[0, 10, 15]] = 30_000
    kept = usual(steps, times, np.array([0, 100, 145]))
    assert np.flatnonzero(~kept).tolist() == [0, 10, 15]
    assert usual(steps, times, np.array([100])).sum() == 19, "a slow step of the training's own stays"
    assert usual(steps, times, np.array([], np.int64)).all()
    assert usual(steps, np.full(20, 4000.0), steps).all()
