"""What every kind of ticket has in common: the queue, the conversation, the work and its history.

Practices (incidents, requests, problems, changes) stand above, and tell this floor what they are through `tickets.kinds`.
Nothing here imports them.
"""
