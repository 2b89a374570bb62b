"""Django's PostgreSQL backend, told about the tenant at BEGIN."""
