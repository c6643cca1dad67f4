"""The containers, shared by all tests of this folder; without an engine they skip, or fail where CI says that one must be there."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from streams.operate.stack import Endpoints
from tests.deploy.cluster import Cluster, engine_lack, images

REQUIRE = "CDB_REQUIRE_DOCKER"


def require_engine() -> None:
    """Skips, or fails where CI says so, without an engine."""
    lack = engine_lack()
    if lack is not None:
        if os.environ.get(REQUIRE) == "1":
            pytest.fail(f"{REQUIRE}=1, but {lack}", pytrace=False)
        pytest.skip(lack)


# Gone after the last test of this folder: they are a gigabyte.
@pytest.fixture(scope="package")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Broker, registry, Connect and Postgres, healthy."""
    require_engine()
    with Cluster(images("kafka", "registry", "postgres", "app"), tmp_path_factory.mktemp("secrets")) as cluster:
        cluster.start("cdb_postgres", "cdb_kafka", "cdb_registry", "cdb_connect")
        yield cluster


@pytest.fixture(scope="package")
def endpoints(cluster: Cluster) -> Endpoints:
    """Where the tests reach the containers."""
    return cluster.endpoints()
