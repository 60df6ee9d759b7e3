"""An index as an HTTP service, and its client."""

from hiergeo.serving.app import Service, create_app
from hiergeo.serving.client import Client
from hiergeo.serving.limits import Limits, Refused, Settings
from hiergeo.serving.server import bind, running, serve

__all__ = ["Client", "Limits", "Refused", "Service", "Settings", "bind", "create_app", "running", "serve"]
