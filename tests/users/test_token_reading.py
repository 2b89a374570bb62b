"""A token's signature is checked once; whether it still holds, every time."""

import time
from datetime import timedelta

import pytest
from django.conf import settings
from django.utils import timezone

from apps.core.errors import NotSignedIn
from apps.core.models import new_id
from apps.users import tokens

LIFETIME = settings.ACCESS_TOKEN_LIFETIME


def issue(at):
    return tokens.issue(user_id=new_id(), session_id=new_id(), organization_id=new_id(), at=at)


def test_a_token_that_was_read_before_still_expires(monkeypatch):
    token = issue(timezone.now())
    assert tokens.read(token) == tokens.read(token)
    later = time.time() + LIFETIME.total_seconds() + 1
    monkeypatch.setattr(time, "time", lambda: later)

    with pytest.raises(NotSignedIn) as refused:
        tokens.read(token)
    assert refused.value.code == "token_expired"


def test_an_expired_token_is_called_so_at_its_first_reading():
    with pytest.raises(NotSignedIn) as refused:
        tokens.read(issue(timezone.now() - LIFETIME - timedelta(seconds=1)))
    assert refused.value.code == "token_expired"


def test_another_signature_on_the_same_claims_is_refused_however_often_the_right_one_was_read():
    token = issue(timezone.now())
    tokens.read(token)

    with pytest.raises(NotSignedIn) as refused:
        tokens.read(token[:-6] + "AAAAAA")
    assert refused.value.code == "token_invalid"
