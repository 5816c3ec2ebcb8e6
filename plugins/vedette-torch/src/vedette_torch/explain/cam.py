"""The Grad-CAM family: maps made of one layer's activations and the gradient of a score by them.

``activations`` and ``gradient`` are ``(c, h, w)``; a map is ``(h, w)``, 0 where nothing speaks for the score.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from torch import Tensor

Formula = Callable[[Tensor, Tensor], Tensor]


def grad_cam(activations: Tensor, gradient: Tensor) -> Tensor:
    """Selvaraju et al. 2017, "Grad-CAM: visual explanations from deep networks via gradient-based localization":
    channels weighed by the mean of their gradient."""
    return (gradient.mean(dim=(1, 2), keepdim=True) * activations).sum(dim=0).relu()


def grad_cam_plus_plus(activations: Tensor, gradient: Tensor) -> Tensor:
    """Chattopadhyay et al. 2018, "Grad-CAM++": positive gradients alone, each place weighed by equation 19, which has
    the second and third derivatives of the exponential of the score."""
    square = gradient**2
    below = 2 * square + (activations * gradient**3).sum(dim=(1, 2), keepdim=True)
    alpha = square / below.where(below != 0, below.new_tensor(1.0))
    weight = (alpha * gradient.relu()).sum(dim=(1, 2), keepdim=True)
    return (weight * activations).sum(dim=0).relu()


def hires_cam(activations: Tensor, gradient: Tensor) -> Tensor:
    """Draelos and Carin 2020, "Use HiResCAM instead of Grad-CAM for faithful explanations": gradient times activation,
    place by place. It shows only places that the score rests on."""
    return (gradient * activations).sum(dim=0).relu()


def layer_cam(activations: Tensor, gradient: Tensor) -> Tensor:
    """Jiang et al. 2021, "LayerCAM: exploring hierarchical class activation maps for localization": as HiResCAM with
    positive gradients alone; fit for early layers, too."""
    return (gradient.relu() * activations).sum(dim=0).relu()


FORMULAS: Mapping[str, Formula] = {
    "grad-cam": grad_cam,
    "grad-cam++": grad_cam_plus_plus,
    "hires-cam": hires_cam,
    "layer-cam": layer_cam,
}
