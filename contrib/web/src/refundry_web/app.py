"""The application: everything put together, also to be mounted in another one."""

from __future__ import annotations

from importlib.metadata import version

from fastapi import FastAPI

from refundry_web import api, entering, pages, problems, standing, webhooks
from refundry_web.desk import Desk
from refundry_web.guarding import BoundedBody, Sessions, StrictHeaders
from refundry_web.metrics import CountedRequests
from refundry_web.service import Service
from refundry_web.tables import create_tables

SESSION_COOKIE = "refundry_session"


def create_app(desk: Desk) -> FastAPI:
    """The desk as an ASGI application. It tracks nothing by itself: run `Ledger.run_once` beside it."""
    app = FastAPI(
        title="Refundry desk",
        version=version("refundry-web"),
        docs_url=None,  # its page loads scripts from elsewhere
        redoc_url=None,
        openapi_url="/v1/openapi.json",
    )
    app.state.desk = desk
    app.state.service = Service.of(desk)
    create_tables(desk.ledger.database)
    problems.install(app)
    _guard(app, desk)
    app.router.routes.append(webhooks.route)
    for router in (api.router, entering.router, standing.router):
        app.include_router(router)
    pages.install(app)
    return app


def _guard(app: FastAPI, desk: Desk) -> None:
    settings = desk.settings
    app.add_middleware(CountedRequests, metrics=app.state.service.metrics)
    sessions = {
        "secret_key": settings.session_key,
        "session_cookie": SESSION_COOKIE,
        "max_age": int(settings.session_hours * 3600),
        "same_site": "lax",
    }
    app.add_middleware(Sessions, always=settings.secure_cookies, options=sessions)
    app.add_middleware(BoundedBody, limit=settings.body_limit, seconds=settings.read_seconds)
    app.add_middleware(StrictHeaders)
