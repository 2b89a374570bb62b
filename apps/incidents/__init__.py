"""Incidents: something is broken, and service is to be restored.

The life of an incident, its parent and children, major incidents, suspected duplicates and its metrics. What every kind of
ticket has (comments, attachments, merging) is in `tickets`.
"""
