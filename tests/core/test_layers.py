"""import-linter checks the modules it is told of; here they are counted."""

import tomllib

import pytest

from tests.databases import ROOT

# What may know HTTP, or only carries what others hold.
OUTSIDE = {"api", "admin", "apps", "migrations", "management", "__init__"}


@pytest.mark.parametrize("app", ["cmdb", "tickets", "incidents"])
def test_every_domain_module_is_kept_from_http(app):
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    named = set(next(each for each in contracts if each["name"] == "The domain does not know HTTP")["source_modules"])
    folder = ROOT / "apps" / app
    modules = {path.stem for path in folder.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()}

    assert {name for name in modules - OUTSIDE if not {f"apps.{app}.{name}", f"apps.*.{name}"} & named} == set()


@pytest.mark.parametrize("app", ["cmdb", "tickets", "incidents"])
def test_its_layers_are_checked(app):
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]

    assert f"apps.{app}" in next(each for each in contracts if each["name"].startswith("Inside an app"))["containers"]
