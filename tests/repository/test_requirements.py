"""An edge box carries every requirement, so each is a decision."""


def test_core_requires_exactly_these(core):
    assert set(core.requirements) == {"numpy", "pluggy", "msgspec", "pynacl", "click"}


def test_no_plugin_requires_torch(plugin):
    assert not {"torch", "torchvision", "lightning", "lightning-fabric"} & set(plugin.requirements)


def test_development_installs_every_distribution(root, distribution):
    folder = distribution.folder.relative_to(root).as_posix()
    wanted = "-e ./" if folder == "." else f"-e ./{folder}"
    assert wanted in (root / "requirements-dev.txt").read_text().splitlines()
