"""What devices can do at most in dense bfloat16 or float16 products accumulated in float32, as their makers state it.

Figures "with sparsity" are twice these, and no peak of what a dense network does.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple


class Peak(NamedTuple):
    """FLOP/s of one device, and of which device by which statement."""

    flops: float
    device: str
    source: str


_TERA: Final = 1e12
_PEAKS: Final[tuple[tuple[str, float, str, str], ...]] = (
    (r"\bB200\b", 2250, "B200", "NVIDIA Blackwell architecture brief"),
    (r"\bGH200\b", 989, "GH200", "NVIDIA GH200 datasheet"),
    (r"\bH200\b", 989, "H200", "NVIDIA H200 datasheet"),
    (r"\bH100\b.*PCIe", 756, "H100 PCIe", "NVIDIA H100 datasheet"),
    (r"\bH100\b", 989, "H100 SXM", "NVIDIA H100 datasheet"),
    (r"\bA100\b", 312, "A100", "NVIDIA A100 datasheet"),
    (r"\bA6000\b", 155, "RTX A6000", "NVIDIA Ampere GA102 whitepaper"),
    (r"\bA40\b", 150, "A40", "NVIDIA A40 datasheet"),
    (r"\bA10\b", 125, "A10", "NVIDIA A10 datasheet"),
    (r"\bL40S\b", 362, "L40S", "NVIDIA L40S datasheet"),
    (r"\bL4\b", 121, "L4", "NVIDIA L4 datasheet"),
    (r"\bV100\b.*PCIe", 112, "V100 PCIe", "NVIDIA V100 datasheet"),
    (r"\bV100\b", 125, "V100", "NVIDIA V100 datasheet"),
    (r"\bT4\b", 65, "T4", "NVIDIA T4 datasheet"),
)


def device_peak(device: str) -> Peak | None:
    """The peak of a device by the name that drivers give it; None for one that is not in the table."""
    for pattern, tera, name, source in _PEAKS:
        if re.search(pattern, device.replace("_", " "), re.IGNORECASE):
            return Peak(tera * _TERA, name, source)
    return None
