"""Which admin site the platform shows."""

from django.contrib.admin.apps import AdminConfig


class ItsmAdminConfig(AdminConfig):
    """Django's admin with our site; named in INSTALLED_APPS instead of django.contrib.admin."""

    default_site = "apps.users.admin_site.ItsmAdminSite"
