"""Which devices PyTorch sees here, as a program: the app asks it, and does without PyTorch itself."""

from __future__ import annotations

import json

import torch


def main() -> None:
    """Prints one JSON object: the version of PyTorch, and the devices by the names that --device takes."""
    gpus = {f"cuda:{k}": torch.cuda.get_device_name(k) for k in range(torch.cuda.device_count())}
    print(json.dumps({"torch": str(torch.__version__), "devices": {"cpu": "CPU", **gpus}}))


if __name__ == "__main__":
    main()
