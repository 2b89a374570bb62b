"""The second wall: PostgreSQL's row-level security, its roles, the operations that build it and the catalogue that proves it."""
