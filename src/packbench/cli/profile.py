"""packbench profile: the profile language itself."""

from __future__ import annotations

import argparse
import json

from packbench.cli.console import Done, Terminal
from packbench.cli.words import Subparsers
from packbench.cli.words import command as make_command
from packbench.profile.language.json_schema import profile_schema


def add(subparsers: Subparsers) -> None:
    """Add the command and its verbs."""
    parser = make_command(
        subparsers, "profile", "The profile language: its JSON Schema, for editors.", "packbench profile schema"
    )
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    schema = make_command(
        verbs,
        "schema",
        "Print the JSON Schema of profiles (draft 2020-12). An editor that knows it completes keys and marks slips "
        "while one writes: with the YAML language server, begin a profile with "
        "'# yaml-language-server: $schema=profile.schema.json'.",
        "packbench profile schema",
    )
    schema.set_defaults(run_command=_schema)


def _schema(_args: argparse.Namespace, _terminal: Terminal) -> Done:
    schema = profile_schema()
    return Done(schema, text=json.dumps(schema, ensure_ascii=False, indent=2) + "\n")
