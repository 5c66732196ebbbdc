"""The service at the plot and the scientists' library."""

from importlib.metadata import version

__version__ = version("edaphon")
