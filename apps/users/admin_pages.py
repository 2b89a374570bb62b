"""Pages of the admin that belong to no record: where an operator acts, and the setting up of an organization."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.contrib.admin import AdminSite
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.utils import IntegrityError
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods, require_POST
from unfold.widgets import UnfoldAdminEmailInputWidget, UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from apps.core import constraints
from apps.core.errors import DomainError
from apps.core.models import new_id
from apps.core.validators import validate_language, zone_names
from apps.organizations.models import SLUG
from apps.organizations.services import find_organization
from apps.users import operators
from apps.users.founding import LONGEST_NAME, Founding, found_organization
from apps.users.middleware import ACTING_KEY, SESSION_KEY
from apps.users.rights import operator_in

PAGE_SIZE = 25


class TenantForm(forms.Form):
    """The first step: the organization."""

    name = forms.CharField(max_length=200, widget=UnfoldAdminTextInputWidget, help_text="As people read it.")
    slug = forms.CharField(
        max_length=50,
        validators=[SLUG],
        widget=UnfoldAdminTextInputWidget,
        help_text="As programs name it: lower-case letters, digits and inner hyphens. It cannot be changed later.",
    )
    time_zone = forms.ChoiceField(
        choices=lambda: [(zone, zone) for zone in sorted(zone_names())],
        initial="UTC",
        widget=UnfoldAdminSelectWidget,
        help_text="Of its office hours, and of its people unless they choose another.",
    )
    language = forms.CharField(
        max_length=10,
        initial="en",
        validators=[validate_language],
        widget=UnfoldAdminTextInputWidget,
        help_text="A BCP 47 tag, such as en or pt-BR.",
    )

    def clean_slug(self) -> str:
        slug: str = self.cleaned_data["slug"]
        if find_organization(slug) is not None:
            raise forms.ValidationError(f"The slug {slug} is taken; accepted: another one.", code="duplicate")
        return slug


class FirstAdministratorForm(forms.Form):
    """The second step: who looks after it."""

    admin_name = forms.CharField(max_length=LONGEST_NAME, label="Full name", widget=UnfoldAdminTextInputWidget)
    admin_email = forms.EmailField(
        label="E-mail address",
        widget=UnfoldAdminEmailInputWidget,
        help_text="They are mailed a link to set a password with.",
    )


class OperatorPages:
    """For the administrators among the platform's operators; to everybody else there are no such pages."""

    def __init__(self, site: AdminSite) -> None:
        self.site = site

    def urls(self) -> list[URLPattern]:
        pages: list[tuple[str, str, Callable[[HttpRequest], HttpResponse]]] = [
            ("operator/", "operator", require_GET(self.choose)),
            ("operator/enter/", "operator_enter", require_POST(self.enter)),
            ("operator/leave/", "operator_leave", require_POST(self.leave)),
            ("operator/new-organization/", "new_organization", require_http_methods(["GET", "POST"])(self.found)),
        ]
        return [path(route, self.site.admin_view(_only_operators(page)), name=name) for route, name, page in pages]

    def choose(self, request: HttpRequest) -> HttpResponse:
        """The organizations, oldest first, each with the button that enters it."""
        number = _page_number(request)
        found = list(operators.tenants(first=(number - 1) * PAGE_SIZE, count=PAGE_SIZE + 1))
        context = {
            "tenants": found[:PAGE_SIZE],
            "number": number,
            "next": number + 1 if len(found) > PAGE_SIZE else None,
            "previous": number - 1,
        }
        return self._page(request, "users/operator.html", "Organizations", context)

    def enter(self, request: HttpRequest) -> HttpResponse:
        """Act in another organization from the next request on; leaves the one acted in before."""
        slug = request.POST.get("slug", "").strip()
        target = find_organization(slug) if _is_slug(slug) else None
        if target is None:
            messages.error(request, "There is no such organization; accepted: the slug of one in the list.")
            return HttpResponseRedirect(reverse("admin:operator"))
        acting = _acting_in(request)
        if target == _user(request).organization_id:
            return self.leave(request)
        if acting is None or acting.id != target:
            self._leave_current(request)
            operators.enter(target, _user(request), session_id=_session_id(request), at=timezone.now())
            request.session[ACTING_KEY] = str(target)
        return HttpResponseRedirect(reverse("admin:index"))

    def leave(self, request: HttpRequest) -> HttpResponse:
        self._leave_current(request)
        return HttpResponseRedirect(reverse("admin:operator"))

    def found(self, request: HttpRequest) -> HttpResponse:
        """Two steps on one address. The first one's values travel with the second and are checked again there."""
        given = request.POST if request.method == "POST" else None
        tenant, administrator = TenantForm(given), FirstAdministratorForm()
        is_second = given is not None and tenant.is_valid() and "back" not in given
        if given is not None and is_second and "found" in given:
            administrator = FirstAdministratorForm(given)
            if administrator.is_valid() and self._found(request, tenant, administrator):
                return HttpResponseRedirect(reverse("admin:operator"))
        context = {"tenant": tenant, "administrator": administrator, "is_second": is_second}
        return self._page(request, "users/new_organization.html", "New organization", context)

    def _found(self, request: HttpRequest, tenant: TenantForm, administrator: FirstAdministratorForm) -> bool:
        founding = Founding(**tenant.cleaned_data, **administrator.cleaned_data)
        actor = operator_in(new_id(), _user(request), session_id=_session_id(request))
        try:
            with transaction.atomic():
                organization, first = found_organization(founding, actor=actor, at=timezone.now())
        except IntegrityError as error:
            administrator.add_error(None, constraints.explain(error).detail)
            return False
        except DomainError as refusal:
            for detail in [wrong.detail for wrong in refusal.errors] or [refusal.detail]:
                administrator.add_error(None, detail)
            return False
        messages.success(request, f"{organization.name} is set up. An invitation was mailed to {first.email}.")
        return True

    def _leave_current(self, request: HttpRequest) -> None:
        acting = _acting_in(request)
        if acting is not None:
            operators.leave(acting.id, _user(request), session_id=_session_id(request), at=timezone.now())
            del request.session[ACTING_KEY]

    def _page(self, request: HttpRequest, template: str, title: str, context: dict[str, Any]) -> HttpResponse:
        request.current_app = self.site.name
        return TemplateResponse(request, template, {**self.site.each_context(request), "title": title, **context})


def _only_operators(page: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    def answer(request: HttpRequest) -> HttpResponse:
        if not getattr(request, "is_operator", False):
            raise Http404
        return page(request)

    return answer


def _acting_in(request: HttpRequest) -> operators.Tenant | None:
    acting: operators.Tenant | None = getattr(request, "acting_in", None)
    return acting


def _user(request: HttpRequest) -> Any:
    return request.user


def _session_id(request: HttpRequest) -> UUID:
    return UUID(request.session[SESSION_KEY])


def _is_slug(text: str) -> bool:
    try:
        SLUG(text)
    except ValidationError:
        return False
    return True


def _page_number(request: HttpRequest) -> int:
    """Anything that is no page is the first."""
    given = request.GET.get("p", "1")
    return int(given) if given.isascii() and given.isdigit() and 0 < len(given) < 7 and int(given) else 1
