"""The base of the HTTP API: what every endpoint gets without asking, and cannot forget."""
