"""Services, classes and configuration items. The database keeps numbers, keys and names of living services unique."""

from typing import ClassVar

from django.core.validators import RegexValidator
from django.db import models
from django.db.models import F, Q

from apps.core.authorization import Reach, ReachColumns
from apps.core.fields import TenantForeignKey
from apps.core.models import SoftDeleteModel, VersionedModel
from apps.organizations.models import Site, Team
from apps.users.models import User

KEY = RegexValidator(
    r"\A(?!.*__)[a-z][a-z0-9_]*(?<!_)\Z", "Lower-case letters, digits and single inner underscores, a letter first."
)
OWN_AND_TEAM: ReachColumns = {Reach.OWN: ("owner_id",), Reach.TEAM: ("support_team_id",)}


class Criticality(models.IntegerChoices):
    HIGH = 1
    ELEVATED = 2
    MEDIUM = 3
    LOW = 4


class CiStatus(models.TextChoices):
    PLANNED = "planned"
    INSTALLED = "installed"
    IN_MAINTENANCE = "in_maintenance"
    RETIRED = "retired"


class Environment(models.TextChoices):
    PRODUCTION = "production"
    TEST = "test"
    DEVELOPMENT = "development"


class Service(SoftDeleteModel):
    """What the business calls what it uses: e-mail, payroll. Configuration items belong to it."""

    reach_columns: ClassVar[ReachColumns] = OWN_AND_TEAM
    # Whoever names it in a record reads it by that (a requester what their ticket is about), so they must be able to already.
    read_as: ClassVar[str] = "configuration_items"

    name = models.CharField(max_length=120)
    description = models.TextField(blank=True, max_length=2000)
    criticality = models.PositiveSmallIntegerField(choices=Criticality, default=Criticality.MEDIUM)
    owner = TenantForeignKey["User | None", "User | None"](
        User, models.PROTECT, null=True, blank=True, related_name="owned_services", db_index=False
    )
    support_team = TenantForeignKey["Team | None", "Team | None"](
        Team, models.PROTECT, null=True, blank=True, related_name="supported_services", db_index=False
    )
    is_active = models.BooleanField(default=True)

    class Meta:
        constraints = [
            # A deleted service's name is free again; its restoration is refused while another has it.
            models.UniqueConstraint(
                fields=["organization_id", "name"], name="service_name", condition=Q(deleted_at=None)
            ),
            models.CheckConstraint(condition=Q(criticality__range=(1, 4)), name="service_criticality"),
        ]
        indexes = [
            models.Index(fields=["organization_id", "owner"], name="service_of_owner"),
            models.Index(fields=["organization_id", "support_team"], name="service_of_team"),
            models.Index(fields=["organization_id", "created_at", "id"], name="service_age"),
        ]

    def __str__(self) -> str:
        return self.name


class CiClass(VersionedModel):
    """A kind of configuration item, in a tree: a server is a computer, and a computer hardware."""

    name = models.CharField(max_length=120)
    # What imports and rules call it, whatever its name becomes.
    key = models.CharField(max_length=60, validators=[KEY])
    parent = TenantForeignKey["CiClass | None", "CiClass | None"](
        "self", models.PROTECT, null=True, blank=True, related_name="children", db_index=False
    )

    class Meta:
        verbose_name = "ci class"
        verbose_name_plural = "ci classes"
        constraints = [
            models.UniqueConstraint(fields=["organization_id", "key"], name="ci_class_key"),
            models.CheckConstraint(
                condition=Q(parent=None) | ~Q(parent=F("id")),
                name="ci_class_not_its_own_parent",
                violation_error_message="A class cannot be its own parent.",
            ),
        ]
        indexes = [
            models.Index(fields=["organization_id", "name", "id"], name="ci_class_name"),
            models.Index(fields=["organization_id", "parent"], name="ci_class_parent"),
        ]

    def __str__(self) -> str:
        return self.name


class ConfigurationItem(SoftDeleteModel):
    """A thing that services are made of and that tickets are about. Two may have one name; a number has one alone, for ever."""

    reach_columns: ClassVar[ReachColumns] = OWN_AND_TEAM
    # Whoever names it in a record reads it by that (a requester what their ticket is about), so they must be able to already.
    read_as: ClassVar[str] = "configuration_items"

    number = models.CharField(max_length=20, editable=False)
    name = models.CharField(max_length=200)
    ci_class = TenantForeignKey["CiClass", "CiClass"](
        CiClass, models.PROTECT, related_name="items", db_index=False, verbose_name="class"
    )
    status = models.CharField(max_length=20, choices=CiStatus, default=CiStatus.INSTALLED)
    environment = models.CharField(max_length=20, choices=Environment, blank=True)
    criticality = models.PositiveSmallIntegerField(choices=Criticality, default=Criticality.MEDIUM)
    serial_number = models.CharField(max_length=120, blank=True)
    asset_tag = models.CharField(max_length=60, blank=True)
    owner = TenantForeignKey["User | None", "User | None"](
        User, models.PROTECT, null=True, blank=True, related_name="owned_items", db_index=False
    )
    support_team = TenantForeignKey["Team | None", "Team | None"](
        Team, models.PROTECT, null=True, blank=True, related_name="supported_items", db_index=False
    )
    service = TenantForeignKey["Service | None", "Service | None"](
        Service, models.PROTECT, null=True, blank=True, related_name="items", db_index=False
    )
    site = TenantForeignKey["Site | None", "Site | None"](
        Site, models.PROTECT, null=True, blank=True, related_name="items", db_index=False
    )
    description = models.TextField(blank=True, max_length=4000)

    class Meta:
        verbose_name = "configuration item"
        constraints = [
            models.UniqueConstraint(fields=["organization_id", "number"], name="configuration_item_number"),
            models.CheckConstraint(condition=Q(status__in=CiStatus.values), name="configuration_item_status"),
            models.CheckConstraint(
                condition=Q(environment__in=("", *Environment.values)), name="configuration_item_environment"
            ),
            models.CheckConstraint(condition=Q(criticality__range=(1, 4)), name="configuration_item_criticality"),
        ]
        indexes = [
            models.Index(fields=["organization_id", "name", "id"], name="ci_name"),
            models.Index(fields=["organization_id", "created_at", "id"], name="ci_age"),
            models.Index(fields=["organization_id", "ci_class", "name", "id"], name="ci_of_class"),
            models.Index(fields=["organization_id", "service", "name", "id"], name="ci_of_service"),
            models.Index(fields=["organization_id", "support_team", "name", "id"], name="ci_of_team"),
            models.Index(fields=["organization_id", "owner"], name="ci_of_owner"),
            models.Index(fields=["organization_id", "site"], name="ci_of_site"),
            models.Index(fields=["organization_id", "serial_number"], name="ci_serial_number"),
            models.Index(fields=["organization_id", "asset_tag"], name="ci_asset_tag"),
        ]

    def __str__(self) -> str:
        return f"{self.number} {self.name}"
