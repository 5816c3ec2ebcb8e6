"""What happens to training pictures, pixels and boxes alike, so that a network does not learn them by heart.

The arithmetic of pixels is kornia's. What is drawn, and what becomes of boxes, is here, because it must depend on
nothing but the generator handed in: the same picture at the same place of a training comes out the same in every
process.
"""

from vedette_torch.augment.base import Augmentation, Mixing
from vedette_torch.augment.colour import Blur, Colour
from vedette_torch.augment.crop import CropAround, PadCrop, RandomCrop
from vedette_torch.augment.erase import Erase
from vedette_torch.augment.flip import Flip
from vedette_torch.augment.mixing import CutMix, MixUp
from vedette_torch.augment.turn import Turn

__all__ = [
    "Augmentation",
    "Blur",
    "Colour",
    "CropAround",
    "CutMix",
    "Erase",
    "Flip",
    "MixUp",
    "Mixing",
    "PadCrop",
    "RandomCrop",
    "Turn",
]
