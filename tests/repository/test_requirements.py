"""An edge box carries every requirement, so each is a decision."""


def test_core_requires_exactly_these(core):
    assert set(core.requirements) == {"numpy", "pluggy", "msgspec", "pynacl", "click"}


SERVER_SIDE = ["vedette-torch"]
"""Distributions that no edge box installs."""


def test_nothing_for_the_edge_requires_torch(distribution):
    if distribution.project["name"] not in SERVER_SIDE:
        assert not {"torch", "torchvision", "lightning", "lightning-fabric", *SERVER_SIDE} & set(
            distribution.requirements
        )


def test_development_installs_every_distribution(root, distribution):
    folder = distribution.folder.relative_to(root).as_posix()
    wanted = "-e ./" if folder == "." else f"-e ./{folder}"
    server_side = distribution.project["name"] in SERVER_SIDE
    listed = root / ("requirements-server.txt" if server_side else "requirements-dev.txt")
    assert wanted in [line.partition("[")[0] for line in listed.read_text().splitlines()]
