"""An index as an HTTP service, and its client."""

from hiergeo.search.serving.classifying import create_classifier_app
from hiergeo.search.serving.client import Client
from hiergeo.search.serving.limits import Limits, Settings
from hiergeo.search.serving.server import bind, running, serve
from hiergeo.search.serving.service import Service, create_app

__all__ = [
    "Client",
    "create_app",
    "create_classifier_app",
    "running",
]
