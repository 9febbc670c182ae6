"""LitServe: multipart/form-data with the field `content`, batches across calls."""

import sys
from typing import Any

import litserve
import network


class Api(litserve.LitAPI):
    def setup(self, device: str) -> None:
        self.network = network.load()

    def decode_request(self, request) -> Any:
        return network.decode(request["content"].file.read())

    def batch(self, inputs: list[Any]) -> list[Any]:
        return inputs

    def predict(self, x: list[Any]) -> Any:
        return network.classify(self.network, x)

    def unbatch(self, output: Any) -> Any:
        return output

    def encode_response(self, output: Any) -> Any:
        return {"predictions": output}


if __name__ == "__main__":
    port, workers, batch = (int(word) for word in sys.argv[1:4])
    api = Api(max_batch_size=batch, batch_timeout=0.005)
    litserve.LitServer(api, accelerator="cpu", workers_per_device=workers,
                       timeout=60).run(host="127.0.0.1", port=port, log_level="warning",
                                       generate_client_file=False)
