"""Hostile input: nothing damaged is taken, no memory is touched that must not be, and the tests reach the code."""

import re
import subprocess

import pytest
from cdevice import FIRMWARE, HERE, SOURCES, STRICT, build, need

SANITIZE = ("-g", "-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
OTHERS = [source for source in SOURCES if source.name != "vlp_receive.c"]


def run(program, *arguments):
    done = subprocess.run([program, *map(str, arguments)], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    return done.stdout


def test_no_damaged_frame_is_taken(tmp_path):
    program = build(tmp_path / "corrupt", HERE / "corrupt.c", *SOURCES, flags=("-O2", "-D_GNU_SOURCE"))
    said = run(program, 1, 1_000_000)
    assert "1000000 damaged frames, 0 taken" in said
    headers, payloads = map(int, re.search(r"\((\d+) headers, (\d+) payloads", said).groups())
    assert min(headers, payloads) > 100_000


def test_sanitizers_find_nothing_whatever_comes(tmp_path):
    program = build(tmp_path / "fuzz", HERE / "fuzz.c", *SOURCES, flags=("-DSTANDALONE", *SANITIZE))
    for seed in (1, 2):
        assert run(program, seed, 1_500) == "1500 inputs\n"


def test_the_fuzzer_takes_its_own_ways(tmp_path):
    need("clang")
    flags = ("-g", "-O1", "-fsanitize=fuzzer,address,undefined", "-fno-sanitize-recover=all")
    program = build(tmp_path / "fuzz", HERE / "fuzz.c", *SOURCES, flags=flags, compiler="clang")
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    run(
        program,
        "-runs=15000",
        "-max_len=2048",
        "-seed=1",
        "-verbosity=0",
        "-rss_limit_mb=0",  # it reads the peak of the process that started it, which is this one's
        f"-artifact_prefix={tmp_path}/",
        corpus,
    )


def test_the_branches_of_the_parser_are_reached(tmp_path):
    """With the checks and what each kind of frame does: all of vlp_receive.c."""
    need("gcov", "gcc")
    flags = ("-O0", "--coverage", "-c")
    build(tmp_path / "vlp_receive.o", FIRMWARE / "vlp_receive.c", flags=flags)
    program = build(
        tmp_path / "fuzz",
        HERE / "fuzz.c",
        *OTHERS,
        tmp_path / "vlp_receive.o",
        flags=("-DSTANDALONE", "-O1", "--coverage"),
    )
    run(program, 3, 3_000)
    said = subprocess.run(
        ["gcov", "-b", "-o", str(tmp_path), "vlp_receive.c"], cwd=tmp_path, capture_output=True, text=True
    ).stdout
    found = re.search(r"File '[^']*vlp_receive\.c'.*?Taken at least once:([\d.]+)% of (\d+)", said, re.DOTALL)
    assert found, said
    share, branches = float(found[1]), int(found[2])
    assert branches > 60
    assert share >= 95, said


@pytest.mark.parametrize("compiler", ["gcc", "clang"])
@pytest.mark.parametrize("flags", [("-O2",), ("-Os", "-DVLP_BYTEWISE")], ids=["plain", "bytewise"])
def test_no_compiler_warns(tmp_path, compiler, flags):
    for source in SOURCES:
        build(tmp_path / "out.o", source, flags=("-c", *STRICT, *flags), compiler=compiler)
