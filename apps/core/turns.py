"""Turns: whoever asks first goes first, until the transaction ends."""

from django.db import connection


def take(name: str) -> None:
    """Wait for the turn called `name`, across all processes. Inside a transaction; raises OperationalError after the lock timeout."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 2))", [name])
