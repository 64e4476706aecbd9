"""What OpenStack's own tools would find is laid out as a Secret that the worker's one reader understands."""

import pytest

from worker.endpoints.swift_secret import KeystoneLogin, V1Login, read_swift_secret
from worker.environment import lay_out_environment
from worker.errors import BadDocument

OPENRC = {
    "OS_AUTH_URL": "https://keystone.example/v3",
    "OS_USERNAME": "ann",
    "OS_PASSWORD": "pass-1234",
    "OS_PROJECT_NAME": "clinic",
    "OS_USER_DOMAIN_NAME": "Default",
    "OS_PROJECT_DOMAIN_NAME": "Default",
    "OS_IDENTITY_API_VERSION": "3",
    "OS_ENDPOINT_TYPE": "publicURL",  # what this reader does not know, others may have set
    "PATH": "/usr/bin",
}
CLOUDS = """\
clouds:
  mine:
    auth_type: v3applicationcredential
    auth: {auth_url: https://keystone.example/v3, application_credential_id: x1, application_credential_secret: s1}
"""


def read(tmp_path, environment):
    lay_out_environment(environment, tmp_path / "environment")
    assert (tmp_path / "environment").stat().st_mode & 0o777 == 0o700
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in (tmp_path / "environment").iterdir())
    return read_swift_secret(tmp_path, "environment")


def test_an_openrc_is_understood(tmp_path):
    login = read(tmp_path, OPENRC).login
    assert isinstance(login, KeystoneLogin)
    assert (login.auth_url, login.identity["username"]) == ("https://keystone.example/v3", "ann")


def test_version_1_is_understood_and_goes_before(tmp_path):
    st = {"ST_AUTH": "https://swift.example/auth/v1.0", "ST_USER": "a:b", "ST_KEY": "k"}
    assert isinstance(read(tmp_path, {**OPENRC, **st}).login, V1Login)


def test_a_cloud_is_found_in_its_file(tmp_path):
    file = tmp_path / "my-clouds.yaml"
    file.write_text(CLOUDS)
    login = read(tmp_path, {"OS_CLOUD": "mine", "OS_CLIENT_CONFIG_FILE": str(file)}).login
    assert isinstance(login, KeystoneLogin)
    assert login.is_application


@pytest.mark.parametrize(
    "environment", [{}, {"PATH": "/bin"}, {"OS_CLOUD": "mine", "OS_CLIENT_CONFIG_FILE": "/nowhere"}]
)
def test_an_environment_without_credentials_says_what_to_set(tmp_path, environment):
    with pytest.raises(BadDocument) as caught:
        lay_out_environment(environment, tmp_path / "environment")
    assert caught.value.fix
    assert not (tmp_path / "environment").exists()
