"""Old names of keywords, which work with a DeprecationWarning."""

from __future__ import annotations

import functools
import warnings
from typing import TYPE_CHECKING, Any, TypeVar, cast

if TYPE_CHECKING:
    from collections.abc import Callable

_F = TypeVar("_F", bound="Callable[..., Any]")


def renamed(**names: str) -> Callable[[_F], _F]:
    """Return a decorator for a function whose keywords had other names: old name, new name."""

    def decorate(function: _F) -> _F:
        @functools.wraps(function)
        def call(*args: Any, **keywords: Any) -> Any:
            for old in names.keys() & keywords.keys():
                new = names[old]
                if new in keywords:
                    raise TypeError(f"{old} is the old name of {new}: expected one of them")
                keywords[new] = keywords.pop(old)
                text = f"{function.__qualname__}(): write {new}= instead of {old}="
                warnings.warn(text, DeprecationWarning, stacklevel=2)
            return function(*args, **keywords)

        return cast("_F", call)

    return decorate
