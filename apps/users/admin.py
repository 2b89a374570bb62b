"""People in the admin: looked at here, changed through the API until their own services come."""

from django.contrib import admin
from django.contrib.auth.models import Group

from apps.core.admin import ReadOnlyAdmin
from apps.users.models import (
    ApiToken,
    ApiTokenUse,
    Grant,
    MemberSkill,
    Role,
    RoleAssignment,
    Session,
    Skill,
    TeamMember,
    User,
)

# Django's groups are unused and their tables not writable; roles take their place.
admin.site.unregister(Group)


@admin.register(User)
class UserAdmin(ReadOnlyAdmin):
    resource = "users"
    list_display = ("full_name", "email", "user_type", "is_active")
    list_filter = ("user_type", "is_active")
    search_fields = ("full_name", "email")
    ordering = ("full_name",)
    fields = (
        "full_name",
        "email",
        "user_type",
        "is_active",
        "department",
        "site",
        "time_zone",
        "language",
        "created_at",
    )


@admin.register(Session)
class SessionAdmin(ReadOnlyAdmin):
    resource = "users"
    list_display = ("user", "created_at", "idle_until", "revoked_at", "address")
    list_select_related = ("user",)
    ordering = ("-created_at",)
    fields = ("user", "created_at", "rotated_at", "idle_until", "absolute_until", "revoked_at", "user_agent", "address")


@admin.register(Role)
class RoleAdmin(ReadOnlyAdmin):
    resource = "roles"
    list_display = ("__str__", "key", "description")
    search_fields = ("name", "description")
    ordering = ("name",)
    fields = ("name", "key", "description", "created_at", "updated_at")


@admin.register(Grant)
class GrantAdmin(ReadOnlyAdmin):
    resource = "roles"
    list_display = ("role", "resource", "action", "reach")
    list_select_related = ("role",)
    list_filter = ("action", "reach")
    search_fields = ("resource", "role__name")
    ordering = ("role", "resource", "action")


@admin.register(RoleAssignment)
class RoleAssignmentAdmin(ReadOnlyAdmin):
    resource = "roles"
    list_display = ("role", "user", "team", "limited_to_team", "valid_from", "valid_until")
    list_select_related = ("role", "user", "team", "limited_to_team")
    search_fields = ("role__name", "user__full_name", "team__name")
    ordering = ("-valid_from",)


@admin.register(Skill)
class SkillAdmin(ReadOnlyAdmin):
    resource = "skills"
    list_display = ("name", "description")
    search_fields = ("name", "description")
    ordering = ("name",)


@admin.register(TeamMember)
class TeamMemberAdmin(ReadOnlyAdmin):
    resource = "team_members"
    list_display = ("team", "user", "is_lead", "capacity")
    list_select_related = ("team", "user")
    list_filter = ("is_lead",)
    search_fields = ("team__name", "user__full_name")
    ordering = ("team", "user")


@admin.register(MemberSkill)
class MemberSkillAdmin(ReadOnlyAdmin):
    resource = "team_members"
    list_display = ("member", "skill", "level")
    list_select_related = ("member__team", "member__user", "skill")
    list_filter = ("level",)
    search_fields = ("skill__name", "member__user__full_name")
    ordering = ("member", "skill")


@admin.register(ApiToken)
class ApiTokenAdmin(ReadOnlyAdmin):
    resource = "api_tokens"
    list_display = ("name", "user", "prefix", "expires_at", "revoked_at")
    list_select_related = ("user",)
    search_fields = ("name", "user__full_name")
    ordering = ("-created_at",)
    fields = ("name", "user", "prefix", "scopes", "allowed_addresses", "expires_at", "revoked_at", "created_at")


@admin.register(ApiTokenUse)
class ApiTokenUseAdmin(ReadOnlyAdmin):
    resource = "api_tokens"
    list_display = ("credential", "at", "address")
    list_select_related = ("credential",)
    search_fields = ("credential__name",)
    ordering = ("-at",)
