"""Serves the runbooks of the alerts: a private network may not reach the repository."""

from __future__ import annotations

import posixpath
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from exporter.share import files
from exporter.web.pages import HEADERS, REPOSITORY, template

if TYPE_CHECKING:
    from markdown_it.token import Token

PATH = "/runbooks"

_FOLDER = "docs/runbooks"
_INDEX = "README"


class Runbooks:
    """Serves `/runbooks`, which lists the runbooks, and `/runbooks/NAME`."""

    def routes(self) -> list[Route]:
        """The routes to add to the app."""
        return [Route(PATH, self._index), Route(f"{PATH}/{{name}}", self._runbook)]

    async def _index(self, _: Request) -> Response:
        return await self._answer(_INDEX, root="./")

    async def _runbook(self, request: Request) -> Response:
        return await self._answer(request.path_params["name"], root="../")

    async def _answer(self, name: str, *, root: str) -> Response:
        """The page. `root` leads to the status page, so that links hold below any prefix."""
        path = _paths().get(name)
        if path is None:
            raise HTTPException(404, f"no runbook has this name; {PATH} lists them")
        return HTMLResponse(await run_in_threadpool(_page, name, path, root), headers=HEADERS)


@cache
def _paths() -> dict[str, Path]:
    """The files by name. A name in a request is only looked up here, so it cannot lead to other files."""
    return {path.stem: path for path in files(_FOLDER).glob("*.md")}


@cache
def _page(name: str, path: Path, root: str) -> str:
    from markdown_it import MarkdownIt  # here, because a start does not need it

    markdown = MarkdownIt("commonmark", {"html": False}).enable("table")
    tokens = markdown.parse(path.read_text("utf-8"))
    for token in tokens:
        for child in token.children or ():
            if child.type == "link_open":
                _lead_here(child, root)
    content = markdown.renderer.render(tokens, markdown.options, {})
    return template("runbook.html").render(name=name, content=content, index=name == _INDEX, root=root)


def _lead_here(link: Token, root: str) -> None:
    """Links between runbooks stay on this server. Links to other files of the repository lead there."""
    target = str(link.attrs["href"])
    if "://" in target or target.startswith("#"):
        link.attrs["rel"] = "noreferrer"
        return
    page, hash_, part = target.partition("#")
    file = posixpath.normpath(posixpath.join(_FOLDER, page))
    name = file.removeprefix(f"{_FOLDER}/").removesuffix(".md")
    if name in _paths():
        link.attrs["href"] = f"{root}runbooks/{name}{hash_}{part}"
    else:
        link.attrs["href"] = f"{REPOSITORY}/blob/main/{file}{hash_}{part}"
        link.attrs["rel"] = "noreferrer"
