"""What the three Java parts share: options, configuration from templates, and questions over HTTP."""

from __future__ import annotations

from pathlib import Path
from string import Template

import httpx

from streams.operate import web
from streams.operate.stack import installation
from streams.operate.stack.settings import StackSettings


def java_command(settings: StackSettings, heap: str, options: list[str]) -> list[str]:
    """Java with the options that keep a part small; `heap` is the bound, such as `512m`."""
    return [
        str(installation.java()),
        f"-Xmx{heap}",
        # At the rates of one machine the second compiler takes for minutes more than it saves: of the broker's time half.
        "-XX:TieredStopAtLevel=1",
        # One collector thread, and a process that has run out of memory ends instead of lingering half-dead.
        "-XX:+UseSerialGC",
        "-XX:+ExitOnOutOfMemoryError",
        "-XX:-UsePerfData",
        "-Duser.timezone=UTC",
        f"-Djava.io.tmpdir={settings.data_folder / 'tmp'}",
        *options,
    ]


def kafka_classes(settings: StackSettings) -> list[str]:
    """The class path of broker and Connect, and their logging."""
    return [
        f"-Dlog4j2.configurationFile={settings.templates_folder / 'log4j2.properties'}",
        "-cp",
        f"{installation.jars(settings, 'libs')}/*",
    ]


def write_configuration(settings: StackSettings, template: str, target: Path, values: dict[str, object]) -> None:
    """Fills the names in braces of a template in `connectors/`; an unknown name is our bug and raises KeyError."""
    text = Template((settings.templates_folder / template).read_text()).substitute(values)
    target.write_text(text)


def http_fault(url: str, seconds: float) -> str | None:
    """Why `url` does not answer 200 within `seconds`; None when it does."""
    try:
        answer = web.client().get(url, timeout=seconds)
    except httpx.TimeoutException:
        return f"no answer from {url} within {seconds:.0f} s"
    except httpx.HTTPError as error:
        return f"no answer from {url}: {error}"
    return None if answer.status_code == httpx.codes.OK else f"{url} answers {answer.status_code}"
