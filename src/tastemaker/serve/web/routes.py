"""All that the page asks for."""

from fastapi import APIRouter

from tastemaker.serve.service import Service
from tastemaker.serve.web import facts, files, lists, people


def routes(service: Service) -> list[APIRouter]:
    return [files.routes(), facts.routes(service), lists.routes(service), people.routes(service)]
