"""TorchServe: the JPEG as the body, batches across calls."""

from __future__ import annotations

from typing import Any

from ts.torch_handler.base_handler import BaseHandler

import network


class Handler(BaseHandler):
    def initialize(self, context: Any) -> None:
        self.network = network.load()
        self.initialized = True

    def handle(self, data: list[dict[str, Any]], context: Any) -> list[Any]:
        pictures = [network.decode(bytes(row.get("body") or row["data"])) for row in data]
        return [{"predictions": row} for row in network.classify(self.network, pictures)]
