"""All that the page asks for."""

from fastapi import APIRouter

from tastemaker.serve.service import Service
from tastemaker.serve.web import drift, facts, files


def routes(service: Service) -> list[APIRouter]:
    return [files.routes(), facts.routes(service), drift.routes(service)]
