"""All that the page asks for."""

from fastapi import APIRouter

from tastemaker.serve.service import Service
from tastemaker.serve.web import (
    drift,
    explore,
    facts,
    files,
    lists,
    map_data,
    models,
    people,
    uploads,
)


def routes(service: Service) -> list[APIRouter]:
    parts = (facts, explore, map_data, lists, people, models, drift, uploads)
    return [files.routes(), *(part.routes(service) for part in parts)]
