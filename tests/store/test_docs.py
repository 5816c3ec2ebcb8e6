"""``docs/signing.md``: its commands and its Python run, from top to bottom."""

import re
import shlex
import shutil
from pathlib import Path

from click.testing import CliRunner

from vedette.bundle.keys import read_public_key
from vedette.cli import main

PAGE = (Path(__file__).parents[2] / "docs" / "signing.md").read_text()


def test_the_page_runs(bundle, home, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    shutil.copy(bundle("0.9.0"), "tiny-0.9.0.vedette")
    shutil.copy(bundle("1.0.0"), "tiny-1.0.0.vedette")
    CliRunner().invoke(main, ["models", "install", "tiny-0.9.0.vedette"])
    done = []
    for language, code in re.findall(r"^```(console|python)\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL):
        if language == "python":
            exec(compile(code, "docs/signing.md", "exec"), {})
            continue
        for line in re.findall(r"^\$ (.+)$", code, re.MULTILINE):
            if "FINGERPRINT" in line:
                line = line.replace("FINGERPRINT", read_public_key(home / "keys/acme.pub").fingerprint)
            words = shlex.split(line.replace("~/.config/vedette", str(home)))
            assert words.pop(0) == "vedette"
            result = CliRunner().invoke(main, words)
            assert result.exit_code == 0, (line, result.output)
            done.append(" ".join(words[:2]))
    assert {"keys new", "keys trust", "keys list", "keys revoke", "models install", "models rollback"} <= {
        *done
    }
    assert capsys.readouterr().out.startswith("trusted acme ed25519:")
