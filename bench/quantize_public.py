"""The quantiser on other people's models: MobileNetV2 on photographs, two detectors on COCO128, from the data folder.

``python -m bench.quantize_public [classifier] [yolox] [fastestdet]`` packs the float model, quantises it and prints the
table.
MobileNetV2 carries the quantisation of its training; it is stripped, and what is then float is the baseline.
"""

from __future__ import annotations

import csv
import os
import sys
import tempfile
import zipfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import onnx

from vedette.bundle.pack import PackRequest, pack_model
from vedette_torch.data.reading import read_data
from vedette_torch.data.samples import BoxesSample, Dataset, ImageSample
from vedette_torch.data.unpack import unpack
from vedette_torch.quantise.pairs import strip_quantisation
from vedette_torch.quantise.report import as_text
from vedette_torch.quantise.run import Report, Request, Source, quantise

CROP = {
    "resize": "crop",
    "crop_fraction": 0.875,
    "kernel": "bilinear",
    "colour": "rgb",
    "mean": [127.5],
    "scale": [127.5],
}
LETTERBOX = {
    "resize": "letterbox",
    "kernel": "bilinear",
    "anchor": "top_left",
    "colour": "bgr",
    "mean": [0],
    "scale": [1],
    "pad": [114],
}
STRETCH = {"resize": "stretch", "kernel": "bilinear", "colour": "bgr", "mean": [0], "scale": [255]}


def pack_classifier(data: Path, folder: Path) -> Path:
    """MobileNetV2 without the quantisation that it carries."""
    model = folder / "mobilenet_v2.onnx"
    onnx.save(strip_quantisation(onnx.load(data / "models/mobilenet_v2_1.0_224_fq.onnx")), model)
    request = PackRequest(
        model=model,
        task="classification",
        decoder="classification",
        params={"activation": "none", "first_class": 1},
        licence="Apache-2.0",
        labels=(data / "models/imagenet_labels_1001.txt").read_text().splitlines()[1:],
        image=CROP,
        samples=[data / "images" / name for name in ("owl.jpg", "parrot.jpg", "cat_720p.jpg")],
    )
    return pack_model(request, folder / "mobilenet_v2.vedette")


def photographs(data: Path, folder: Path) -> list[ImageSample]:
    """The 500 photographs, each of another ImageNet class, in the order of the classes."""
    with zipfile.ZipFile(data / "images/imagenet_sample_500.zip") as archive:
        archive.extractall(folder)
    (table,) = folder.rglob("labels.csv")
    with table.open() as lines:
        return [
            ImageSample(path=table.parent / row["file"], class_id=int(row["class_index"]))
            for row in csv.DictReader(lines)
        ]


def quantise_classifier(
    data: Path, folder: Path, *, calibrate: int = 100, test: int = 400, **rest: object
) -> Report:
    """Every fifth photograph calibrates, the others test."""
    bundle = pack_classifier(data, folder)
    samples = photographs(data, folder / "photographs")
    labels = tuple((data / "models/imagenet_labels_1001.txt").read_text().splitlines()[1:])
    request = Request(
        source=Source(bundle=bundle),
        calibration=[sample.path for sample in samples[::5]][:calibrate],
        calibration_origin="imagenet_sample_500, every fifth",
        data=Dataset(samples=[sample for at, sample in enumerate(samples) if at % 5][:test], labels=labels),
        data_origin="imagenet_sample_500, the others",
        output=folder / "mobilenet_v2.int8.vedette",
        max_drop=1.0,
    )
    return quantise(_with(request, rest), say=_say)


def quantise_yolox(data: Path, folder: Path, **rest: object) -> Report:
    """YOLOX-nano."""
    return quantise_detector(data, folder, "yolox_nano_coco_416", "yolox", "Apache-2.0", LETTERBOX, **rest)


def quantise_fastestdet(data: Path, folder: Path, **rest: object) -> Report:
    """FastestDet."""
    return quantise_detector(
        data, folder, "fastestdet_coco_352", "fastestdet", "BSD-3-Clause", STRETCH, **rest
    )


def quantise_detector(
    data: Path,
    folder: Path,
    name: str,
    decoder: str,
    licence: str,
    image: Mapping[str, object],
    **rest: object,
) -> Report:
    """A quarter of COCO128 calibrates, the others test."""
    names = tuple((data / "models/coco80.names").read_text().splitlines())
    model = PackRequest(
        model=data / f"models/{name}.onnx",
        task="detection",
        decoder=decoder,
        licence=licence,
        labels=names,
        image=image,
        samples=[data / "images" / f"{picture}.jpg" for picture in ("bus", "dog", "person", "zidane")],
    )
    bundle = pack_model(model, folder / f"{name}.vedette")
    samples = coco128(data, folder / "coco128")
    request = Request(
        source=Source(bundle=bundle),
        calibration=[sample.path for sample in samples[::4]],
        calibration_origin="coco128, every fourth",
        data=Dataset(samples=[sample for at, sample in enumerate(samples) if at % 4], labels=names),
        data_origin="coco128, the others",
        output=folder / f"{name}.int8.vedette",
        max_drop=1.0,
    )
    return quantise(_with(request, rest), say=_say)


def coco128(data: Path, folder: Path) -> list[BoxesSample]:
    """The pictures of COCO128 with their boxes, in the numbers of COCO's 80 classes."""
    root = unpack(data / "datasets/coco128/coco128_train.zip", folder)
    found: Dataset[BoxesSample] = read_data(root, "yolo").split()
    return list(found.samples)


def _with(request: Request, rest: dict[str, object]) -> Request:
    return replace(request, **rest)  # type: ignore[arg-type]


def _say(text: str) -> None:
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\033[K{text}")
        sys.stderr.flush()


def main() -> None:
    """Run what is named, or all."""
    data = Path(os.environ["VEDETTE_DATA"])
    known = {"classifier": quantise_classifier, "yolox": quantise_yolox, "fastestdet": quantise_fastestdet}
    for name in sys.argv[1:] or known:
        with tempfile.TemporaryDirectory() as folder:
            sys.stdout.write(f"{name}\n{as_text(known[name](data, Path(folder)))}\n\n")


if __name__ == "__main__":
    main()
