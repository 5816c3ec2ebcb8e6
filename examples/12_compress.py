"""Pictures of one kind as a few bytes each: python examples/12_compress.py RUN. Needs vedette-anomaly[torch]."""

import sys
from pathlib import Path

import numpy as np
import torch
from dials import SIZE, draw_dials, psnr, write_dials

from vedette.bundle.samples import encode_png
from vedette_anomaly.recipes.frame_autoencoder import AutoencoderSettings, FrameAutoencoder
from vedette_anomaly.recipes.reconstruction import normalised, pixels_of
from vedette_torch.training import train

if __name__ == "__main__":
    run = Path(sys.argv[1])
    settings = AutoencoderSettings(size_wh=(SIZE, SIZE), latent=12, epochs=30, mirror=False)
    data = write_dials(run / "pictures", 480)
    network = train(FrameAutoencoder(), data, run / "run", settings=settings).network

    known, others = (torch.from_numpy(draw_dials(50, seed).astype(np.float32)[:, None]) for seed in (0, 1))
    with torch.no_grad():
        vectors = network.encode(normalised(known))
        low, step = vectors.amin(), (vectors.amax() - vectors.amin()) / 255
        packed = ((network.encode(normalised(others)) - low) / step).round().clamp(0, 255).to(torch.uint8)
        back = pixels_of(network.decode(packed.float() * step + low))

    pictures = others[:, 0].numpy()
    png = np.mean([len(encode_png(np.stack([picture.astype(np.uint8)] * 3, -1))) for picture in pictures])
    print(f"{packed.shape[1]} bytes for a picture of {SIZE * SIZE} pixels (as PNG: {png:.0f} bytes)")
    print(f"PSNR of what comes back: {psnr(back[:, 0].numpy(), pictures):.1f} dB")
