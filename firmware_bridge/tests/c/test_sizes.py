"""What the library costs on the smallest boards."""

import pytest
from cdevice import need
from sizes import CORE, CORES, FROM_LIBC, UNITS, Measured


@pytest.fixture(scope="module", params=CORES)
def measured(request, tmp_path_factory):
    need("arm-none-eabi-gcc", "gcc-arm-none-eabi")
    return Measured(request.param, tmp_path_factory.mktemp(request.param))


def test_the_core_takes_four_kilobytes_of_flash(measured):
    assert 3_000 < measured.core_flash() <= 4_096


def test_a_link_takes_half_a_kilobyte_of_ram_beside_its_buffers(measured):
    """With 4 slots of the control stream and 8 of bulk."""
    assert measured.sizeof("vlp_t") + 12 * measured.sizeof("vlp_slot") <= 512


def test_the_deepest_path_of_the_core_takes_256_bytes_of_stack_and_nothing_calls_itself(measured):
    deepest, path = measured.stack("core")
    assert path[0].startswith("vlp_")
    assert 100 < deepest <= 256
    assert measured.stack("all")[0] <= 1_024


def test_there_is_no_static_memory_and_no_help_from_the_compiler_is_needed(measured):
    """No division: there are boards without. No malloc. Nothing but moving bytes."""
    for unit in (*CORE, *UNITS):
        assert measured.static_ram(unit) == 0
        foreign = {name for name in measured.undefined(unit) if not name.startswith("vlp_")}
        assert foreign - FROM_LIBC <= {"__gnu_thumb1_case_uqi", "__gnu_thumb1_case_uhi"}
        if unit in CORE:
            assert foreign <= FROM_LIBC


def test_cbor_takes_a_kilobyte(measured):
    assert measured.flash("vlp_cbor") <= 1_024
