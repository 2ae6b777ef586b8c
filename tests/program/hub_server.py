"""A hub on loopback for tests: hub_server.py FOLDER LOG.

FOLDER/OWNER/NAME/... are models. The name of a model says which fault it has: see Hub.answer. Files *.safetensors are served by a second
server, to which the hub redirects. Prints both ports. LOG gets a line per request: server, method, path, range, authorization.
"""
import hashlib
import http.server
import json
import pathlib
import sys
import threading
import urllib.parse

ROOT, LOG = pathlib.Path(sys.argv[1]), open(sys.argv[2], "a", buffering=1)
COMMIT = "0123456789abcdef0123456789abcdef01234567"
lock, seen = threading.Lock(), {}


def times(key):
    with lock:
        seen[key] = seen.get(key, 0) + 1
        return seen[key]


class Server(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_HEAD(self):
        self.begin()

    def do_GET(self):
        self.begin()

    def begin(self):
        self.target = urllib.parse.unquote(self.path)
        with lock:
            LOG.write(f"{self.role} {self.command} {self.target} {self.headers.get('Range', '-')} {self.headers.get('Authorization', '-')}\n")
        self.answer()

    def reply(self, status, body=b"", headers=(), only=None, length=None):
        """Sends a response. If `only` is given, the connection is cut after that many bytes of the body."""
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        if self.command == "HEAD":
            return
        self.wfile.write(body if only is None else body[:only])
        if only is not None:
            self.close_connection = True

    def send_file(self, model, path):
        body, start = path.read_bytes(), 0
        wanted = self.headers.get("Range")
        if wanted and "norange" not in model:
            start = int(wanted[len("bytes="):-1])
            headers = [("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")]
            return self.reply(206, body[start:], headers, self.piece(model, path))
        self.reply(200, body, (), self.piece(model, path))

    def piece(self, model, path):
        if "cut" in model and self.command == "GET" and path.suffix == ".safetensors":
            return 60_000 if times(("cut", model, path.name)) <= 3 else None
        if "dead" in model and path.suffix == ".safetensors" and not (ROOT / "alive").exists():
            return 0 if self.headers.get("Range") else 1000
        return None


class Elsewhere(Server):
    role = "elsewhere"

    def answer(self):
        model, name = self.target[1:].split("//")
        self.send_file(model, ROOT / model / name)


class Hub(Server):
    role = "hub"

    def answer(self):
        token = self.headers.get("Authorization", "")
        parts = self.target.strip("/").split("/")
        api = parts[:2] == ["api", "models"]
        model = "/".join(parts[2:4] if api else parts[:2])
        if "busy" in model and times(("busy", self.target)) == 1 or "closed" in model:
            return self.reply(429, headers=[("Retry-After", "0")])
        if "broken" in model and times(("broken", self.target)) <= 2:
            return self.reply(503)
        if "gated" in model and token != "Bearer good":
            if not token:
                return self.reply(401, headers=[("X-Error-Message", "Access to this model is restricted.")])
            return self.reply(403 if token == "Bearer stranger" else 401)
        if not (ROOT / model).is_dir():
            return self.reply(404)
        if api:
            if parts[4:] != ["revision", "main"] and parts[5] != COMMIT:
                return self.reply(404, headers=[("X-Error-Code", "RevisionNotFound")])
            names = sorted(str(p.relative_to(ROOT / model)) for p in (ROOT / model).rglob("*") if p.is_file())
            if "leaves" in model:
                names.append("../../../evil")
            return self.reply(200, json.dumps({"sha": COMMIT, "siblings": [{"rfilename": n} for n in names]}).encode())
        path = ROOT / model / "/".join(parts[4:])
        if parts[2:4] != ["resolve", COMMIT] or not path.is_file():
            return self.reply(404, headers=[("X-Error-Code", "EntryNotFound")])
        body = path.read_bytes()
        if path.suffix != ".safetensors":
            etag = hashlib.sha1(b"blob %d\0" % len(body) + body).hexdigest()
            if "damaged" in model:
                etag = "0" * 40
            if self.command == "HEAD":
                return self.reply(200, headers=[("ETag", f'W/"{etag}"')], length=len(body))
            return self.send_file(model, path)
        etag = hashlib.sha256(body).hexdigest()
        if "wrong" in model:
            etag = "f" * 64
        if "climbs" in model:
            etag = "../../../evil"
        place = f"http://localhost:{elsewhere.server_port}/{urllib.parse.quote(model + '//' + '/'.join(parts[4:]))}"
        if "circle" in model and self.command == "GET":
            place = self.path
        self.reply(302, headers=[("X-Linked-Etag", f'"{etag}"'), ("X-Linked-Size", str(len(body))), ("Location", place)])


elsewhere = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Elsewhere)
hub = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hub)
threading.Thread(target=elsewhere.serve_forever, daemon=True).start()
print(hub.server_port, elsewhere.server_port, flush=True)
hub.serve_forever()
