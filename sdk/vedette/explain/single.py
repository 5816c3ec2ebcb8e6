"""Explain an answer of a single model."""

from __future__ import annotations

from vedette.explain.answer import choose, class_named
from vedette.explain.explanation import Method, begin, method_for
from vedette.explain.occlusion import Occlusion
from vedette.explain.saliency import Saliency
from vedette.model.single import Model, Picture
from vedette.specs import Roi


def explain(
    model: Model,
    picture: Picture,
    *,
    target: int | str | None = None,
    row: int | None = None,
    roi: Roi | None = None,
    method: Method = "auto",
    occlusion: Occlusion = Occlusion(),  # noqa: B008 - frozen
) -> Saliency:
    """Show which places of a picture speak for an answer of a model.

    >>> with Model("mobilenet-v2-1.0.0.vedette", parts=Replace(batch=8)) as model:  # doctest: +SKIP
    ...     explain(model, image_bgr).regions()

    Occlusion runs the model once for each cell of its map (145 times with the defaults, for a square input), in batches
    where the model was opened with some (``Replace(batch=8)``); an activation map costs one inference.

    Parameters
    ----------
    target
        The class, by number or name; default: the one that the model is most confident in.
    row
        Which detection; default: the most confident one (of ``target``).
    roi
        The part of the picture that the model looks at; default: all of it.
    method
        ``auto``: ``activation`` where the bundle offers it (:mod:`vedette.explain.activation`), else ``occlusion``.

    Raises
    ------
    BundleError
        The model cannot be explained by this method: see :func:`~vedette.explain.explanation.method_for`.
    ResultError
        There is no such answer, or nothing was found.
    """
    method_for(model.loaded, method)
    frame = model.frame(picture)
    roi = Roi.whole(frame.size_wh) if roi is None else roi
    number = class_named(model.bundle.labels, target) if isinstance(target, str) else target
    chosen = choose(model(frame, [roi]), number, row)
    explanation = begin(model.loaded, frame, roi, chosen, method, occlusion)
    while rows := explanation.rows:
        explanation.take(*model.run(frame, [roi] * rows, explanation.graphs()))
    return explanation.saliency()
