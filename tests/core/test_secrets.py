"""Secrets at rest: under a named key, whole or an error, and readable through every rotation."""

import pytest
from django.core.management import CommandError, call_command

from apps.core import secrets
from apps.users.models import TotpDevice
from tests import factories
from tests.conftest import person

CLEAR = "JBSWY3DPEHPK3PXP"


@pytest.fixture
def keys(settings):
    """Put other keys into force."""

    def use(**configured):
        settings.ENCRYPTION_KEYS = configured
        secrets._keys.cache_clear()

    yield use
    secrets._keys.cache_clear()


def test_a_secret_is_kept_under_the_first_key_and_read_under_any(keys):
    keys(a="first")
    old = secrets.encrypt(CLEAR)
    keys(b="second", a="first")
    new = secrets.encrypt(CLEAR)

    assert (old.partition(":")[0], new.partition(":")[0]) == ("a", "b")
    assert (secrets.decrypt(old), secrets.decrypt(new)) == (CLEAR, CLEAR)
    assert CLEAR not in old + new
    assert secrets.encrypt(CLEAR) != new


def test_what_was_kept_before_keys_were_configured_stays_readable(keys):
    keys()
    old = secrets.encrypt(CLEAR)
    keys(a="first")

    assert old.startswith("derived:")
    assert secrets.decrypt(old) == CLEAR


@pytest.mark.asvs("11.3.3")
def test_a_changed_bit_is_an_error(keys):
    keys(a="first")
    key_id, _, token = secrets.encrypt(CLEAR).partition(":")

    # The last characters before the padding may hold bits that encode nothing.
    for place in range(0, len(token.rstrip("=")) - 1, 7):
        changed = "A" if token[place] != "A" else "B"
        with pytest.raises(secrets.Unreadable):
            secrets.decrypt(f"{key_id}:{token[:place]}{changed}{token[place + 1 :]}")


@pytest.mark.parametrize("stored", ["", "a", "a:", ":", "gone:abc", "a:not a token"])
def test_what_is_no_secret_of_ours_is_an_error(keys, stored):
    keys(a="first")

    with pytest.raises(secrets.Unreadable):
        secrets.decrypt(stored)


@pytest.mark.asvs("11.3.3")
def test_the_rotation_leaves_all_readable_and_the_old_key_unneeded(acme, globex, bob, mallory, keys, capsys):
    keys(a="first")
    for tenant, user in ((acme, bob), (globex, mallory)):
        with tenant.entered():
            factories.TotpDeviceFactory(user=user, secret=secrets.encrypt(CLEAR))
    keys(b="second", a="first")

    call_command("rotate_secrets")
    assert capsys.readouterr().out == "encrypted anew: 2\n"
    call_command("rotate_secrets")
    assert capsys.readouterr().out == "encrypted anew: 0\n"

    keys(b="second")
    for tenant in (acme, globex):
        with tenant.entered():
            assert secrets.decrypt(TotpDevice.objects.get().secret) == CLEAR


def test_what_cannot_be_read_is_named_and_keeps_nothing_else_from_its_turn(acme, bob, keys):
    keys(a="first")
    lost = person(acme, "lost", "agent")
    with acme.entered():
        broken = factories.TotpDeviceFactory(user=lost, secret="gone:token")
        factories.TotpDeviceFactory(user=bob, secret=secrets.encrypt(CLEAR))
    keys(b="second", a="first")

    with pytest.raises(CommandError, match=f"users_totpdevice {broken.pk}"):
        call_command("rotate_secrets")

    with acme.entered():
        assert TotpDevice.objects.get(user_id=lost.pk).secret == "gone:token"
        assert TotpDevice.objects.get(user_id=bob.pk).secret.startswith("b:")
