"""`lamina completion`: a script that lets a shell complete commands, options and files.

The script is made from the commands themselves and holds all that the shell needs, so that a press
of the key starts no Python.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import NamedTuple

from lamina.cli import command

EXAMPLES = """\
  lamina completion bash > ~/.local/share/bash-completion/completions/lamina
  lamina completion zsh > ~/.zfunc/_lamina             with ~/.zfunc in fpath
  lamina completion fish > ~/.config/fish/completions/lamina.fish
  source <(lamina completion bash)                     for this shell only
"""


class Option(NamedTuple):
    """An option of a command.

    Attributes:
        flags: as written, such as `--tokens`.
        takes: "" for none, "file" for what may be a file, or else the values it may have.
    """

    flags: tuple[str, ...]
    about: str
    takes: str | tuple[str, ...]


class Known(NamedTuple):
    """A command: what it is for, its options, and the values of its arguments without a flag."""

    name: str
    about: str
    options: tuple[Option, ...]
    values: tuple[str, ...]


def add_command(commands: argparse._SubParsersAction) -> None:
    """Add `completion` to the command line."""
    one = command.add(commands, "completion", "write a script for the shell's completion", EXAMPLES)
    one.add_argument("shell", choices=tuple(SCRIPTS), help="the shell that reads the script")
    one.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print the script."""
    from lamina.cli.main import parser

    print(SCRIPTS[options.shell](list(known(parser()))), end="")
    return 0


def known(top: argparse.ArgumentParser) -> Iterator[Known]:
    """The commands of a command line, in their order."""
    (table,) = [a for a in top._actions if isinstance(a, argparse._SubParsersAction)]
    about = {choice.dest: choice.help or "" for choice in table._choices_actions}
    for name, one in table.choices.items():
        flagged = [action for action in one._actions if action.option_strings]
        plain = [action for action in one._actions if not action.option_strings]
        values = tuple(str(v) for action in plain for v in action.choices or ())
        yield Known(name, about[name], tuple(map(_option, flagged)), values)


def _option(action: argparse.Action) -> Option:
    takes: str | tuple[str, ...] = "file"
    if action.nargs == 0:
        takes = ""
    elif action.choices:
        takes = tuple(map(str, action.choices))
    return Option(tuple(action.option_strings), action.help or "", takes)


def bash(commands: list[Known]) -> str:
    """A script for bash: one function, with a case for each command."""
    cases = []
    for one in commands:
        flags = " ".join(flag for option in one.options for flag in option.flags)
        chosen = [
            f'                {"|".join(option.flags)}) words="{" ".join(option.takes)}" ;;'
            for option in one.options
            if isinstance(option.takes, tuple)
        ]
        files = [o.flags for o in one.options if o.takes == "file"]
        if files:
            every = "|".join(flag for flags_ in files for flag in flags_)
            chosen.append(f'                {every}) words="" ;;')
        chosen.append(f'                *) words="{" ".join([*one.values, flags])}" ;;')
        body = "\n".join(chosen)
        cases.append(
            f'        {one.name})\n            case "$before" in\n{body}\n            esac ;;\n'
        )
    names = " ".join(one.name for one in commands)
    return (
        "# bash completion of lamina; made by: lamina completion bash\n"
        "_lamina() {\n"
        '    local now="${COMP_WORDS[COMP_CWORD]}" before="${COMP_WORDS[COMP_CWORD-1]}" words=""\n'
        '    case "${COMP_WORDS[1]}" in\n'
        + "".join(cases)
        + f'        *) words="{names} --help" ;;\n'
        "    esac\n"
        '    [ "$COMP_CWORD" -eq 1 ] && words="' + names + ' --help"\n'
        '    COMPREPLY=($(compgen -W "$words" -- "$now"))\n'
        '    [ "${#COMPREPLY[@]}" -eq 0 ] && [ "$COMP_CWORD" -gt 1 ] &&\n'
        '        COMPREPLY=($(compgen -f -- "$now"))\n'
        "    return 0\n"
        "}\n"
        "complete -o filenames -F _lamina lamina\n"
    )


def zsh(commands: list[Known]) -> str:
    """A script for zsh, with what each command and option is for."""
    listed = "".join(f"    {_zsh(f'{one.name}:{one.about}')}\n" for one in commands)
    cases = []
    for one in commands:
        specs = [_zsh_option(flag, option) for option in one.options for flag in option.flags]
        values = f"({' '.join(one.values)})" if one.values else "_files"
        specs.append(f"'*:argument:{values}'")
        body = " \\\n".join(f"        {spec}" for spec in specs)
        cases.append(f"    {one.name}) _arguments \\\n{body} ;;\n")
    return (
        "#compdef lamina\n"
        "# zsh completion of lamina; made by: lamina completion zsh\n"
        "_lamina() {\n"
        "  local -a commands\n"
        f"  commands=(\n{listed}  )\n"
        "  if (( CURRENT == 2 )); then\n"
        "    _describe command commands\n"
        "    return\n"
        "  fi\n"
        "  local chosen=$words[2]\n"
        "  shift words\n"
        "  (( CURRENT-- ))\n"
        "  case $chosen in\n" + "".join(cases) + "  esac\n"
        "}\n"
        '_lamina "$@"\n'
    )


def _zsh(text: str) -> str:
    quoted = text.replace("'", "'\\''")
    return f"'{quoted}'"


def _zsh_option(flag: str, option: Option) -> str:
    about = option.about.replace("[", "(").replace("]", ")").replace(":", " ")
    takes = ""
    if option.takes:
        is_listed = isinstance(option.takes, tuple)
        takes = f":value:({' '.join(option.takes)})" if is_listed else ":value:_files"
    return _zsh(f"{flag}[{about}]{takes}")


def fish(commands: list[Known]) -> str:
    """A script for fish: a line for each command and option."""
    names = " ".join(one.name for one in commands)
    lines = [
        "# fish completion of lamina; made by: lamina completion fish",
        "complete -c lamina -f",
    ]
    at_first = f"not __fish_seen_subcommand_from {names}"
    for one in commands:
        lines.append(f"complete -c lamina -n {_fish(at_first)} -a {one.name} -d {_fish(one.about)}")
    for one in commands:
        inside = _fish(f"__fish_seen_subcommand_from {one.name}")
        values = f"-a {_fish(' '.join(one.values))}" if one.values else "-F"
        lines.append(f"complete -c lamina -n {inside} {values}")
        for option in one.options:
            long = [f"-l {flag[2:]}" for flag in option.flags if flag.startswith("--")]
            short = [f"-s {flag[1:]}" for flag in option.flags if not flag.startswith("--")]
            takes = "-r -F" if option.takes else ""
            if isinstance(option.takes, tuple):
                takes = f"-x -a {_fish(' '.join(option.takes))}"
            parts = [*short, *long, takes, f"-d {_fish(option.about)}"]
            lines.append(f"complete -c lamina -n {inside} {' '.join(p for p in parts if p)}")
    return "\n".join(lines) + "\n"


def _fish(text: str) -> str:
    quoted = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{quoted}'"


SCRIPTS = {"bash": bash, "zsh": zsh, "fish": fish}
