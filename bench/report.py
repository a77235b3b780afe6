"""What is made of the samples: the result as data (JSON), and Markdown tables of it."""

from __future__ import annotations

import os
import platform
import statistics
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench import budgets, contestants, procedures, processes

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from bench.contestants import Contestant
    from bench.procedures import Figure, Procedure, Scale
    from bench.run import Samples

Result = dict[str, Any]

DOCUMENT = Path(__file__).parent.parent / "docs" / "performance.md"
_MARK = "<!-- bench: {} -->"
_END_MARK = "<!-- bench: end -->"

GROWTH_PREFIX = "growth-"


def result_of(
    samples: Samples,
    plan: list[Procedure],
    found: list[Contestant],
    left_out: Mapping[str, str],
    scale: Scale,
) -> Result:
    """Return all that a run found out, ready for JSON: no path and no host name in it."""
    figures = [figure for procedure in plan for figure in procedure.figures]
    return {
        "machine": machine(),
        "scale": asdict(scale),
        "contestants": {each.key: {"label": each.label, "version": each.version} for each in found},
        "left_out": dict(left_out),
        "failed": [{"figure": f.figure, "contestant": f.contestant} for f in samples.failures],
        "figures": {
            figure.key: _figure(figure, samples.values[figure.key])
            for figure in figures
            if figure.key in samples.values
        },
    }


def _figure(figure: Figure, values: Mapping[str, list[float]]) -> dict[str, Any]:
    rows = {key: summary(values[key]) for key in contestants.LABELS if key in values}
    for key, row in rows.items():
        reference = figure.reference
        if key in contestants.OUTSIDE:
            reference = contestants.BARE_OUTSIDE
        base = rows[reference]["median"] if reference in rows else 0
        row["ratio"] = round(row["median"] / base, 4) if base else None
    return {
        "title": figure.title,
        "unit": figure.unit,
        "reference": figure.reference,
        "rows": rows,
    }


def summary(numbers: list[float]) -> dict[str, Any]:
    """Return median and quartiles of ``numbers``."""
    low, median, high = (
        statistics.quantiles(numbers, n=4, method="inclusive") if len(numbers) > 1 else numbers * 3
    )
    return {
        "median": round(median, 4),
        "low_quartile": round(low, 4),
        "high_quartile": round(high, 4),
        "rounds": len(numbers),
    }


def machine() -> dict[str, Any]:
    """Return what the figures depend on besides the programs."""
    return {
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "kernel": f"{platform.system()} {platform.release()}",
        "architecture": platform.machine(),
        "processor": _first("/proc/cpuinfo", "model name"),
        "processors": os.cpu_count(),
        "memory_mib": int(_first("/proc/meminfo", "MemTotal").split()[0]) // 1024,
        "libc": " ".join(platform.libc_ver()),
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "processor_time_from": "schedstat" if processes.HAS_SCHEDSTAT else "clock ticks",
    }


def _first(path: str, field: str) -> str:
    """Return the value of the first line ``field: value`` in the file, or 0."""
    for line in Path(path).read_text().splitlines():
        name, _, value = line.partition(":")
        if name.strip() == field:
            return value.strip()
    return "0"


# -- tables ------------------------------------------------------------------


def sections(result: Result) -> dict[str, str]:
    """Return each part of the report as Markdown, by its name."""
    figures = result["figures"]
    wanted = {
        "start": ("start", "first-write"),
        "limited-100": ("limited-100-cpu", "limited-100"),
        "limited-10": ("limited-10-cpu", "limited-10"),
        "program": ("program", "program-pss"),
        "namespaces": ("namespaces",),
        "idle": ("resident", "private", "switches"),
        "reaping": ("reap-one-by-one", "reap-at-once"),
        "signals": ("relay", "teardown"),
    }
    parts = {"machine": _machine_line(result)}
    for name, keys in wanted.items():
        parts[name] = _table(result, [key for key in keys if key in figures])
    parts["growth"] = _growth_table(result)
    parts["budgets"] = _budget_table(result)
    return parts


def text(result: Result) -> str:
    """Return the whole report."""
    titles = {
        "start": "Start, as PID 1 of a new PID namespace unless said otherwise",
        "limited-100": "Start with a tenth of a processor",
        "limited-10": "Start with a hundredth of a processor",
        "program": "A program in Python and its init",
        "namespaces": "A container of one's own",
        "idle": "Idle",
        "reaping": "Reaping",
        "signals": "Relaying, and the end",
        "growth": "Growth",
        "budgets": "Budgets",
    }
    lines = []
    for name, part in sections(result).items():
        if part:
            lines += [f"## {titles[name]}", part] if name in titles else [part]
    return "\n\n".join(lines) + "\n"


def _machine_line(result: Result) -> str:
    about = result["machine"]
    others = (*contestants.C_INITS, *contestants.SUPERVISORS)
    named = ", ".join(
        f"{key} {row['version']}" for key, row in result["contestants"].items() if key in others
    )
    processor = f"{about['processors']} processors ({about['processor']})"
    memory = f"{about['memory_mib']:,} MiB"
    lines = [
        f"{about['date']}: {about['kernel']}, {about['architecture']}, {processor}, {memory};",
        f"{about['python']}, {about['libc']};",
        f"{named}.",
        f"Medians [quartiles], × the reference. Processor time from {about['processor_time_from']}.",  # noqa: E501, RUF001
    ]
    lines += [
        f"Left out: {contestants.LABELS[key]} ({reason})."
        for key, reason in result["left_out"].items()
    ]
    lines += [
        f"Failed: {contestants.LABELS[row['contestant']]} in {row['figure']}."
        for row in result["failed"]
    ]
    return "\n".join(lines)


def _table(result: Result, keys: list[str]) -> str:
    """Return a table with a column for each of ``keys`` and a row for each contestant."""
    figures = [result["figures"][key] for key in keys]
    if not figures:
        return ""
    rows = [["", *(_heading(figure) for figure in figures)]]
    for key, label in contestants.LABELS.items():
        if any(key in figure["rows"] for figure in figures):
            cells = [_cell(figure["rows"].get(key)) for figure in figures]
            rows.append([label, *cells])
    return markdown(rows)


def _heading(figure: Mapping[str, Any]) -> str:
    return f"{figure['title']}, {figure['unit']}" if figure["unit"] else str(figure["title"])


def _cell(row: Mapping[str, Any] | None) -> str:
    if row is None:
        return ""
    words = number(row["median"])
    if row["rounds"] > 1:
        words += f" [{number(row['low_quartile'])}–{number(row['high_quartile'])}]"  # noqa: RUF001
    if row["ratio"] is not None:
        words += f" ×{row['ratio']:.2f}"  # noqa: RUF001 - the sign for times
    return words


def number(value: float) -> str:
    """Return ``value`` with three digits that count, or all before the point."""
    if value == int(value):
        return f"{int(value):,}"
    size = abs(value)
    return f"{value:,.{0 if size >= 100 else 1 if size >= 10 else 2}f}"


def growth(result: Result) -> dict[str, dict[str, dict[int, float]]]:
    """Return the medians of growth: by figure, contestant and number of processes."""
    found: dict[str, dict[str, dict[int, float]]] = {}
    for figure in procedures.GROWTH:
        for count in result["scale"]["growth"]:
            rows = result["figures"].get(f"{figure.key}-{count}", {}).get("rows", {})
            for key, row in rows.items():
                found.setdefault(figure.key, {}).setdefault(key, {})[count] = row["median"]
    return found


def _growth_table(result: Result) -> str:
    counts = result["scale"]["growth"]
    rows = [["", "", *(f"{count:,}" for count in counts)]]
    for key, lines in growth(result).items():
        figure = next(each for each in procedures.GROWTH if each.key == key)
        for contestant, medians in lines.items():
            cells = (number(medians[count]) if count in medians else "" for count in counts)
            rows.append([_heading(asdict(figure)), contestants.LABELS[contestant], *cells])
    return markdown(rows) if len(rows) > 1 else ""


def _budget_table(result: Result) -> str:
    rows = [["budget", "figure", "bound", "reference", "holds"]]
    for verdict in budgets.judge(result["figures"]):
        budget = verdict.budget
        sign = "×" if budget.reference else ""  # noqa: RUF001
        rows.append(
            [
                budget.text,
                "not measured" if verdict.figure is None else f"{sign}{verdict.figure:.2f}",
                f"{sign}{budget.bound:g}",
                contestants.LABELS[budget.reference] if budget.reference else "",
                "" if verdict.figure is None else "yes" if verdict.holds else "NO",
            ]
        )
    return markdown(rows)


def markdown(rows: Iterable[Iterable[str]]) -> str:
    """Return a Markdown table, its columns aligned, of ``rows``; the first is the heading."""
    table = [list(row) for row in rows]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    table.insert(1, ["-" * width for width in widths])
    return "\n".join(
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |"
        for row in table
    )


# -- the document ------------------------------------------------------------


def fill_in(document: str, result: Result) -> str:
    """Return ``document`` with the part between each pair of marks written anew."""
    for name, part in sections(result).items():
        document = replace(document, name, part)
    return document


def replace(document: str, name: str, part: str) -> str:
    """Return ``document`` with ``part`` between the marks of ``name``, if there are any."""
    mark = _MARK.format(name)
    before, found, rest = document.partition(mark)
    if not found:
        return document
    return f"{before}{mark}\n\n{part}\n\n{_END_MARK}{rest.partition(_END_MARK)[2]}"
