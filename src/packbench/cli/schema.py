"""packbench schema: the JSON Schemas of what the program writes."""

from __future__ import annotations

import argparse
import json

from packbench.cli.console import Done, Terminal
from packbench.cli.words import Subparsers
from packbench.cli.words import command as make_command
from packbench.report.json_out import result_schema
from packbench.report.schemas_second_life import grade_schema, regroup_schema, value_schema
from packbench.store.schema_json import event_schema

SCHEMAS = {
    "event": event_schema,
    "grade": grade_schema,
    "regroup": regroup_schema,
    "result": result_schema,
    "value": value_schema,
}


def add(subparsers: Subparsers) -> None:
    """Add the command."""
    parser = make_command(
        subparsers,
        "schema",
        "Print the JSON Schema of result.json, of an event, or of what grade, value and regroup print with --json.",
        "packbench schema result",
    )
    parser.add_argument("name", choices=sorted(SCHEMAS), help="which schema")
    parser.set_defaults(run_command=run)


def run(args: argparse.Namespace, terminal: Terminal) -> Done:
    """Print it."""
    schema = SCHEMAS[args.name]()
    return Done(schema, text=json.dumps(schema, ensure_ascii=False, indent=2) + "\n")
