"""The one page: read only, in a process of its own, made for a phone at the plot."""

from edaphon.web.app import make_app, serve, server
from edaphon.web.view import ControlView, Silent, Status, Unreadable, View

__all__ = ["ControlView", "Silent", "Status", "Unreadable", "View", "make_app", "serve", "server"]
