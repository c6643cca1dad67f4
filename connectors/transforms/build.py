"""
Makes the sink's own transform a plugin of Connect: build.py JAVA PARTS, run by `make setup`.

PARTS holds the compiler and Kafka's jars; the result is PARTS/plugins/cdb-transforms, with the manifest by which Connect finds it.
"""

import os
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

SOURCE = Path(__file__).resolve().parent / "Storable.java"
CLASS = "de.binare.cdb.Storable"
SERVICE = "META-INF/services/org.apache.kafka.connect.transforms.Transformation"


def build(java: str, parts: Path) -> None:
    target = parts / "plugins" / "cdb-transforms"
    target.mkdir(parents=True, exist_ok=True)
    class_path = os.pathsep.join(str(jar) for jar in sorted((parts / "libs").glob("*.jar")))
    compiler = [java, "-cp", str(parts / "compiler" / "ecj.jar"), "org.eclipse.jdt.internal.compiler.batch.Main"]
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([*compiler, "-17", "-proc:none", "-cp", class_path, "-d", folder, str(SOURCE)], check=True)
        with zipfile.ZipFile(target / "cdb-transforms.jar", "w", zipfile.ZIP_DEFLATED) as jar:
            jar.writestr(SERVICE, f"{CLASS}\n")
            for file in sorted(Path(folder).rglob("*.class")):
                jar.write(file, file.relative_to(folder))


if __name__ == "__main__":
    build(sys.argv[1], Path(sys.argv[2]))
