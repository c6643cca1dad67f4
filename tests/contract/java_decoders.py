"""
Java beside Python: Avro's own reader, its compatibility check, and the value converter that Connect's worker uses.

One JVM for the run, started on first use with the worker's jars in the class loader that the worker gives to a plugin, asked over
pipes (`java/Decoders.java` says how). Compiled when it starts by the compiler that `make setup` keeps beside the parts.
"""

import json
import os
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from string import Template
from typing import Any

from streams.operate.stack import StackSettings, installation

SOURCES = Path(__file__).resolve().parent / "java"
_CONVERTER = "value.converter."


class Unread(ValueError):
    """Java cannot read these bytes; the message is Java's."""


class JavaDecoders:
    """Answers as long as its JVM lives."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def read(self, writer: Any, reader: Any, raw: Sequence[bytes]) -> list[Any]:
        """
        What Avro's GenericDatumReader gives for each: plain values as fastavro gives them for `plain` schemas, or `Unread`.
        """
        found = self._ask(do="read", writer=json.dumps(writer), reader=json.dumps(reader), bytes=[each.hex() for each in raw])
        return [_value(each) for each in found]

    def decode(self, raw: bytes, writer: Any, reader: Any) -> Any:
        """As `read`, for one. Raises: Unread."""
        (found,) = self.read(writer, reader, [raw])
        if isinstance(found, Unread):
            raise found
        return found

    def is_compatible(self, writer: Any, reader: Any) -> bool:
        """What Avro's SchemaCompatibility says of this reader for that writer."""
        found = self._ask(do="compatible", writer=json.dumps(writer), reader=json.dumps(reader))
        return bool(found["verdict"] == "COMPATIBLE")

    def configure(self, settings: dict[str, str]) -> None:
        """Makes the worker's value converter anew; its cache of schemas too."""
        self._ask(do="configure", settings=settings)

    def convert(self, topic: str, raw: Sequence[bytes]) -> tuple[list[Any], dict[str, Any]]:
        """Connect's values of these wire bytes (amounts as Decimal) or `Unread`, and the schema of the last as Connect has it."""
        found = self._ask(do="convert", topic=topic, bytes=[each.hex() for each in raw])
        return [_value(each) for each in found["values"]], found.get("schema", {})

    def _ask(self, **question: Any) -> Any:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps(question) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, f"Java ended with {self._process.wait(30)}"
        return json.loads(line)


@contextmanager
def java_decoders(settings: StackSettings) -> Iterator[JavaDecoders]:
    """The JVM, gone afterwards; also where the run is killed, since its standard input ends then."""
    libs, plugin = (installation.jars(settings, name) for name in ("libs", "plugins"))
    plugin = plugin / "apicurio-converter"
    with tempfile.TemporaryDirectory(prefix="cdb-java-") as classes:
        launcher, decoders = Path(classes, "launcher"), Path(classes, "decoders")
        _compile(settings, "Launcher.java", launcher, [libs])
        _compile(settings, "Decoders.java", decoders, [plugin, libs])
        options = ["-Xmx192m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:-UsePerfData", "-Duser.timezone=UTC"]
        class_path = f"{launcher}{os.pathsep}{libs}/*"
        process = subprocess.Popen(
            [str(installation.java()), *options, "-cp", class_path, "contract.Launcher", str(decoders), str(plugin)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, encoding="utf-8",
        )  # fmt: skip
        try:
            yield JavaDecoders(process)
        finally:
            assert process.stdin is not None
            process.stdin.close()
            process.wait(30)


def converter_settings(settings: StackSettings) -> dict[str, str]:
    """What the worker's configuration says to its value converter, for the registry of this stack."""
    values = {name: getattr(settings, name, "") for name in ("kafka_port", "registry_port", "connect_port", "secrets_folder")}
    text = Template((settings.templates_folder / "worker.properties").read_text()).substitute(values, plugins_folder="")
    pairs = (line.split("=", 1) for line in text.splitlines() if line.startswith(_CONVERTER))
    return {name.removeprefix(_CONVERTER): value for name, value in pairs}


def _compile(settings: StackSettings, source: str, target: Path, folders: list[Path]) -> None:
    compiler = installation.jars(settings, "compiler") / "ecj.jar"
    class_path = os.pathsep.join(str(jar) for folder in folders for jar in sorted(folder.glob("*.jar")))
    command = [str(installation.java()), "-cp", str(compiler), "org.eclipse.jdt.internal.compiler.batch.Main"]
    subprocess.run(
        [*command, "-17", "-proc:none", "-nowarn", "-cp", class_path, "-d", str(target), str(SOURCES / source)], check=True
    )


def _value(found: Any) -> Any:
    """Java's answer as a Python value."""
    if isinstance(found, list):
        return [_value(item) for item in found]
    if not isinstance(found, dict):
        return found
    ((kind, inside),) = found.items()
    match kind:
        case "bytes":
            return bytes.fromhex(inside)
        case "decimal":
            return Decimal(inside)
        case "float":
            return float(inside)
        case "error":
            return Unread(inside)
        case _:
            return {name: _value(item) for name, item in inside.items()}
