"""Writing through influxdb-client, which is imported when the first batch goes out.

Only its SYNCHRONOUS mode is used: its batching mode drops batches after its retries.
"""

import logging
from pathlib import Path
from typing import Any

import urllib3

from edaphon.sinks.answers import Answer
from edaphon.sinks.sink import Later
from edaphon.sinks.wire import CONNECT_S, READ_S, clear_words, hide, tls_trouble

__all__ = ["ClientPost"]


def _not_of_the_client(record: logging.LogRecord) -> bool:
    """influxdb-client writes whole answers, which may repeat a token, to the root logger."""
    return "influxdb_client" not in record.pathname


class ClientPost:
    """POST /api/v2/write of InfluxDB 2 and 3; never retried nor redirected by the client."""

    def __init__(
        self, url: str, token: str, org: str, bucket: str, ca_file: Path | None = None
    ) -> None:
        from influxdb_client.client.influxdb_client import InfluxDBClient
        from influxdb_client.client.write_api import SYNCHRONOUS

        logging.getLogger().addFilter(_not_of_the_client)
        self._url = url
        self._secrets = [token]
        self._org = org
        self._bucket = bucket
        self._client: Any = InfluxDBClient(
            url,
            token,
            org=org,
            timeout=(CONNECT_S * 1e3, READ_S * 1e3),
            retries=urllib3.Retry(0, redirect=False, respect_retry_after_header=False),
            ssl_ca_cert=str(ca_file) if ca_file else None,
            connection_pool_maxsize=1,
        )
        # The lines come gzipped; the client's own switch would compress at level 9.
        api_client: Any = self._client.api_client
        api_client.set_default_header("Content-Encoding", "gzip")
        self._api = self._client.write_api(write_options=SYNCHRONOUS)

    def post(self, lines: bytes) -> Answer:
        from influxdb_client.rest import ApiException

        try:
            with clear_words(self._url):
                self._api.write(self._bucket, self._org, lines)
        except ApiException as error:
            return self._answer(error)
        except UnicodeDecodeError:
            raise Later(f"{self._url} answers in bytes that are no UTF-8 text") from None
        return Answer(204, {}, "")

    def _answer(self, error: Any) -> Answer:
        if not error.status:
            raise tls_trouble(self._url, str(error.reason)) from None
        headers = {name.lower(): value for name, value in (error.headers or {}).items()}
        body = str(error.body or error.reason or "")
        return Answer(error.status, headers, hide(body, self._secrets))

    def close(self) -> None:
        self._client.close()
