import pytest
from hypothesis import given
from hypothesis import strategies as st

from vedette.errors import ConfigError
from vedette.pipeline.config import parse_config
from vedette.pipeline.sources import find_source
from vedette.registry import load_plugins
from vedette.secrets import redacted, resolve_secret


@pytest.mark.parametrize(
    ("uri", "shown"),
    [
        ("rtsp://camera:554/live", "rtsp://camera:554/live"),
        ("street.mp4", "street.mp4"),
        ("https://host/@someone/video", "https://host/@someone/video"),
        ("rtsp://admin:hunter2@camera/live", "rtsp://***@camera/live"),
        ("rtsp://admin@camera/live", "rtsp://***@camera/live"),
        ("rtsp://:hunter2@camera/live", "rtsp://***@camera/live"),
        ("rtsp://admin:hunter2@[fe80::1]:554/live", "rtsp://***@[fe80::1]:554/live"),
        ("rtsp://[fe80::1]:554/live", "rtsp://[fe80::1]:554/live"),
        ("http://c/video?user=admin&pwd=hunter2&size=4", "http://c/video?user=***&pwd=***&size=4"),
        ("http://c/v?access_token=hun/ter2=", "http://c/v?access_token=***"),
        ("http://c/v?X-Amz-Signature=hunter2&part=1", "http://c/v?X-Amz-Signature=***&part=1"),
        (
            "rtsp://c:554/user=admin&password=hunter2&channel=1",
            "rtsp://c:554/user=***&password=***&channel=1",
        ),
        ("rtsp://c/user=admin_password=hunter2_channel=1.sdp", "rtsp://c/user=***"),
        ("mqtts://bridge:hunter2@broker:8883", "mqtts://***@broker:8883"),
    ],
)
def test_credentials_are_hidden_and_the_rest_is_not(uri, shown):
    assert redacted(uri) == shown
    assert redacted(f"cannot open '{uri}': refused") == f"cannot open '{shown}': refused"


@given(
    st.text(
        st.characters(min_codepoint=33, exclude_characters="\"'<>", exclude_categories=("Z", "C")), min_size=1
    )
)
def test_no_password_gets_through_however_it_is_written(password):
    """Not escaped either: with colons, slashes, at signs, question marks."""
    assert redacted(f"rtsp://admin:{password}@camera/live") == "rtsp://***@camera/live"


def test_several_in_one_text():
    text = "tried rtsp://a:one@x/1, then http://b:two@y/2?token=three"
    assert redacted(text) == "tried rtsp://***@x/1, then http://***@y/2?token=***"


def test_secret_of_the_environment(monkeypatch):
    monkeypatch.setenv("CAMERA_PASSWORD", "hunter2 ")
    assert resolve_secret("env:CAMERA_PASSWORD", "password") == "hunter2 "
    monkeypatch.setenv("CAMERA_PASSWORD", "")
    with pytest.raises(
        ConfigError, match="gate: password: the environment variable CAMERA_PASSWORD is not set"
    ):
        resolve_secret("env:CAMERA_PASSWORD", "gate: password")


def test_secret_of_a_file(tmp_path):
    path = tmp_path / "password"
    path.write_text("hunter2\n")
    assert resolve_secret(f"file:{path}", "password") == "hunter2"


@pytest.mark.parametrize(
    ("content", "problem"),
    [(None, "cannot be read"), (b"\n", "is empty"), (b"\xff\xfe", "not text"), (b"x" * 70_000, "too long")],
)
def test_file_that_holds_none(tmp_path, content, problem):
    path = tmp_path / "password"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError, match=problem) as caught:
        resolve_secret(f"file:{path}", "password")
    assert str(path) in caught.value.message


@pytest.mark.parametrize("reference", ["hunter2", "env:", "file:", "", "plain:hunter2"])
def test_a_secret_itself_is_refused_and_not_repeated(reference):
    with pytest.raises(ConfigError, match="not written into a configuration") as caught:
        resolve_secret(reference, "password")
    assert "hunter2" not in str(caught.value)
    assert "env:NAME" in caught.value.fix


def test_a_configuration_shows_no_password():
    plain = {
        "stream": [{"name": "gate", "source": "rtsp://admin:hunter2@camera/live"}],
        "stage": [{"name": "a", "use": "b"}],
    }
    config = parse_config(plain, "test")
    assert config.stream[0].source == "rtsp://admin:hunter2@camera/live"
    assert "rtsp://***@camera/live" in repr(config)
    assert "hunter2" not in repr(config) + str(config.stream[0])


def test_a_source_that_nobody_reads_is_named_without_its_password():
    stream = parse_config(
        {"stream": [{"name": "gate", "source": "xyz://a:hunter2@b"}], "stage": [{"name": "a", "use": "b"}]},
        "test",
    ).stream[0]
    with pytest.raises(ConfigError, match="no plugin reads") as caught:
        find_source(load_plugins(), stream, "stream[0]")
    assert "xyz://***@b" in caught.value.message
