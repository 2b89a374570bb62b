"""What happened: the append-only event log, its delivery to consumers, and the row changes under it.

Holds ids, never foreign keys, so that every floor above can record here. Decides nothing about the facts it keeps.
"""
