"""A Qdrant server's part of its REST protocol, imitated: no server runs on the test machines.

What comes in is read by the models of Qdrant's own client and answered by the imitation of Qdrant
in memory that comes with it; what goes out are its models again. So requests and answers have the
form of the protocol (paths, JSON, status), and only the engine behind it is not Qdrant's.
"""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from pydantic import TypeAdapter
from qdrant_client import QdrantClient, models

OPERATIONS = TypeAdapter(models.UpdateOperations)
UPSERT = TypeAdapter(models.PointInsertOperations)
SELECTOR = TypeAdapter(models.PointsSelector)


class Imitated:
    """What a request asks for, by its path."""

    def __init__(self, key=None):
        self.client = QdrantClient(":memory:")
        self.key = key
        self.requests = []  # (method, path)
        self._one_at_a_time = threading.Lock()  # the imitation is for one thread

    def answer(self, method, path, body):
        with self._one_at_a_time:
            return self._answer(method, path, body)

    def _answer(self, method, path, body):
        _, name, *rest = path.strip("/").split("/")
        client, where = self.client, "/".join(rest)
        if (method, where) == ("GET", "exists"):
            return {"exists": client.collection_exists(name)}
        if (method, where) == ("PUT", ""):
            asked = models.CreateCollection.model_validate(body)
            sparse = asked.sparse_vectors
            return client.create_collection(
                name, vectors_config=asked.vectors or {}, sparse_vectors_config=sparse
            )
        if not client.collection_exists(name):
            raise LookupError(f"Not found: Collection `{name}` doesn't exist!")
        if (method, where) == ("GET", ""):
            return client.get_collection(name)
        if (method, where) == ("PUT", "points"):
            return client.upsert(name, UPSERT.validate_python(body).points)
        if (method, where) == ("POST", "points"):
            asked = models.PointRequest.model_validate(body)
            return client.retrieve(name, asked.ids, asked.with_payload, asked.with_vector or False)
        if (method, where) == ("POST", "points/delete"):
            return client.delete(name, SELECTOR.validate_python(body))
        if (method, where) == ("POST", "points/batch"):
            asked = OPERATIONS.validate_python(body)
            return client.batch_update_points(name, asked.operations)
        if (method, where) == ("POST", "points/scroll"):
            asked = models.ScrollRequest.model_validate(body)
            points, offset = client.scroll(
                name,
                limit=asked.limit,
                offset=asked.offset,
                with_payload=asked.with_payload,
                with_vectors=asked.with_vector or False,
            )
            return {"points": points, "next_page_offset": offset}
        if (method, where) == ("POST", "points/query/batch"):
            asked = models.QueryRequestBatch.model_validate(body)
            return client.query_batch_points(name, asked.searches)
        raise LookupError(f"Not found: {method} {path}")


@contextmanager
def imitated_server(key=None):
    """Gives its address, and what it does."""
    imitated = Imitated(key)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_any(self):
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length)) if length else None
            path = self.path.split("?")[0]
            imitated.requests.append((self.command, path))
            if imitated.key is not None and self.headers.get("api-key") != imitated.key:
                self.reply(401, {"status": {"error": "Invalid API key"}})
                return
            try:
                result = imitated.answer(self.command, path, body)
            except LookupError as error:
                self.reply(404, {"status": {"error": str(error)}})
            except ValueError as error:
                self.reply(400, {"status": {"error": str(error)}})
            else:
                self.reply(200, {"result": plain(result), "status": "ok", "time": 0.001})

        do_GET = do_PUT = do_POST = do_DELETE = handle_any

        def reply(self, status, answer):
            data = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *arguments):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", imitated
    finally:
        server.shutdown()
        server.server_close()


def plain(value):
    """As JSON has it."""
    if isinstance(value, dict):
        return {name: plain(one) for name, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(one) for one in value]
    return value.model_dump(mode="json") if hasattr(value, "model_dump") else value
