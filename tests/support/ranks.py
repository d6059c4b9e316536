"""Two gloo processes that train one model, and record it."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import nn


def small() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))


def batch(step: int, rank: int, ranks: int) -> torch.Tensor:
    """A process's part of the batch of 4 of a step."""
    whole = torch.randn(4, 4, generator=torch.Generator().manual_seed(step))
    return whole.chunk(ranks)[rank]


def train(how: str, folder: Path | None, rank: int = 0, ranks: int = 1, **options: Any) -> list[float]:
    """The weights after three steps; `how` is "plain", "ddp" or "fsdp"."""
    import strobe

    model: Any = small()
    if how == "ddp":
        model = nn.parallel.DistributedDataParallel(model)
    elif how == "fsdp":
        from torch.distributed.device_mesh import init_device_mesh
        from torch.distributed.fsdp import fully_shard

        fully_shard(model, mesh=init_device_mesh("cpu", (ranks,)))
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    run = strobe.watch(model, optimizer, folder, every=1, **options) if folder is not None else None
    for step in range(3):
        optimizer.zero_grad()
        model(batch(step, rank, ranks)).square().mean().backward()
        optimizer.step()
        if run is not None:
            run.log({"loss": float(step)})
    if run is not None:
        run.finish()
    whole = [p.full_tensor() if hasattr(p, "full_tensor") else p for p in model.parameters()]
    return [float(value) for p in whole for value in p.detach().flatten()]


if __name__ == "__main__":
    how, out, number, port = sys.argv[1:5]
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "GLOO_SOCKET_IFNAME": "lo"}
    torch.set_num_threads(1)
    dist.init_process_group("gloo", rank=int(number), world_size=2)
    log = ("params", "grads", "optimizer", "activations")
    probe = torch.ones(1, 4)
    with_it = train(how, Path(out) / "run", int(number), 2, log=log, probe=probe)
    if how == "fsdp":
        train(how, Path(out) / "stats", int(number), 2, keep="stats")
    assert with_it == train(how, None, int(number), 2), "the training is another with the record"
    dist.destroy_process_group()
