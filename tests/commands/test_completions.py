"""The completion scripts, loaded by the shells that they are for."""

from __future__ import annotations

import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

TOP = Path(__file__).parents[2]
SCRIPTS = TOP / "completions"
ASK_FLAGS = {"--model", "--provider", "--fallback", "--no-think", "--dry-run", "--deadline", "--help"}

# The line up to the cursor, and: words that are offered, and words that are not.
CASES = {
    "commands": ("glm ", {"ask", "stream", "sandbox"}, {"--model", "notes.txt"}),
    "a command": ("glm str", {"stream"}, {"ask"}),
    "flags": ("glm ask --", ASK_FLAGS, {"--port", "ask"}),
    "a flag": ("glm ask --mo", {"--model"}, {"--meta"}),
    "both sides of a switch": ("glm stream --no-th", {"--no-think"}, {"--think"}),
    "flags of another command": ("glm sandbox --", {"--port", "--fault", "--pace"}, {"--model"}),
    "flags after a prompt": ("glm ask hello --jso", {"--json", "--jsonl"}, {"--model"}),
    "a prompt that is a command's name": ("glm ask sandbox --mo", {"--model"}, {"--port"}),
    "providers": ("glm ask -P ", {"zai", "tokenhub", "vllm"}, {"glm-5", "zai/"}),
    "models and providers": ("glm ask -m ", {"zai/", "vllm/", "glm-5"}, {"stderr"}),
    "a provider's models": ("glm ask -m zai/glm-4.5-", {"zai/glm-4.5-air", "zai/glm-4.5-flash"}, {"zai/glm-5"}),
    "a model with a slash": ("glm ask -m modelstudio/ZHI", {"modelstudio/ZHIPU/GLM-5"}, {"modelstudio/glm-5"}),
    "models of -P": ("glm ask -P tokenhub -m ", {"glm-5.2", "glm-5-turbo"}, {"glm-4.5", "zai/"}),
    "models of --provider=": ("glm ask --provider=tokenhub --model ", {"glm-5.2"}, {"glm-4.5", "zai/"}),
    "a value after =": ("glm ask --model=tokenhub/glm-5v", {"tokenhub/glm-5v-turbo"}, {"tokenhub/glm-5"}),
    "a fallback names its provider": ("glm ask -P tokenhub --fallback za", {"zai/"}, {"zai"}),
    "a model's card": ("glm models tokenhub/glm-5v", {"tokenhub/glm-5v-turbo"}, {"tokenhub/glm-5"}),
    "a card of -P": ("glm models -P tokenhub glm-5v", {"glm-5v-turbo"}, {"tokenhub/glm-5v-turbo"}),
    "effort": ("glm ask --effort ", {"low", "high", "max"}, {"glm-5"}),
    "destinations and files": ("glm ask --reasoning ", {"stderr", "stdout", "none", "notes.txt"}, {"fd:N"}),
    "files": ("glm ask -f no", {"notes.txt"}, {"none"}),
    "files with blanks": ("glm ask --attach two", {"two words.md"}, {"notes.txt"}),
    "a file after an @": ("glm ask -s @no", {"@notes.txt"}, {"notes.txt"}),
    "faults": ("glm sandbox --fault re", {"reset", "redirect"}, {"hang"}),
    "nothing for a prompt": ("glm ask ", set(), {"notes.txt", "ask", "--model"}),
    "nothing for free text": ("glm ask --stop no", set(), {"notes.txt", "--no-think"}),
    "nothing for a number": ("glm ask --seed ", set(), {"notes.txt", "--model"}),
    "nothing after --": ("glm ask -- --mo", set(), {"--model"}),
}

BASH = """
source {scripts}/glm.bash
IFS=' ' read -ra COMP_WORDS <<<{spaced}
[[ {line} == *' ' ]] && COMP_WORDS+=('')
COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)) COMP_LINE={line} COMP_POINT=${{#COMP_LINE}}
_glm
printf '%s\\n' "${{COMPREPLY[@]}}"
"""

FISH = "source {scripts}/glm.fish; complete -C {line}"

# A real line editor in a terminal of its own: what compadd is given is what the user is offered.
ZSHRC = """
PS1=READY
fpath=({scripts} $fpath)
autoload -Uz compinit && compinit -u -D
compadd() {{
  if [[ "$*" == *-[OAD]* ]]; then builtin compadd "$@"; return; fi
  local -a offered suffix
  builtin compadd -O offered "$@"
  zparseopts -D -E -a suffix S:
  print -rl -- $IPREFIX$^offered${{suffix[2]}} >>$OFFERED
  builtin compadd "$@"
}}
ask() {{ BUFFER={line} CURSOR=${{#BUFFER}}; zle list-choices; print -r -- done >>$OFFERED; exit }}
zle -N ask
bindkey ^X ask
"""
ZSH = "zmodload zsh/zpty; zpty glm zsh -d -i; zpty -r glm seen '*READY*'; zpty -w -n glm $'\\x18'; zpty -r glm seen; :"


@pytest.fixture
def place(tmp_path):
    """A folder with files to complete, and a `glm` on the path that a Tab must not start."""
    (tmp_path / "work").mkdir()
    for name in ("notes.txt", "two words.md"):
        (tmp_path / "work" / name).touch()
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin" / "glm"
    program.write_text(f"#!/bin/sh\ntouch {tmp_path}/started\n")
    program.chmod(0o755)
    return tmp_path


def offered(shell: str, line: str, place: Path) -> set[str]:
    """The words that the shell offers at the end of this line."""
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    words = {"bash": in_bash, "zsh": in_zsh, "fish": in_fish}[shell](line, place)
    assert not (place / "started").exists(), "a Tab started the program"
    return {bare(word) for word in words if word}


def bare(word: str) -> str:
    """The word as one reads it: a flag's value without the flag, a flag without the = that zsh adds, no backslashes."""
    name, _, value = word.partition("=") if word.startswith("--") else (word, "", "")
    return (value or name).replace("\\ ", " ")


def run(command: list[str], place: Path, **variables: str) -> str:
    environment = {"PATH": f"{place}/bin:/usr/local/bin:/usr/bin:/bin", "HOME": str(place), "TERM": "xterm"} | variables
    done = subprocess.run(
        command,
        cwd=place / "work",
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def in_bash(line: str, place: Path) -> list[str]:
    spaced = shlex.quote(line.replace("=", " = "))  # as COMP_WORDBREAKS cuts it
    script = BASH.format(scripts=shlex.quote(str(SCRIPTS)), line=shlex.quote(line), spaced=spaced)
    return run(["bash", "--norc", "-c", script], place).splitlines()


def in_fish(line: str, place: Path) -> list[str]:
    script = FISH.format(scripts=shlex.quote(str(SCRIPTS)), line=shlex.quote(line))
    return [row.partition("\t")[0] for row in run(["fish", "--no-config", "-c", script], place).splitlines()]


def in_zsh(line: str, place: Path) -> list[str]:
    (place / ".zshrc").write_text(ZSHRC.format(scripts=shlex.quote(str(SCRIPTS)), line=shlex.quote(line)))
    record = place / "offered"
    record.touch()
    run(["zsh", "-f", "-c", ZSH], place, ZDOTDIR=str(place), OFFERED=str(record))
    *words, last = record.read_text().splitlines()
    assert last == "done"
    return words


@pytest.mark.sampled(4)
@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_what_a_tab_offers(shell, name, place) -> None:
    line, wanted, unwanted = CASES[name]
    words = offered(shell, line, place)
    assert wanted <= words
    assert not unwanted & words
    if not wanted:
        assert words == set()


@pytest.mark.parametrize(("shell", "script"), [("bash", "glm.bash"), ("zsh", "_glm"), ("fish", "glm.fish")])
def test_the_shell_can_read_its_script(shell, script) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    done = subprocess.run([shell, "-n", SCRIPTS / script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("line", ["glm ask --mo", "glm sandbox --fault cut"])
def test_fish_says_what_a_word_means(line, place) -> None:
    if shutil.which("fish") is None:
        pytest.skip("fish is not installed")
    script = FISH.format(scripts=shlex.quote(str(SCRIPTS)), line=shlex.quote(line))
    assert all(row.partition("\t")[2] for row in run(["fish", "--no-config", "-c", script], place).splitlines())


def test_the_scripts_are_up_to_date() -> None:
    command = [sys.executable, "-m", "completions.generator", "--check"]
    done = subprocess.run(command, cwd=TOP, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
