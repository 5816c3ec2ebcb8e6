"""Train a network of your own: python examples/05_small_network.py DATA RUN, where DATA has train/CLASS/picture.jpg"""

import sys
from pathlib import Path

from torch import nn

from vedette.vision.spec import InputSpec
from vedette_torch.classifier import ClassifierRecipe, ClassifierSettings
from vedette_torch.export import export_run, pack_command
from vedette_torch.training import train


class SmallNetwork(ClassifierRecipe[ClassifierSettings]):
    """Two convolutions, each with pooling, then two dense layers; softmax is left to the bundle's decoder."""

    name = "small_network"
    settings_type = ClassifierSettings

    def inputs(self, settings):
        return {
            "image": InputSpec(size_wh=(28, 28), resize="stretch", colour="gray", mean=(128,), scale=(64,))
        }

    def network(self, settings, labels):
        first = [nn.Conv2d(1, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)]
        second = [nn.Conv2d(32, 64, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)]
        dense = [nn.Flatten(), nn.Linear(64 * 7 * 7, 128), nn.ReLU(), nn.Linear(128, len(labels))]
        return nn.Sequential(*first, *second, *dense)


if __name__ == "__main__":
    recipe, settings = SmallNetwork(), ClassifierSettings(epochs=10, batch_size=32)
    done = train(recipe, Path(sys.argv[1]), Path(sys.argv[2]), settings=settings, resume=True, say=print)
    print(*done.findings, export_run(recipe, settings, done), pack_command(recipe, settings, done), sep="\n")
