"""An HTTP server that scores completions, for trainers that ask one over the network.

    vlreward serve --family qwen2.5-vl

`POST /` takes what PaddleNLP's trainers send, `POST /score` a batch with all terms in the answer;
`GET /healthz` and `GET /metrics` are for supervisors. Needs the extra `serve`.
"""

from vlreward.integrations.server.options import ServerOptions, serve

__all__ = ["ServerOptions", "serve"]
