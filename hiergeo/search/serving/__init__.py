"""An index as an HTTP service, and its client."""

from hiergeo.search.serving.app import Service, create_app
from hiergeo.search.serving.client import Client
from hiergeo.search.serving.limits import Limits, Refused, Settings
from hiergeo.search.serving.server import bind, running, serve

__all__ = ["Client", "Limits", "Refused", "Service", "Settings", "bind", "create_app", "running", "serve"]
