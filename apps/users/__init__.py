"""People and access: users, sign-in, sessions, and the rights that answer whether an actor may.

The only place that decides a right; every other app asks through core's Authorizer protocol.
"""
