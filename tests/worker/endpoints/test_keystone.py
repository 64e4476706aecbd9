"""A real Keystone in front of a real Swift: every way to sign in, what is refused, tokens that end, other projects."""

import secrets

import pytest

from tests.worker.endpoints.conftest import QUICK, SMALL
from tests.worker.endpoints.faults import Fault, FaultProxy
from tests.worker.endpoints.mounting import mount
from worker.endpoints.swift import SwiftStore
from worker.errors import BadDocument, StoreRefused, StoreUnavailable

pytestmark = pytest.mark.e2e


@pytest.fixture
def ann(cloud):
    return cloud.users["ann"]


@pytest.fixture
def opened(tmp_path):
    def open_store(keys: dict[str, str]) -> SwiftStore:
        return SwiftStore(mount(tmp_path, keys), "store", patience=QUICK, sizes=SMALL)

    return open_store


def clouds_yaml(cloud, user) -> str:
    return (
        f"clouds:\n  openstack:\n    auth:\n      auth_url: {cloud.url}\n      username: {user.name}\n"
        f"      password: '{user.password}'\n      project_name: {user.project}\n      user_domain_name: Default\n"
        "    region_name: RegionOne\n    interface: public\n    identity_api_version: 3\n"
    )


def test_every_form_opens_the_project(cloud, ann, opened, container, tmp_path):
    forms = [cloud.password_keys(ann), cloud.application_keys(ann), {"clouds.yaml": clouds_yaml(cloud, ann)}]
    for number, keys in enumerate(forms):
        store, content = opened(keys), secrets.token_bytes(350_000)
        assert store.put_once(container, f"o{number}", content) == "created"
        store.download(container, f"o{number}", tmp_path / "fetched")
        assert (tmp_path / "fetched").read_bytes() == content
        assert cloud.client(ann).get_object(container, f"o{number}")[1] == content


def test_a_wrong_password_a_wrong_project_and_a_deleted_credential_are_refused_by_their_keys(cloud, ann, opened):
    application = cloud.application_keys(ann)
    cloud.own(ann).application_credentials.delete(application["OS_APPLICATION_CREDENTIAL_ID"])
    for keys, code, advice in (
        (cloud.password_keys(ann, OS_PASSWORD="hush-1"), 401, "check user, password, domain and project"),
        (cloud.password_keys(ann, OS_PROJECT_NAME="city"), 401, "project"),
        (application, 404, "application credential's id and secret"),
        (application | {"OS_APPLICATION_CREDENTIAL_SECRET": "hush-1"}, 404, "was not deleted"),
    ):
        with pytest.raises(StoreRefused, match=f"Keystone answered {code}") as caught:
            opened(keys).exists("c", "o")
        assert advice in caught.value.fix
        said = repr(vars(caught.value))
        assert not any(
            value in said for name, value in keys.items() if name.startswith("OS_") and "PROJECT" not in name
        )


def test_a_region_or_interface_without_a_store_is_refused(cloud, ann, opened):
    for more in ({"OS_REGION_NAME": "nowhere"}, {"OS_INTERFACE": "admin"}):
        with pytest.raises(StoreRefused, match="no object store for this project, region and interface"):
            opened(cloud.password_keys(ann, **more)).exists("c", "o")


def test_a_catalog_that_leads_out_in_the_clear_is_not_followed(cloud, ann, opened):
    region = f"clear-{secrets.token_hex(4)}"
    cloud.admin.regions.create(region)
    service = next(each for each in cloud.admin.services.list() if each.type == "object-store")
    url = "http://192.0.2.1/v1/AUTH_%(project_id)s"
    cloud.admin.endpoints.create(service, url, interface="public", region=region)
    with pytest.raises(BadDocument, match="Keystone's catalog is not https"):
        opened(cloud.password_keys(ann, OS_REGION_NAME=region)).exists("c", "o")


@pytest.mark.parametrize("form", ["password_keys", "application_keys"])
def test_a_token_revoked_in_mid_run_is_renewed(cloud, ann, opened, container, tmp_path, form):
    content = secrets.token_bytes(700_000)
    cloud.client(ann).put_container(container)
    cloud.client(ann).put_object(container, "o", content)
    with FaultProxy(cloud.swift_port) as proxy:
        keys = getattr(cloud, form)(ann, OS_REGION_NAME=cloud.region_at(proxy.port))
        store = opened(keys)

        def revoke() -> None:
            token = store._session._door._session.get_token()
            cloud.admin.tokens.revoke_token(token)

        proxy.on("^GET ", Fault(cut_after=300_000, then=revoke))
        store.download(container, "o", tmp_path / "fetched")
        assert (tmp_path / "fetched").read_bytes() == content
        tokens = {
            line for head in proxy.heads for line in head.split(b"\r\n") if line.lower().startswith(b"x-auth-token")
        }
        assert len(tokens) == 2
        assert proxy.count("^GET ") == 3  # cut off; refused; taken up again


def test_a_user_disabled_in_mid_run_is_refused(cloud, ann, opened, container, tmp_path):
    cloud.client(ann).put_container(container)
    cloud.client(ann).put_object(container, "o", secrets.token_bytes(700_000))
    guest = cloud.admin.users.create(f"guest-{secrets.token_hex(4)}", domain="default", password="hush-2")
    role = next(each for each in cloud.admin.roles.list() if each.name == "swiftoperator")
    cloud.admin.roles.grant(role, user=guest, project=ann.project_id)
    with FaultProxy(cloud.swift_port) as proxy:
        keys = cloud.password_keys(ann, OS_USERNAME=guest.name, OS_PASSWORD="hush-2")
        store = opened(keys | {"OS_REGION_NAME": cloud.region_at(proxy.port)})
        disable = Fault(cut_after=300_000, then=lambda: cloud.admin.users.update(guest, enabled=False))
        proxy.on("^GET ", disable)
        with pytest.raises(StoreRefused, match="401"):
            store.download(container, "o", tmp_path / "fetched")
    assert not (tmp_path / "fetched").exists()


def test_a_keystone_that_is_down_is_tried_again_a_bounded_number_of_times(cloud, ann, tmp_path):
    pauses: list[float] = []
    keys = cloud.password_keys(ann, OS_AUTH_URL="http://127.0.0.1:1/v3")
    store = SwiftStore(mount(tmp_path, keys), "store", pauses.append)
    with pytest.raises(StoreUnavailable, match="no answer from Keystone"):
        store.exists("c", "o")
    assert len(pauses) == 7


def test_a_container_that_is_made_is_open_to_another_project_and_to_no_third(cloud, ann, opened, container, tmp_path):
    bob, rita = cloud.users["bob"], cloud.users["rita"]
    file = tmp_path / "result"
    file.write_bytes(secrets.token_bytes(450_000))  # in segments: these must be readable, too
    reader = f"{bob.project_id}:*"
    store = opened(cloud.password_keys(ann) | {"READERS": reader})
    assert store.put_once(container, "run/result", file, [reader]) == "created"
    assert store.missing_readers(container, [reader, "stranger:*"]) == ("stranger:*",)
    account = cloud.client(ann).get_auth()[0]
    for user, expected in ((bob, 200), (rita, 403)):
        answer = cloud.session(user).get(f"{account}/{container}/run/result", raise_exc=False)
        assert answer.status_code == expected, user.name
        if expected == 200:
            assert answer.content == file.read_bytes()
    # And nobody but the owner writes.
    answer = cloud.session(bob).put(f"{account}/{container}/run/other", data=b"x", raise_exc=False)
    assert answer.status_code == 403


def test_a_user_who_may_only_read_is_told_so(cloud, opened, ann, container):
    cloud.client(ann).put_container(container)
    with pytest.raises(StoreRefused, match="answered 403"):
        opened(cloud.password_keys(cloud.users["rita"])).put_once(container, "o", b"x")
