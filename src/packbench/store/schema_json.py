"""The JSON Schema of one event of a run's log.

Owns the outer shape that every event shares; what `data` holds depends on its kind.
"""

from __future__ import annotations

from typing import Any


def event_schema() -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of an event as `packbench runs show --json` lists it."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Packbench event",
        "type": "object",
        "required": ["seq", "t_ns", "kind", "data"],
        "additionalProperties": False,
        "properties": {
            "seq": {"type": "integer", "minimum": 1, "description": "position in the log; samples count too"},
            "t_ns": {"type": "integer", "minimum": 0, "description": "ns since the profile's first step; 0 before it"},
            "kind": {"type": "string", "description": "what happened, e.g. step_began, output_acknowledged, trip"},
            "data": {"type": "object", "description": "the event's own values; SI units in suffixed names"},
        },
    }
