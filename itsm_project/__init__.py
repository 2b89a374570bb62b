"""The composition: settings, URLs, WSGI, Celery. Puts the apps together and is imported by none of them."""
