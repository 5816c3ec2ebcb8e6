"""Explain an answer of the network of a run."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
import torch

from vedette.explain.answer import choose, class_named, scores, widened
from vedette.explain.occlusion import Occlusion, as_pixels, cover, fill_value
from vedette.explain.saliency import Saliency, Target
from vedette.frame import Frame
from vedette.results import Detections
from vedette.specs import Affine
from vedette.vision.geometry import scale_translate
from vedette_torch.evaluation.run import RunPredictor
from vedette_torch.explain.cam import FORMULAS
from vedette_torch.explain.layers import captured, find_layer
from vedette_torch.explain.score import class_score, detection_score

Method = Literal["grad-cam", "grad-cam++", "hires-cam", "layer-cam", "occlusion"]
METHODS: tuple[Method, ...] = get_args(Method)
_BATCH = 32


def explain_run(
    predictor: RunPredictor,
    frame: Frame,
    *,
    target: int | str | None = None,
    row: int | None = None,
    method: Method | None = None,
    layer: str | None = None,
    occlusion: Occlusion = Occlusion(),  # noqa: B008 - frozen
) -> Saliency:
    """Show which places of a picture speak for an answer of a network that was trained.

    Parameters
    ----------
    target
        The class, by number or name; default: the one that the network is most confident in.
    row
        Which detection; default: the most confident one (of ``target``).
    method
        One of the Grad-CAM family (:mod:`vedette_torch.explain.cam`), one run forward and one back; or occlusion. By
        default Grad-CAM for classifiers, and HiResCAM for detectors: Grad-CAM weighs whole channels, and so does not
        tell one detection from another of its kind.
    layer
        Name of the layer whose feature map is looked at; default: :func:`~vedette_torch.explain.layers.find_layer`.

    Raises
    ------
    VedetteError
        There is no such layer or answer, or the network gives no feature maps.
    """
    number = class_named(predictor.labels, target) if isinstance(target, str) else target
    chosen = choose(predictor(frame), number, row)
    if method is None:
        method = "hires-cam" if issubclass(predictor.result, Detections) else "grad-cam"
    if method == "occlusion":
        return _by_occlusion(predictor, frame, chosen, occlusion)
    return _by_gradient(predictor, frame, chosen, method, layer)


def _by_gradient(
    predictor: RunPredictor, frame: Frame, target: Target, method: str, layer: str | None
) -> Saliency:
    (tensor,), affine = predictor.tensors(frame)
    boxes = issubclass(predictor.result, Detections)
    _, module = find_layer(predictor.network, tensor, layer, boxes=boxes)
    with torch.enable_grad(), captured(module) as maps:
        outputs = predictor.outputs(tensor.requires_grad_())
        if boxes:
            score = detection_score(
                outputs, lambda raw: predictor.read(raw, affine[None], frame.size_wh), target
            )
        else:
            score = class_score(outputs, predictor.params, target)
        activations = maps[-1]
        (gradient,) = torch.autograd.grad(score, activations)
    heat = FORMULAS[method](activations.detach()[0], gradient[0]).numpy()
    height, width = tensor.shape[2:]
    return Saliency(
        heat=heat,
        affine=_composed(affine, (width / heat.shape[1], height / heat.shape[0])),
        size_wh=frame.size_wh,
        target=target,
        method=method,
        inferences=1,
    )


@torch.no_grad()
def _by_occlusion(predictor: RunPredictor, frame: Frame, target: Target, settings: Occlusion) -> Saliency:
    (tensor,), affine = predictor.tensors(frame)
    height, width = tensor.shape[2:]
    patches = cover((width, height), affine, frame.size_wh, settings.cells)
    fill = fill_value(as_pixels(tensor[0].numpy()), settings.fill, predictor.spec)
    params = widened(predictor.params, predictor.result)
    left = []
    numbers = np.arange(-1, len(patches))  # the picture as it is, then each patch
    for block in np.array_split(numbers, -(-len(numbers) // _BATCH)):
        rows = tensor.repeat(len(block), 1, 1, 1)
        for row, number in zip(rows, block.tolist(), strict=True):
            if number >= 0:
                x0, y0, x1, y1 = patches.patches[number]
                as_pixels(row.numpy())[y0:y1, x0:x1] = fill
        outputs = {name: value.numpy() for name, value in predictor.outputs(rows).items()}
        result = predictor.read(outputs, np.repeat(affine[None], len(block), 0), frame.size_wh, params)
        left.append(scores(result, len(block), target))
    answers = np.concatenate(left)
    return Saliency(
        heat=patches.heat(float(answers[0]), answers[1:]),
        affine=patches.to_frame(affine, (width, height)),
        size_wh=frame.size_wh,
        target=target,
        method="occlusion",
        inferences=len(numbers),
    )


def _composed(affine: Affine, scale: tuple[float, float]) -> Affine:
    """From a map whose cells are ``scale`` pixels of the tensor to the frame."""
    inner = scale_translate(*scale)
    return np.hstack([affine[:, :2] @ inner[:, :2], affine[:, 2:]])
