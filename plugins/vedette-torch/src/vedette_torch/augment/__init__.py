"""What happens to training pictures, pixels and boxes alike, so that a network does not learn them by heart.

The arithmetic of pixels is kornia's. What is drawn, and what becomes of boxes, is here, because it must depend on
nothing but the generator handed in: the same picture at the same place of a training comes out the same in every
process.
"""

from vedette_torch.augment.base import Augmentation, Mixing
from vedette_torch.augment.colour import Blur, Colour, Negative
from vedette_torch.augment.crop import CropAround, PadCrop, RandomCrop
from vedette_torch.augment.erase import Erase
from vedette_torch.augment.flip import Flip, QuarterTurn
from vedette_torch.augment.frames import EveryFrame
from vedette_torch.augment.mixing import CutMix, MixUp
from vedette_torch.augment.noise import Noise
from vedette_torch.augment.time import CropTime, DropFrames, Reverse, Speed
from vedette_torch.augment.turn import Turn

__all__ = [
    "Augmentation",
    "Blur",
    "Colour",
    "CropAround",
    "CropTime",
    "CutMix",
    "DropFrames",
    "Erase",
    "EveryFrame",
    "Flip",
    "MixUp",
    "Mixing",
    "Negative",
    "Noise",
    "PadCrop",
    "QuarterTurn",
    "RandomCrop",
    "Reverse",
    "Speed",
    "Turn",
]
