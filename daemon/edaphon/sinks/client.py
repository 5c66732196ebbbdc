"""Writing with influxdb-client, which is imported when the first batch goes out.

It makes the requests and our own Wire carries them. The client's own way of sending hides which
answer of the 200s came, reads a body of any size, and bounds each read, never the whole answer.
"""

import io
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import urllib3

from edaphon.network.requests import Answer
from edaphon.sinks.http import Wire

__all__ = ["ClientPost"]


class ClientPost:
    """POST /api/v2/write of InfluxDB 2 and 3."""

    def __init__(self, wire: Wire, token: str, org: str, bucket: str) -> None:
        from influxdb_client.client.influxdb_client import InfluxDBClient
        from influxdb_client.service.write_service import WriteService

        self._requests = _Requests(wire)
        self._org, self._bucket = org, bucket
        client: Any = InfluxDBClient(wire.url, token, org=org)
        client.api_client.rest_client.pool_manager = self._requests
        made: Any = WriteService
        self._service = made(client.api_client)

    def post(self, lines: bytes) -> Answer:
        self._service.post_write(
            self._org, self._bucket, lines, precision="ns", content_encoding="gzip"
        )
        return self._requests.answer

    def close(self) -> None:
        self._requests.wire.close()


class _Requests:
    """Stands for the client's pool of connections: keeps the answer and gives it an empty one."""

    def __init__(self, wire: Wire) -> None:
        self.wire = wire
        self.answer = Answer(0, {}, "")

    def request(
        self, method: str, url: str, body: bytes, headers: Mapping[str, str], **_: object
    ) -> urllib3.HTTPResponse:
        parts = urlsplit(url)
        self.answer = self.wire.request(method, f"{parts.path}?{parts.query}", body, headers)
        return urllib3.HTTPResponse(io.BytesIO(), status=204)
