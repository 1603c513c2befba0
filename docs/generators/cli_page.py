"""The page of the command line, written by the same calls that print `-h`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import click
from docs.generators.markdown import anchor, code_block, page, prose, table

from runfolio.cli import main
from runfolio.cli.errors import CommandTree
from runfolio.cli.output.options import Command, SettingOption
from runfolio.settings import fields_of
from runfolio.vision.settings import TrainSettings

INTRODUCTION = """
Every command explains itself with `-h`; this page has the same text. RUN is an id, the beginning of
an id, a name, the folder of a run, or `last` for the newest run. Most commands also take `best`.
"""


class MarkdownHelp(click.HelpFormatter):
    """Writes the help of a command as Markdown: texts as prose, examples as code, options as tables."""

    def __init__(self) -> None:
        super().__init__()
        self.blocks: list[str] = []

    def write_usage(self, prog: str, args: str = "", prefix: str | None = None) -> None:
        self.blocks.append(code_block(f"{prog} {args}"))

    def write_heading(self, heading: str) -> None:
        self.blocks.append(f"**{heading}**")

    def write_text(self, text: str) -> None:
        for paragraph in text.split("\n\n"):
            example = paragraph.startswith("\b\n")
            self.blocks.append(code_block(paragraph[2:], "sh") if example else prose(paragraph))

    def write_paragraph(self) -> None:
        """Add nothing: blocks are apart anyway."""

    def write_dl(self, rows: Iterable[tuple[str, str]], col_max: int = 0, col_spacing: int = 0) -> None:
        self.blocks.append(table(["option", "meaning"], [[f"`{name}`", " ".join(text.split())] for name, text in rows]))


def cli_page() -> str:
    """Return the text of `docs/cli.md`."""
    assert isinstance(main, CommandTree)
    return page("The command line", _blocks(main))


def _blocks(tree: CommandTree) -> Iterator[str]:
    yield prose(INTRODUCTION)
    for heading, names in tree.headings.items():
        links = [f"[`{name}`](#{anchor(f'runfolio {name}')})" for name in names]
        yield prose(f"{heading}: {', '.join(links)}.")
    with click.Context(tree, info_name="runfolio", **tree.context_settings) as root:
        for names in tree.headings.values():
            for name in names:
                yield from _command(root, tree.commands[name], f"runfolio {name}", "##")


def _command(parent: click.Context, command: click.Command, title: str, level: str) -> Iterator[str]:
    yield f"{level} {title}"
    with click.Context(command, parent, info_name=command.name, **command.context_settings) as context:
        help_text = MarkdownHelp()
        if _has_the_settings_of_train(command):
            command.format_usage(context, help_text)
            command.format_help_text(context, help_text)
            help_text.write_dl(_own_options(command, context))
            help_text.write_text("It also takes every setting of [`runfolio train`](#runfolio-train).")
        else:
            command.format_help(context, help_text)
        yield from help_text.blocks
        if isinstance(command, click.Group):
            for name, child in command.commands.items():
                yield from _command(context, child, f"{title} {name}", f"{level}#")


def _has_the_settings_of_train(command: click.Command) -> bool:
    fields = command.settings() if isinstance(command, Command) else []
    return command.name != "train" and len(fields) == len(fields_of(TrainSettings))


def _own_options(command: click.Command, context: click.Context) -> list[tuple[str, str]]:
    """Return the options that are not settings of a training, as the help shows them."""
    options = [param for param in command.get_params(context) if not isinstance(param, SettingOption)]
    return [record for option in options if (record := option.get_help_record(context)) is not None]
