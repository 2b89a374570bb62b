"""Clients that strangers generate from our OpenAPI document work, and its linter finds no error.

The tools of Node.js come from ITSM_NODE_TOOLS, a directory in which tests/journeys/node/package.json is installed;
`bash .ci/run` prepares one. Without it those tests are skipped: nothing here asks a registry.
"""

import importlib
import json
import os
import pkgutil
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from drf_spectacular.generators import SchemaGenerator

from tests.faults.processes import Processes, free_port, wait_until
from tests.journeys.speaking import is_serving

PACKAGE = "generated_itsm_client"
TOKEN, LIST = "/api/v1/auth/token/", "/api/v1/teams/"


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    found = SchemaGenerator().get_schema(request=None, public=True)
    return json.loads(json.dumps(found, default=str))


@pytest.fixture(scope="module")
def schema(document: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("schema") / "schema.json"
    file.write_text(json.dumps(document))
    return file


@pytest.fixture
def node() -> Callable[..., str]:
    """Runs a tool of ITSM_NODE_TOOLS in a directory and returns what it said; a failure of it fails the test."""
    given = os.environ.get("ITSM_NODE_TOOLS", "")
    tools = Path(given, "node_modules", ".bin")
    if not given or not tools.is_dir():
        pytest.skip("ITSM_NODE_TOOLS names no directory with tests/journeys/node/package.json installed")

    def run(name: str, *arguments: str, cwd: Path) -> str:
        return output_of([str(tools / name), *arguments], cwd)

    return run


def output_of(command: list[str], cwd: Path) -> str:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        command, cwd=cwd, env={**os.environ, "PATH": path}, capture_output=True, text=True, timeout=240, check=False
    )
    assert done.returncode == 0, f"{command}\n{done.stdout[-6000:]}\n{done.stderr[-2000:]}"
    return done.stdout


# --- Python

# Both in one worker, so that the client is generated once.
python = pytest.mark.xdist_group("generated python client")


@pytest.fixture(scope="module")
def client(schema: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModuleType]:
    """The package that openapi-python-client generates."""
    home = tmp_path_factory.mktemp("client")
    target = ["--output-path", str(home / PACKAGE), "--meta", "none"]
    output_of([sys.executable, "-m", "openapi_python_client", "generate", "--path", str(schema), *target], home)
    sys.path.insert(0, str(home))
    yield importlib.import_module(PACKAGE)
    for name in [name for name in sys.modules if name.partition(".")[0] == PACKAGE]:
        del sys.modules[name]
    sys.path.remove(str(home))


def operation_of(client: ModuleType, document: dict[str, Any], path: str, method: str) -> ModuleType:
    operation = document["paths"][path][method]
    name = re.sub(r"\W", "_", operation["operationId"])
    return importlib.import_module(f"{PACKAGE}.api.{operation['tags'][0].replace('-', '_')}.{name}")


@python
def test_every_module_of_the_generated_python_client_can_be_imported(
    client: ModuleType, document: dict[str, Any], record_property: Callable[[str, object], None]
) -> None:
    names = [module.name for module in pkgutil.walk_packages(client.__path__, f"{PACKAGE}.")]
    for name in names:
        importlib.import_module(name)

    operations = sum(1 for name in names if name.startswith(f"{PACKAGE}.api.") and name.count(".") == 3)
    assert operations == sum(len(item) for item in document["paths"].values())
    record_property("modules of the generated Python client imported", len(names))


@python
@pytest.mark.journey
def test_the_generated_python_client_signs_in_and_reads_a_list(
    processes: Processes, client: ModuleType, document: dict[str, Any]
) -> None:
    file = processes.directory / "demo.json"
    processes.manage("load_demo", "--write", str(file))
    account = json.loads(file.read_text())["organizations"]["acme"]["admin"]
    port = free_port()
    processes.web(port)
    wait_until(lambda: is_serving(port), "the web process is ready", 60)
    base_url = f"http://127.0.0.1:{port}"
    models = importlib.import_module(f"{PACKAGE}.models")

    body = models.TokenRequestRequest(email=account["email"], password=account["password"])
    pair = operation_of(client, document, TOKEN, "post").sync(client=client.Client(base_url=base_url), body=body)
    assert isinstance(pair, models.TokenPair)

    signed_in = client.AuthenticatedClient(base_url=base_url, token=pair.access)
    page = operation_of(client, document, LIST, "get").sync(client=signed_in, page_size=1)
    assert len(page.results) == 1
    assert isinstance(page.results[0], models.Team)
    assert page.results[0].name


# --- TypeScript and the linter

FRONT_END = """
import type { components, paths } from "./schema";

type List = paths["/api/v1/teams/"]["get"];
type Page = List["responses"]["200"]["content"]["application/json"];
type Problem = List["responses"]["403"]["content"]["application/problem+json"];
type Query = NonNullable<List["parameters"]["query"]>;
type NewTeam = paths["/api/v1/teams/"]["post"]["requestBody"]["content"]["application/json"];

export const query: Query = { page_size: 50, count: "true", ordering: "-name" };
export const team: NewTeam = { name: "Service Desk", calendar: null };
export const first = (page: Page): components["schemas"]["Team"] | undefined => page.results[0];
export const reason = (problem: Problem): string => `${problem.code} ${problem.request_id}`;
export const next = (page: Page): string | null => page.next;
"""


def test_generated_typescript_types_pass_the_strict_compiler(
    node: Callable[..., str], schema: Path, tmp_path: Path
) -> None:
    node("openapi-typescript", str(schema), "-o", "schema.d.ts", cwd=tmp_path)
    (tmp_path / "front_end.ts").write_text(FRONT_END)
    node("tsc", "--strict", "--noEmit", "--target", "es2022", "front_end.ts", cwd=tmp_path)

    # And the compiler does look: a field that no team has is refused.
    (tmp_path / "wrong.ts").write_text(FRONT_END.replace("calendar: null", "colour: null"))
    with pytest.raises(AssertionError, match="colour"):
        node("tsc", "--strict", "--noEmit", "--target", "es2022", "wrong.ts", cwd=tmp_path)


def test_spectral_finds_no_error(
    node: Callable[..., str], schema: Path, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    (tmp_path / ".spectral.yaml").write_text('extends: ["spectral:oas"]\n')
    said = node("spectral", "lint", "-r", ".spectral.yaml", "-f", "json", "-q", str(schema), cwd=tmp_path)
    found = json.loads(said or "[]")
    rules = {finding["code"] for finding in found}

    record_property("spectral warnings", len(found))
    # Every address ends with a slash, as Django's do; and an installation's contact is not ours to say.
    assert rules <= {"path-keys-no-trailing-slash", "info-contact"}
    assert [finding for finding in found if finding["severity"] == 0] == []
