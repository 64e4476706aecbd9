"""Which credentials a mounted Secret holds is decided by its keys; what is wrong is told by keys, never by values."""

import pytest

from tests.worker.endpoints.mounting import mount
from worker.endpoints.swift_secret import KeystoneLogin, TempUrls, V1Login, read_swift_secret
from worker.errors import BadDocument

V1 = {"ST_AUTH": "https://swift.example/auth/v1.0", "ST_USER": "alpha:worker", "ST_KEY": "hush-1"}
PASSWORD = {
    "OS_AUTH_URL": "https://keystone.example/v3",
    "OS_USERNAME": "ann",
    "OS_PASSWORD": "hush-2",
    "OS_PROJECT_NAME": "hospital",
    "OS_USER_DOMAIN_NAME": "Clinics",
    "OS_REGION_NAME": "north",
    "OS_INTERFACE": "internal",
    "OS_IDENTITY_API_VERSION": "3",
}
APPLICATION = {
    "OS_AUTH_TYPE": "v3applicationcredential",
    "OS_AUTH_URL": "https://keystone.example",
    "OS_APPLICATION_CREDENTIAL_ID": "a1",
    "OS_APPLICATION_CREDENTIAL_SECRET": "hush-3",
}
CLOUD = """\
clouds:
  north:
    auth:
      auth_url: https://keystone.example/v3
      username: ann
      password: hush-4
      project_id: "0123"
      user_domain_name: Clinics
    region_name: north
    interface: public
    identity_api_version: 3
"""
TEMPURL = "https://swift.example/v1/AUTH_alpha/data/visits.csv?temp_url_sig=hush-5&temp_url_expires=9"


def read(tmp_path, keys):
    return read_swift_secret(mount(tmp_path, keys), "store")


def test_version_1(tmp_path):
    assert read(tmp_path, V1).login == V1Login("https://swift.example/auth/v1.0", "alpha:worker", "hush-1")


def test_a_password_as_an_openrc_has_it(tmp_path):
    identity = {
        "username": "ann",
        "password": "hush-2",
        "user_domain_name": "Clinics",
        "project_name": "hospital",
        "project_domain_name": "Default",
    }
    login = read(tmp_path, PASSWORD).login
    assert login == KeystoneLogin("https://keystone.example/v3", False, identity, "north", "internal")


def test_an_application_credential(tmp_path):
    identity = {"application_credential_id": "a1", "application_credential_secret": "hush-3"}
    assert read(tmp_path, APPLICATION).login == KeystoneLogin("https://keystone.example", True, identity)


@pytest.mark.parametrize("more", [{}, {"OS_CLOUD": "north"}])
def test_a_clouds_yaml(tmp_path, more):
    identity = {"username": "ann", "password": "hush-4", "project_id": "0123", "user_domain_name": "Clinics"}
    login = read(tmp_path, {"clouds.yaml": CLOUD, **more}).login
    assert login == KeystoneLogin("https://keystone.example/v3", False, identity, "north")


def test_one_of_several_clouds_by_name(tmp_path):
    second = CLOUD.replace("clouds:\n", "").replace("north", "south").replace("hush-4", "hush-6")
    login = read(tmp_path, {"clouds.yaml": CLOUD + second, "OS_CLOUD": "south"}).login
    assert isinstance(login, KeystoneLogin)
    assert login.identity["password"] == "hush-6"
    with pytest.raises(BadDocument, match="with 2 clouds"):
        read(tmp_path, {"clouds.yaml": CLOUD + second})


def test_a_ca_as_a_key_or_as_a_cloud_names_it(tmp_path):
    assert read(tmp_path, {**V1, "OS_CACERT": "pem"}).cacert == tmp_path / "store" / "OS_CACERT"
    named = CLOUD + "    cacert: /home/ann/ca.pem\n"
    assert read(tmp_path, {"clouds.yaml": named, "ca.pem": "pem"}).cacert == tmp_path / "store" / "ca.pem"
    with pytest.raises(BadDocument, match="`cacert`"):
        read(tmp_path, {"clouds.yaml": named})


def test_signed_urls(tmp_path):
    assert read(tmp_path, {"TEMPURLS": f"{TEMPURL}\n\n{TEMPURL}"}).login == TempUrls((TEMPURL, TEMPURL))


def test_what_kubernetes_adds_to_a_mount_and_other_keys_mean_nothing(tmp_path):
    mount(tmp_path, {**V1, "age.key": "AGE"})
    (tmp_path / "store" / "..data").mkdir()
    assert isinstance(read_swift_secret(tmp_path, "store").login, V1Login)


@pytest.mark.parametrize(
    ("keys", "says"),
    [
        ({}, "holds no credentials of a store"),
        ({**V1, **PASSWORD}, r"holds ST_\* and OS_\*"),
        ({**V1, "TEMPURLS": TEMPURL}, r"holds TEMPURLS and ST_\*"),
        ({"clouds.yaml": CLOUD, **APPLICATION}, r"holds clouds.yaml and OS_\*"),
        ({**PASSWORD, **APPLICATION}, "an application credential and OS_USERNAME, OS_PASSWORD, OS_PROJECT_NAME"),
        ({key: V1[key] for key in ("ST_AUTH", "ST_USER")}, "'ST_KEY' of the Secret 'store' is not there"),
        ({key: PASSWORD[key] for key in PASSWORD if key != "OS_PASSWORD"}, "lacks OS_PASSWORD"),
        ({key: PASSWORD[key] for key in PASSWORD if key != "OS_PROJECT_NAME"}, "OS_PROJECT_NAME or OS_PROJECT_ID"),
        ({key: PASSWORD[key] for key in PASSWORD if key != "OS_AUTH_URL"}, "lacks OS_AUTH_URL"),
        ({**PASSWORD, "OS_PASWORD": "hush-7"}, "mean nothing here: OS_PASWORD"),
        ({**PASSWORD, "OS_IDENTITY_API_VERSION": "2.0"}, "OS_IDENTITY_API_VERSION for another way"),
        ({**APPLICATION, "OS_AUTH_TYPE": "v3token"}, "OS_AUTH_TYPE for another way"),
        ({"clouds.yaml": "clouds: {}\n"}, "without `clouds`"),
        ({"clouds.yaml": "hush-7: [\n"}, "cannot be read at line"),
        ({"clouds.yaml": "clouds: {a: &hush-7 {}}\n"}, "cannot be read at line 1"),
        ({"clouds.yaml": CLOUD, "OS_CLOUD": "hush-7"}, "without the cloud that OS_CLOUD names"),
        ({"clouds.yaml": CLOUD.replace("hush-4", "123")}, "whose `password` is not text"),
        ({"clouds.yaml": CLOUD + "    verify: false\n"}, "verify: false"),
        ({"clouds.yaml": CLOUD.replace("password: hush-4", "token: hush-4")}, "lacks `password` in clouds.yaml"),
    ],
)
def test_half_a_form_two_forms_or_none_is_a_bad_document(tmp_path, keys, says):
    with pytest.raises(BadDocument, match=says) as caught:
        read(tmp_path, keys)
    assert caught.value.code == 10
    assert caught.value.fix
    assert "hush" not in repr(vars(caught.value))


def test_values_do_not_show_in_what_may_be_printed(tmp_path):
    for keys in (V1, PASSWORD, APPLICATION, {"clouds.yaml": CLOUD}, {"TEMPURLS": TEMPURL}):
        assert "hush" not in repr(read(tmp_path, keys))


PLAIN = [
    ("http://127.0.0.1:8080/auth", "", True),
    ("http://[::1]:8080/auth", "", True),
    ("http://localhost/auth", "", True),
    ("https://swift.example/auth", "", True),
    ("http://swift.example/auth", "", False),
    ("http://swift.example/auth", "swift.example", False),  # not inside of a cluster
    ("http://192.0.2.7/auth", "", False),
    ("http://10.0.0.7/auth", "", False),
    ("http://10.0.0.7/auth", "10.0.0.7", True),
    ("http://8.8.8.8/auth", "8.8.8.8", False),
    ("http://swift.store.svc/auth", "", False),
    ("http://swift.store.svc:8080/auth", "other.store.svc, swift.store.svc", True),
    ("http://127.0.0.1.example/auth", "", False),
    ("https://user:hush@swift.example/auth", "", False),
    ("ftp://127.0.0.1/auth", "", False),
    ("nonsense", "", False),
    ("http://127.0.0.1:99999/auth", "", False),
]


@pytest.mark.parametrize(("url", "allowed", "is_fine"), PLAIN)
def test_credentials_travel_encrypted_or_where_the_owner_allowed_it(tmp_path, url, allowed, is_fine):
    keys = {**V1, **({"PLAIN_HTTP": allowed} if allowed else {})}
    addresses = read(tmp_path, keys).addresses
    if is_fine:
        assert addresses.check(url, "ST_AUTH") == url
        return
    with pytest.raises(BadDocument, match="ST_AUTH") as caught:
        addresses.check(url, "ST_AUTH")
    assert url not in repr(vars(caught.value))
    assert "hush" not in repr(vars(caught.value))
