import stat
from pathlib import Path

import pytest
import swiftclient
from swiftclient.exceptions import ClientException

from renderer.dev.swift import LOG_NAME, USERS_NAME, start_swift
from renderer.dev.swift_users import SwiftUser, SwiftUsers, read_users, write_users
from renderer.errors import CommandError


@pytest.fixture
def login(swift, swift_users):
    def connect(name: str) -> swiftclient.Connection:
        user = swift_users.of(name)
        return swiftclient.Connection(swift.url, user.login, user.key, retries=0, auth_version="1")

    return connect


def status_of(call, *arguments, **options) -> int:
    with pytest.raises(ClientException) as caught:
        call(*arguments, **options)
    return caught.value.http_status


def test_access_is_what_a_containers_rules_say(login):
    steward, worker, output = login("alpha:steward"), login("alpha:worker"), login("alpha:output")
    steward.put_container("rules-data", {"X-Container-Read": "alpha:worker"})
    steward.put_container("rules-out", {"X-Container-Read": "alpha:output", "X-Container-Write": "alpha:output"})
    steward.put_object("rules-data", "a.csv", b"x")
    assert worker.get_object("rules-data", "a.csv")[1] == b"x"
    output.put_object("rules-out", "b", b"y")
    assert status_of(worker.put_object, "rules-data", "b", b"y") == 403
    assert status_of(worker.put_object, "rules-out", "b", b"y") == 403
    assert status_of(output.get_object, "rules-data", "a.csv") == 403
    assert status_of(worker.post_container, "rules-data", {"X-Container-Read": ".r:*"}) == 403


def test_an_account_is_closed_to_the_stewards_of_others(login, swift):
    login("alpha:steward").put_container("closed")
    bravo = login("bravo:steward")
    _, token = bravo.get_auth()
    url = f"http://127.0.0.1:{swift.port}/v1/AUTH_alpha"
    assert status_of(swiftclient.client.get_container, url, token, "closed") == 403
    assert status_of(swiftclient.client.put_object, url, token, "closed", "a", b"x") == 403


def test_an_object_can_be_written_once(login):
    steward = login("alpha:steward")
    steward.put_container("once")
    steward.put_object("once", "a", b"first", headers={"If-None-Match": "*"})
    assert status_of(steward.put_object, "once", "a", b"second", headers={"If-None-Match": "*"}) == 412
    assert steward.get_object("once", "a")[1] == b"first"


def test_a_wrong_key_opens_nothing(swift):
    stranger = swiftclient.Connection(swift.url, "alpha:steward", "wrong", retries=0, auth_version="1")
    assert status_of(stranger.get_account) == 401


def test_objects_outlive_the_server_and_its_port(tmp_path):
    users = SwiftUsers((SwiftUser("alpha", "steward", "key", admin=True),))
    with start_swift(tmp_path / "swift", users) as first:
        connection = swiftclient.Connection(first.url, "alpha:steward", "key", auth_version="1")
        connection.put_container("kept")
        connection.put_object("kept", "a", b"x" * 100_000)
    assert first.process.poll() is not None
    with start_swift(tmp_path / "swift", users) as second:
        connection = swiftclient.Connection(second.url, "alpha:steward", "key", auth_version="1")
        assert connection.get_object("kept", "a")[1] == b"x" * 100_000
    for name in (LOG_NAME, USERS_NAME):
        assert stat.S_IMODE((tmp_path / "swift" / name).stat().st_mode) == 0o600


def test_a_port_in_use_is_said_with_the_log_that_tells_more(tmp_path, swift, swift_users):
    with (
        pytest.raises(CommandError, match=r"did not start .*swift\.log"),
        start_swift(tmp_path, swift_users, swift.port),
    ):
        pass


def test_two_servers_cannot_work_on_one_state(tmp_path, swift_users):
    with start_swift(tmp_path, swift_users):
        with pytest.raises(CommandError, match="did not start"), start_swift(tmp_path, swift_users):
            pass
        assert "another server works on" in (tmp_path / LOG_NAME).read_text()


def test_the_server_ends_when_its_parent_does(tmp_path):
    users = SwiftUsers((SwiftUser("alpha", "steward", "key", admin=True),))
    with start_swift(tmp_path, users) as swift:
        # What a killed parent looks like from the server.
        swift.process.stdin.close()
        assert swift.process.wait(timeout=300) == 0
        swift.process.stdin = None


def test_users_come_back_from_their_private_file(tmp_path):
    users = SwiftUsers((SwiftUser("airport-ewr", "swift-data", "a_b-C", admin=False),))
    write_users(users, tmp_path / "users.json")
    assert read_users(tmp_path / "users.json") == users
    assert stat.S_IMODE((tmp_path / "users.json").stat().st_mode) == 0o600


@pytest.mark.parametrize(
    "fields", [("a_b", "c", "k"), ("a", "b c", "k"), ("a", "b", "k k"), ("a", "b", "k\nuser_x_y = z .admin")]
)
def test_users_that_would_be_read_as_something_else_are_refused(fields):
    with pytest.raises(ValueError, match=r"may hold|take a-z"):
        SwiftUser(*fields)


def test_nothing_is_written_outside_of_the_state_directory(tmp_path):
    assert not Path("/etc/swift").exists()
    users = SwiftUsers((SwiftUser("alpha", "steward", "key", admin=True),))
    with start_swift(tmp_path / "swift", users):
        assert sorted(path.name for path in tmp_path.iterdir()) == ["swift"]
    assert not Path("/etc/swift").exists()
