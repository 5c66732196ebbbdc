"""The station of the benchmarks: 20 JSON nodes with three readings each, as text for people."""

from tests.stories.station import QUANTITIES, json_node, json_node_facts

__all__ = ["NODES", "broker", "calibrations", "facts", "influx", "sources", "topic"]

NODES = 20


def topic(node: int) -> str:
    return f"plot/node{node:02d}"


def broker(port: int) -> str:
    return (
        f'[broker.local]\nhost = "127.0.0.1"\nport = {port}\n'
        f'topics = ["plot/#"]\nenvelope = "json"\n'
    )


def influx(port: int) -> str:
    return (
        f'[[sink]]\nname = "influx"\nkind = "influxdb"\nversion = 1\n'
        f'url = "http://127.0.0.1:{port}"\ndatabase = "plots"\n'
    )


def sources() -> str:
    return "\n".join(json_node("local", topic(i)) for i in range(NODES))


def facts() -> str:
    """60 channels; the moisture has a soil-specific curve with covariance."""
    own = "\n".join(json_node_facts("local", topic(i), f"node{i:02d}") for i in range(NODES))
    return own + calibrations()


def calibrations() -> str:
    return "\n".join(
        f'[[calibration]]\nid = "c-node{i:02d}"\nchannel = "node{i:02d}-vwc"\n'
        f'curve = "polynomial"\nparameters = {{ c0 = -0.012, c1 = 1.043, c2 = 0.05 }}\n'
        f"covariance = [[1e-6, 0, 0], [0, 4e-6, 0], [0, 0, 1e-6]]\n"
        f'from_unit = "m3/m3"\nto_unit = "m3/m3"\n'
        for i in range(NODES)
    )


CHANNELS = NODES * len(QUANTITIES)
