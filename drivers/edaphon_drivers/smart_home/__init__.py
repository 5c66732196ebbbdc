"""Numbers of smart-home devices on MQTT: Tasmota, Zigbee2MQTT, ESPHome, Home Assistant."""

from edaphon_drivers.smart_home.discovery import Discovered, read_discovery
from edaphon_drivers.smart_home.engine import decode_message, sheet_troubles

__all__ = ["Discovered", "decode_message", "read_discovery", "sheet_troubles"]
