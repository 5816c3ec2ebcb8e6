"""torchvision for a torch that has no CUDA although torchvision was built for it: the compiled half of torchvision then
does not load, and the two operators that its Python half needs are missing. They are declared here, one with a body.

A normal installation (torch and torchvision from one index) does not need this.
"""

import sys

import torch

_LIVING: list[torch.library.Library] = []
"""Operators go when what declares them goes."""


def make_torchvision_work() -> bool:
    """Import torchvision, with the stand-in where needed; returns whether it was."""
    try:
        import torchvision

        return False
    except RuntimeError:
        pass
    library = torch.library.Library("torchvision", "FRAGMENT")
    library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    library.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    library.impl("nms", _nms, "CPU")
    _LIVING.append(library)
    for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
        del sys.modules[name]
    import torchvision.extension

    torchvision.extension._has_ops = lambda: True
    return True


def _nms(boxes: torch.Tensor, scores: torch.Tensor, iou_threshold: float) -> torch.Tensor:
    """Greedy suppression, box by box."""
    order = scores.argsort(descending=True, stable=True).tolist()
    low, high = boxes[:, :2], boxes[:, 2:]
    area = (high - low).prod(dim=1)
    kept: list[int] = []
    for index in order:
        others = torch.tensor(kept, dtype=torch.long)
        sides = torch.minimum(high[index], high[others]) - torch.maximum(low[index], low[others])
        shared = sides.clamp(min=0).prod(dim=1)
        if not bool((shared / (area[index] + area[others] - shared) > iou_threshold).any()):
            kept.append(index)
    return torch.tensor(kept, dtype=torch.long)
