"""`lamina completion`: what a shell offers, asked of the shells that are here."""

from __future__ import annotations

import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from lamina.cli import main
from lamina.cli.main import COMMANDS


def script(shell: str, capsys: pytest.CaptureFixture[str]) -> str:
    assert main(["completion", shell]) == 0
    return capsys.readouterr().out


def offered(script: str, *words: str) -> list[str]:
    """What bash offers for the last of the words."""
    quoted = " ".join(f"'{word}'" for word in words)
    ask = f"{script}\nCOMP_WORDS=({quoted}); COMP_CWORD={len(words) - 1}; _lamina\n"
    ask += 'printf "%s\\n" "${COMPREPLY[@]}"'
    done = subprocess.run(["bash", "-c", ask], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    return done.stdout.split()


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")
def test_bash(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = script("bash", capsys)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.lamina").touch()
    assert offered(text, "lamina", "") == [*COMMANDS, "--help"]
    assert offered(text, "lamina", "ge") == ["generate"]
    assert offered(text, "lamina", "demo", "--e") == ["--epochs"]
    assert {"--top-k", "--top-p"} <= set(offered(text, "lamina", "generate", "m", "--top"))
    assert offered(text, "lamina", "completion", "f") == ["fish"]
    assert offered(text, "lamina", "run", "ne") == ["net.lamina"]
    assert offered(text, "lamina", "run", "--input", "n") == ["net.lamina"]


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_every_command_and_option_is_there(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    text = script(shell, capsys)
    for name in COMMANDS:
        assert name in text
    for option in ("temperature", "save-state", "epochs"):
        assert option in text
    shlex.split(text.replace("\\'", "") if shell == "fish" else text, comments=True)  # quotes close


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_shell_reads_it(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    text = script(shell, capsys)
    done = subprocess.run([shell, "-n"], input=text, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_shell_that_is_none(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["completion", "cmd"])
    assert "invalid choice: 'cmd'" in capsys.readouterr().err
