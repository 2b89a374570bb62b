"""The WSGI application that gunicorn serves; logs in as `itsm_app`."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "itsm_project.settings")
os.environ.setdefault("DATABASE_ROLE", "app")

application = get_wsgi_application()

from itsm_project.startup import assert_may_serve  # noqa: E402 - needs the apps that the line above has loaded

assert_may_serve()
