"""What time does to a ticket that nobody touches: it goes on, its requester is reminded, it is resolved, closed, or stays closed.

Arithmetic (`terms`, `plan`) is apart from rows (`countdowns`), deeds (`acting`) and the hourly walk (`sweeping`).
"""
