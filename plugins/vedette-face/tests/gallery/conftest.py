"""A cheap scrypt: what the tests try is the same, and 64 MiB twice for each export is not."""

import pytest

from vedette_face.gallery import transfer


@pytest.fixture(autouse=True)
def cheap_scrypt(monkeypatch):
    assert transfer._COST == 1 << 16
    monkeypatch.setattr(transfer, "_COST", 1 << 4)
