"""Somebody's ticket, and a place of its own for the files of each test."""

from pathlib import Path
from typing import Any

import pytest

from apps.users.models import User

INCIDENTS = "/api/v1/incidents/"


@pytest.fixture
def ticket(bob: User, api: Any) -> dict[str, Any]:
    """Bob's own, which no agent has touched."""
    answer = api(bob).post(INCIDENTS, {"title": "Mail is down"})
    assert answer.status_code == 201, answer.json()
    return dict(answer.json())


@pytest.fixture
def files(settings: Any, tmp_path: Path) -> Path:
    """The directory that attachments lie in."""
    root = tmp_path / "attachments"
    settings.STORAGES = {
        **settings.STORAGES,
        "attachments": {**settings.STORAGES["attachments"], "OPTIONS": {"location": root, "base_url": None}},
    }
    return root
