"""
Corrects one expression of Kafka 4.3.1 in the broker's jar, without which a broker that was killed can break a transaction.

`KRaftMetadataCache.getPartitionLeaderEndpoint` answers "no such partition" for a partition that has no leader at the moment. Every
partition of a single broker is without one for a moment after kill -9. The transaction coordinator takes the answer for a deleted
topic, skips the marker that commits or aborts the transaction there, and notes the transaction as complete: some of its partitions
show it as committed, others hold back their readers for ever. Corrected, the answer is "leader not known yet", and the marker is
sent once there is one, as the class did while it was written in Scala.

Run by `make setup`: correct_broker.py JAVA PARTS, where PARTS/target/correction holds ecj and the sources of kafka-metadata.
"""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

CLASS = "org/apache/kafka/metadata/KRaftMetadataCache"
WRONG = """
            .flatMap(partition -> Optional.ofNullable(image.cluster().broker(partition.leader))
                .map(broker -> broker.node(listenerName.value()).orElse(Node.noNode())));"""
RIGHT = """
            .map(partition -> Optional.ofNullable(image.cluster().broker(partition.leader))
                .flatMap(broker -> broker.node(listenerName.value())).orElse(Node.noNode()));"""


def corrected(java: str, parts: Path) -> bytes:
    """The compiled class."""
    given = parts / "target" / "correction"
    made = parts / "target" / "corrected"
    source = made / f"{CLASS}.java"
    source.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(given / "kafka-metadata-sources.jar") as jar:
        text = jar.read(f"{CLASS}.java").decode()
    if text.count(WRONG) != 1:
        sys.exit(f"{CLASS}.java must hold the expression to correct once, holds it {text.count(WRONG)} times: has Kafka corrected it?")
    source.write_text(text.replace(WRONG, RIGHT))
    class_path = os.pathsep.join(str(jar) for jar in sorted((parts / "libs").glob("*.jar")))
    compiler = [java, "-cp", str(given / "ecj.jar"), "org.eclipse.jdt.internal.compiler.batch.Main"]
    subprocess.run([*compiler, "-17", "-nowarn", "-cp", class_path, "-d", str(made), str(source)], check=True)
    return (made / f"{CLASS}.class").read_bytes()


def replace(jar: Path, name: str, content: bytes) -> None:
    """Puts `content` into the jar's entry `name`; every other entry stays as it is."""
    new = jar.with_suffix(".new")
    with zipfile.ZipFile(jar) as old, zipfile.ZipFile(new, "w", zipfile.ZIP_DEFLATED) as made:
        for entry in old.infolist():
            made.writestr(entry, content if entry.filename == name else old.read(entry))
    new.replace(jar)


if __name__ == "__main__":
    parts_folder = Path(sys.argv[2])
    (found,) = (parts_folder / "libs").glob("kafka-metadata-*.jar")
    replace(found, f"{CLASS}.class", corrected(sys.argv[1], parts_folder))
