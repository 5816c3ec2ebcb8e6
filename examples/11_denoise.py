"""Take noise out of pictures: python examples/11_denoise.py RUN, a new folder. Needs vedette-anomaly[torch]."""

import sys
from pathlib import Path

import numpy as np
import torch
from dials import SIZE, draw_dials, psnr, write_dials

from vedette_anomaly.recipes.frame_autoencoder import AutoencoderSettings, FrameAutoencoder
from vedette_anomaly.recipes.reconstruction import normalised, pixels_of
from vedette_torch.training import train

NOISE = 40.0

if __name__ == "__main__":
    run = Path(sys.argv[1])
    settings = AutoencoderSettings(size_wh=(SIZE, SIZE), latent=16, noise=NOISE, epochs=30, mirror=False)
    data = write_dials(run / "pictures", 480)
    done = train(FrameAutoencoder(), data, run / "run", settings=settings)

    clean = draw_dials(50, seed=1).astype(np.float32)  # others than it has learnt from
    noisy = (clean + np.random.default_rng(2).normal(0, NOISE, clean.shape)).clip(0, 255).astype(np.float32)
    with torch.no_grad():
        given = pixels_of(done.network(normalised(torch.from_numpy(noisy[:, None]))))[:, 0].numpy()
    print(f"PSNR: {psnr(noisy, clean):.1f} dB with the noise, {psnr(given, clean):.1f} dB without it")
