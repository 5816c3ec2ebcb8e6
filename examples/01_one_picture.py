"""Look at one picture: python examples/01_one_picture.py MODEL.vedette PICTURE"""

import sys
from pathlib import Path

from vedette import Model


def main(bundle: str, picture: str) -> None:
    with Model(bundle, device="cpu") as model:
        found = model(Path(picture).read_bytes())
    for xyxy, confidence, class_id in zip(found.xyxy, found.confidence, found.class_id, strict=True):
        print(f"{found.labels[class_id]:<10} {confidence:.2f}  {xyxy.round().astype(int).tolist()}")


if __name__ == "__main__":
    main(*sys.argv[1:])
