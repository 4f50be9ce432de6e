"""All that the page asks for."""

from fastapi import APIRouter

from tastemaker.serve.service import Service
from tastemaker.serve.web import explore, facts, files, map_data


def routes(service: Service) -> list[APIRouter]:
    return [files.routes(), facts.routes(service), explore.routes(service), map_data.routes(service)]
