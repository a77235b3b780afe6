"""The order of services, drawn: as text, and for Mermaid."""

from pyinit.services import group, model, order

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyinit.services.model import Service, Services


def as_text(services: "Services") -> list[str]:
    """Return a line for each service in steps of the start; the stop goes the other way."""
    after = group.after_of(services)
    lines = []
    for number, step in enumerate(order.levels(after), 1):
        for name in step:
            service = services.by_name[name]
            head = f"{number:>3}  {name}{_kind(service)}"
            if after[name]:
                head += f"  after {', '.join(after[name])}"
            if service.stop_before:
                head += f"  stopped before {', '.join(service.stop_before)}"
            lines.append(head)
    return lines


def _kind(service: "Service") -> str:
    words = [service.type] if service.type != model.SERVICE else []
    words += ["main"] if service.main else []
    words += [] if service.autostart else ["off"]
    if service.type == model.JOB:
        words.append(f"every {service.every_s:g} s")
    elif service.ready.kind != model.STARTED:
        words.append(f"ready by {service.ready.kind}")
    return f" ({', '.join(words)})" if words else ""


def as_mermaid(services: "Services") -> list[str]:
    """Return a flowchart: an arrow leads to who is started later."""
    names = list(services.by_name)
    lines = ["flowchart LR"]
    for index, name in enumerate(names):
        lines.append(f'    s{index}["{name}{_kind(services.by_name[name])}"]')
    for index, name in enumerate(names):
        service = services.by_name[name]
        lines += [f"    s{names.index(each)} --> s{index}" for each in service.after]
        lines += [f"    s{names.index(each)} -.-> s{index}" for each in service.stop_before]
    return lines
