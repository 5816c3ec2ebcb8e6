"""A convolutional autoencoder: frames through a short vector and back (Hinton and Salakhutdinov 2006; with noise that
it learns to take away: Vincent et al. 2008, "Extracting and Composing Robust Features with Denoising Autoencoders")."""

from __future__ import annotations

from typing import Annotated

import msgspec
import torch
from torch import Tensor, nn

from vedette.vision.spec import Colour
from vedette_anomaly.recipes.reconstruction import ReconstructionRecipe, ReconstructionSettings
from vedette_torch.recipe import Optimiser, Schedule

STRIDE = 8


class AutoencoderSettings(ReconstructionSettings, frozen=True, kw_only=True):
    """Settings and their defaults.

    Attributes
    ----------
    stack
        Frames that are given back together.
    latent
        Numbers in the vector.
    noise
        Standard deviation, of 0..255, of what is added to the pixels that are shown in training, and is to be taken
        away again; 0: none.
    widths
        Channels at a half, a quarter and an eighth of the size.
    coloured
        RGB instead of grey.
    """

    epochs: Annotated[int, msgspec.Meta(ge=1)] = 20
    batch_size: Annotated[int, msgspec.Meta(ge=1)] = 16
    optimiser: Optimiser = "adam"
    learning_rate: Annotated[float, msgspec.Meta(gt=0)] = 2e-3
    schedule: Schedule = "cosine"
    size_wh: tuple[int, int] = (96, 64)
    stack: Annotated[int, msgspec.Meta(ge=1, le=16)] = 1
    latent: Annotated[int, msgspec.Meta(ge=1)] = 64
    noise: Annotated[float, msgspec.Meta(ge=0, le=255)] = 0.0
    widths: tuple[int, int, int] = (16, 32, 32)
    coloured: bool = False

    @property
    def past(self) -> int:
        return self.stack - 1

    @property
    def colour(self) -> Colour:
        return "rgb" if self.coloured else "gray"


class FrameAutoencoder(ReconstructionRecipe[AutoencoderSettings]):
    """Learns whole frames; what it cannot give back is unusual. Weaker at that than :mod:`next_frame`, but it needs no
    past, and its vector is a compressed frame."""

    name = "frame_autoencoder"
    settings_type = AutoencoderSettings
    stride = STRIDE

    def shown(self, clip: Tensor) -> Tensor:
        """All frames, as channels."""
        return clip.flatten(1, 2)

    def wanted(self, clip: Tensor) -> Tensor:
        """The same."""
        return clip.flatten(1, 2)

    def network(self, settings: AutoencoderSettings, labels: tuple[str, ...]) -> nn.Module:
        channels = settings.stack * (3 if settings.coloured else 1)
        return Autoencoder(channels, settings.size_wh, settings.widths, settings.latent, settings.noise / 256)


class Autoencoder(nn.Module):
    """Pictures ``(n, c, h, w)`` of one size, 0..1, to vectors ``(n, latent)`` and back."""

    def __init__(
        self, channels: int, size_wh: tuple[int, int], widths: tuple[int, int, int], latent: int, noise: float
    ) -> None:
        super().__init__()
        width, height = (side // STRIDE for side in size_wh)
        first, second, third = widths
        self.noise = noise
        self.encoder = nn.Sequential(
            _down(channels, first),
            _down(first, second),
            _down(second, third),
            nn.Flatten(),
            nn.Linear(third * height * width, latent),
        )
        self.decoder = nn.Sequential(
            nn.Linear(latent, third * height * width),
            nn.ReLU(),
            nn.Unflatten(1, (third, height, width)),
            _up(third, second),
            _up(second, first),
            nn.Upsample(scale_factor=2.0, mode="nearest"),
            nn.Conv2d(first, channels, 3, padding=1),
        )

    def encode(self, pictures: Tensor) -> Tensor:
        """The vectors."""
        vectors: Tensor = self.encoder(pictures)
        return vectors

    def decode(self, vectors: Tensor) -> Tensor:
        """The pictures."""
        pictures: Tensor = self.decoder(vectors)
        return pictures

    def forward(self, pictures: Tensor) -> Tensor:
        """There and back."""
        if self.training and self.noise:
            pictures = pictures + self.noise * torch.randn_like(pictures)
        return self.decode(self.encode(pictures))


def _down(before: int, width: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(before, width, 3, 2, 1), nn.BatchNorm2d(width), nn.ReLU())


def _up(before: int, width: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Upsample(scale_factor=2.0, mode="nearest"),
        nn.Conv2d(before, width, 3, padding=1),
        nn.BatchNorm2d(width),
        nn.ReLU(),
    )
