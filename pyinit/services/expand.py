"""``${NAME}`` and ``${NAME:-default}`` in the strings of a file of services; ``$$`` is a dollar."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping


def expand(text: str, environ: "Mapping[str, str]") -> str:
    """Return ``text`` with the variables of ``environ`` put in.

    A dollar before anything else than ``{`` and ``$`` stays: it is for a shell.  Raises
    ValueError for a variable that is not set, and for what is no expansion.
    """
    if "$" not in text:
        return text
    parts = []
    while True:
        head, dollar, rest = text.partition("$")
        parts.append(head)
        if not dollar:
            return "".join(parts)
        if rest.startswith("{"):
            inside, closing, text = rest[1:].partition("}")
            if not closing:
                raise ValueError(f"'${rest}' has no closing brace: expected ${{NAME}}, or $$ for $")
            parts.append(_value(inside, environ))
        else:
            parts.append("$")
            text = rest.removeprefix("$")


def _value(inside: str, environ: "Mapping[str, str]") -> str:
    name, has_default, default = inside.partition(":-")
    if "${" in default:
        raise ValueError(
            f"'${{{inside}}}': a default holds no other variable: expected plain text after :-"
        )
    if not is_name(name):
        raise ValueError(
            f"'${{{inside}}}' is not a variable: expected ${{NAME}} or ${{NAME:-default}}, or $$ "
            "for $"
        )
    value = environ.get(name)
    if has_default:
        return value or default
    if value is None:
        raise ValueError(
            f"variable {name} is not set: expected it in the environment, or ${{{name}:-default}}"
        )
    return value


def is_name(word: str) -> bool:
    """Return whether a variable can have this name; see environ(7)."""
    return word.isascii() and word.isidentifier()
