"""Conformance: what the pipeline relies on, as tests that a plugin inherits.

For each kind of plugin there is a class. Inherit it in your tests, give its fixtures, and pytest runs its checks on
your plugin. A check that fails says what is wrong and what to change::

    from vedette.testing.conformance import StageConformance


    class TestMine(StageConformance):
        @pytest.fixture
        def spec(self):
            return plugin.vedette_stages()[0]

Each class lists the fixtures that you must give and those that you may. The checks themselves are not to be changed:
one that cannot hold for your plugin is overridden with ``@pytest.mark.xfail(reason="...")``, or ``skip``; without a
written reason the class is refused.
"""

from vedette.testing.conformance.backend import BackendCase as BackendCase
from vedette.testing.conformance.backend import BackendConformance as BackendConformance
from vedette.testing.conformance.decoder import DecoderConformance as DecoderConformance
from vedette.testing.conformance.model import ModelConformance as ModelConformance
from vedette.testing.conformance.postprocess import PostprocessConformance as PostprocessConformance
from vedette.testing.conformance.preprocess import PreprocessConformance as PreprocessConformance
from vedette.testing.conformance.sink import SinkConformance as SinkConformance
from vedette.testing.conformance.source import SourceConformance as SourceConformance
from vedette.testing.conformance.stage import StageConformance as StageConformance
