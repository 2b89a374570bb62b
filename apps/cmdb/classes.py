"""The classes that every organization starts with, as a tree. From then on they are rows, its own to change."""

from datetime import datetime
from typing import Any
from uuid import UUID

from django.utils import timezone

from apps.core.models import new_id

# Key, name, and the key of the class above, which comes earlier.
TREE = (
    ("ci", "Configuration item", None),
    ("hardware", "Hardware", "ci"),
    ("computer", "Computer", "hardware"),
    ("server", "Server", "computer"),
    ("workstation", "Workstation", "computer"),
    ("virtual_machine", "Virtual machine", "computer"),
    ("network_device", "Network device", "hardware"),
    ("storage", "Storage", "hardware"),
    ("printer", "Printer", "hardware"),
    ("mobile", "Mobile device", "hardware"),
    ("rack", "Rack", "hardware"),
    ("power", "Power supply", "hardware"),
    ("software_instance", "Software instance", "ci"),
    ("database", "Database", "software_instance"),
    ("web_server", "Web server", "software_instance"),
    ("middleware", "Middleware", "software_instance"),
    ("application", "Application", "software_instance"),
    ("cloud_resource", "Cloud resource", "ci"),
    ("container_cluster", "Container cluster", "ci"),
    ("service", "Service", "ci"),
    ("business_service", "Business service", "service"),
    ("technical_service", "Technical service", "service"),
    ("network", "Network", "ci"),
    ("subnet", "Subnet", "network"),
    ("vlan", "VLAN", "network"),
    ("ip_address", "IP address", "network"),
    ("certificate", "Certificate", "ci"),
    ("licence", "Licence", "ci"),
    ("location", "Location", "ci"),
)


def default_classes(model: type[Any], organization_id: UUID, *, at: datetime) -> list[Any]:
    """The tree as unsaved rows of `model`, whoever is above another first."""
    ids = {key: new_id() for key, _, _ in TREE}
    return [
        model(
            id=ids[key],
            organization_id=organization_id,
            key=key,
            name=name,
            parent_id=ids[above] if above else None,
            created_at=at,
            updated_at=at,
        )
        for key, name, above in TREE
    ]


def write_default_classes(apps: Any, schema_editor: Any) -> None:
    """For organizations that were there before their classes: what a migration runs, past the wall."""
    CiClass, at = apps.get_model("cmdb", "CiClass"), timezone.now()
    with_classes = CiClass.objects.values("organization_id")
    organizations = apps.get_model("organizations", "Organization").objects.exclude(pk__in=with_classes)
    for organization_id in organizations.values_list("pk", flat=True):
        CiClass.objects.bulk_create(default_classes(CiClass, organization_id, at=at))
