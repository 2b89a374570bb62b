"""Service level agreements: policies and their versions, the timers that they put on tickets, levels that fire, the sweep.

What a change does to a timer is arithmetic without a database (conditions, rules, clock, engine); rows are written beside it.
Knows tickets as their base row and their facts; no practice by name.
"""
