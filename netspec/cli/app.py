"""The entry point: registers the commands, and turns errors into messages and exit codes in a single place."""

from __future__ import annotations

import importlib
import os
import pkgutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache, wraps
from typing import Annotated, Any

import typer

from netspec import __version__
from netspec.cli import signals
from netspec.cli.base import is_override, width
from netspec.cli.help import PANELS, Command, Group, example
from netspec.cli.surroundings import OutputError, overrule_numba, safe_streams
from netspec.core.errors import MachineError, Mistakes, NetspecError, exit_code
from netspec.views.errors import as_github, as_json

app = typer.Typer(
    name="netspec",
    cls=Group,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Describe a network in a text file and train it on the CPU you have.",
    epilog="Begin with `netspec zoo list` and `netspec train lenet max_iter=1000`.\n\n"
    "Exit codes: 0 fine, 1 a bug of ours, 2 usage, 3 invalid spec, 4 data, 5 diverged, 6 a check failed, "
    "7 snapshot does not fit, 8 a budget is used up, 9 the machine refused, 129/130/143 stopped by a signal.",
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"netspec {__version__}")
        raise typer.Exit


@app.callback()
def _common(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    pass


@cache
def _commands() -> None:
    """Register every file of this folder that names its PANEL: its `command`, with an EXAMPLE, or its `group`."""
    folder = importlib.import_module("netspec.cli")
    names = (module.name for module in pkgutil.iter_modules(folder.__path__) if not module.name.startswith("_"))
    files = (importlib.import_module(f"netspec.cli.{name}") for name in names)
    for loaded in sorted((file for file in files if hasattr(file, "PANEL")), key=lambda file: PANELS.index(file.PANEL)):
        name = loaded.__name__.rpartition(".")[2].removesuffix("_").replace("_", "-")
        if hasattr(loaded, "group"):
            for each in loaded.group.registered_commands:
                each.callback, each.cls = _guarded(each.callback), Command
            app.add_typer(loaded.group, name=name, cls=Group, rich_help_panel=loaded.PANEL)
        else:
            epilog = example(loaded.EXAMPLE)
            app.command(name, cls=Command, epilog=epilog, rich_help_panel=loaded.PANEL)(_guarded(loaded.command))


def _guarded(command: Callable[..., None]) -> Callable[..., None]:
    """A command wrapped in `_border`, its `--code` files loaded first; errors are shown in the form of `--format`."""

    @wraps(command)
    def guarded(**options: Any) -> None:
        with _border(str(options.get("format", "text"))):
            for path in options.get("code") or ():
                from netspec.core.code_files import load_code

                load_code(path)
            command(**options)

    return guarded


@contextmanager
def _border(form: str) -> Iterator[None]:
    """Catch errors of the body, show them in a form, and exit with their codes."""
    try:
        yield
    except NetspecError as error:
        _show(error, form)
        sys.exit(exit_code(error))
    except MemoryError:
        _show(MachineError("the machine has no memory left", help="lower the batch size"), form)
        sys.exit(MachineError.exit_code)
    except EOFError as error:  # typer would take it for the user's
        raise RuntimeError("a file ended early, and no code of ours said which") from error
    except OSError as error:  # an unexpected OSError: a full disk under a log, a folder without permission
        where = f"'{error.filename}': " if error.filename else ""
        _show(MachineError(f"the machine refused: {where}{error.strerror or error}"), form)
        sys.exit(MachineError.exit_code)


def _show(error: NetspecError, form: str) -> None:
    """An error as json or github to stdout, in any other form as text to stderr."""
    if isinstance(error, OutputError):
        form = "text"
    if form == "json":
        import json

        sys.stdout.write(json.dumps(as_json(error.errors()), indent=2) + "\n")
    elif form == "github":
        sys.stdout.write(as_github(error.errors()) + "\n")
    else:
        from rich.console import Console

        from netspec.views.terminal import styled_error

        console = Console(stderr=True, markup=False, emoji=False, highlight=False, soft_wrap=True)
        console.print(styled_error(error, width(sys.stderr)))
        if isinstance(error, Mistakes):
            console.print(f"\n{error.message}", style="bold")


def _optional_value(words: list[str], option: str, default: str) -> list[str]:
    """Give an option its default where no value follows it: nothing, another option, or an override."""
    result = list(words)
    for i, word in enumerate(words):
        after = words[i + 1] if i + 1 < len(words) else "-"
        if word == option and (after.startswith("-") or is_override(after)):
            result[i] = f"{option}={default}"
    return result


def main() -> None:
    """Run the command line; never returns."""
    overrule_numba()
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")  # finding them reads every installed package
    with signals.ending(), safe_streams():
        _commands()
        with _border("text"):
            try:
                app(_optional_value(sys.argv[1:], "--resume", "latest"), prog_name="netspec")
            finally:
                sys.stdout.flush()
    sys.exit(0)
