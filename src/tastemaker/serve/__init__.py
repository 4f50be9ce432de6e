"""The service: answers over HTTP, from one bundle or a registry, with what people do kept as it comes in."""
