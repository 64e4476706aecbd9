"""Fixtures for every test: a real Swift and a real Spark, each started once for all of them."""

import os
import secrets
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from renderer.dev.swift import SwiftProcess, start_swift
from renderer.dev.swift_users import SwiftUser, SwiftUsers
from tests.spark.server import SparkServer, start_spark

# How long anything takes says more about the machine than about the code.
settings.register_profile("any-machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any-machine")

# Each party has an account of the same name with these users; ACLs name them as "alpha:worker".
PARTIES = ("alpha", "bravo", "carol")
ROLES = ("steward", "worker", "output")  # the steward is the account's admin


@pytest.fixture(scope="session")
def swift_users() -> SwiftUsers:
    """Users for alpha, bravo and carol: `steward`, `worker`, `output`, each with a fresh key."""
    return SwiftUsers(
        tuple(
            SwiftUser(party, role, secrets.token_urlsafe(16), admin=role == "steward")
            for party in PARTIES
            for role in ROLES
        )
    )


@pytest.fixture(scope="session")
def swift(swift_users: SwiftUsers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SwiftProcess]:
    """A real Swift; use fresh container names, since all tests of the session share it."""
    with start_swift(tmp_path_factory.mktemp("swift"), swift_users) as process:
        yield process


@pytest.fixture(scope="session")
def spark_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkServer]:
    """A real Spark Connect server; tests that ask for it are marked `spark`."""
    if not os.environ.get("CI"):
        pytest.importorskip("pyspark", reason="Spark's client is not here: make spark-test")
    with start_spark(tmp_path_factory.mktemp("spark")) as server:
        yield server
