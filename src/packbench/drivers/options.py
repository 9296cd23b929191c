"""Options of a device file, as a bench file may override them.

Owns the refusal of a word that no driver knows, with the words that it does.
"""

from __future__ import annotations

from typing import Any, TypeVar

from packbench.core.errors import InputError, Problem

WordT = TypeVar("WordT", bound=str)


def one_of(name: str, value: Any, allowed: tuple[WordT, ...]) -> WordT:
    """The word that `value` is. Raises InputError when it is none of them."""
    for word in allowed:
        if value == word:
            return word
    raise InputError(Problem("", field=name, found=repr(value), expected=" or ".join(allowed)))
