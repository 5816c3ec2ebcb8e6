"""The tool on somebody else's model: MobileNetV2, with fewer photographs than ``make quantize-public`` takes."""

from vedette.bundle.bundle import open_bundle
from vedette.registry import load_plugins
from vedette_torch.quantise.gate import value_of


def test_mobilenet_loses_no_more_than_a_point(data, tmp_path):
    from bench.quantize_public import quantise_classifier

    report = quantise_classifier(data, tmp_path, calibrate=30, test=60, speed_rounds=0)
    assert set(report.passed.best.drops) == set(load_plugins().backends)
    for drop in report.passed.best.drops.values():
        assert value_of(drop.f32) > 0.8  # of other people's photographs: it is read rightly
        assert drop.value <= 0.01
    assert report.sizes[1] < 0.3 * report.sizes[0]
    with open_bundle(report.output) as made:
        assert list(made.manifest.variants) == ["f32", "int8"]
        assert sum("imagenet_sample_500" in line for line in made.manifest.provenance.data) == 2
