"""An editor without a screen: drives yaml-language-server over stdio, as a user's editor does."""

from __future__ import annotations

import json
import os
import queue
import shutil
import subprocess
import threading
from pathlib import Path
from typing import Any, Self


def command() -> list[str] | None:
    """How yaml-language-server is started here, or None: NETSPEC_YAML_LANGUAGE_SERVER, the PATH, or npx."""
    said = os.environ.get("NETSPEC_YAML_LANGUAGE_SERVER")
    if said:
        return [said, "--stdio"]
    if shutil.which("yaml-language-server"):
        return ["yaml-language-server", "--stdio"]
    if shutil.which("npx"):
        found = subprocess.run(
            ["npx", "--no-install", "yaml-language-server", "--version"], capture_output=True, stdin=subprocess.DEVNULL
        )
        if found.returncode == 0:
            return ["npx", "--no-install", "yaml-language-server", "--stdio"]
    return None


class Editor:
    """A running server and the texts that are open in it. In a text, `|` is where the cursor stands."""

    def __init__(self, command: list[str], folder: Path) -> None:
        self.folder, self.number = folder, 0
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        self.answers: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        threading.Thread(target=self._listen, daemon=True).start()
        markdown = {"documentationFormat": ["markdown", "plaintext"], "snippetSupport": True}
        can = {"textDocument": {"completion": {"completionItem": markdown}, "hover": {"contentFormat": ["markdown"]}}}
        self.ask("initialize", {"processId": os.getpid(), "rootUri": folder.as_uri(), "capabilities": can})
        self.tell("initialized", {})
        off = {"yaml": {"schemaStore": {"enable": False}, "validate": True, "completion": True, "hover": True}}
        self.tell("workspace/didChangeConfiguration", {"settings": off})

    def completions(self, text: str) -> dict[str, dict[str, Any]]:
        """What is offered at the cursor, by label."""
        uri, place = self.open(text)
        found = self.ask("textDocument/completion", {"textDocument": {"uri": uri}, "position": place})
        items = found["items"] if isinstance(found, dict) else found or []
        return {item["label"]: item for item in items}

    def hover(self, text: str) -> str:
        """What is shown when the mouse rests at the cursor."""
        uri, place = self.open(text)
        found = self.ask("textDocument/hover", {"textDocument": {"uri": uri}, "position": place})
        return str(found["contents"]["value"]) if found else ""

    def problems(self, text: str) -> list[str]:
        """What is underlined, as `line: message`, lines counted from 1."""
        uri, _ = self.open(text + "|")
        while True:
            message = self._next()
            if message.get("method") == "textDocument/publishDiagnostics" and message["params"]["uri"] == uri:
                return [
                    f"{one['range']['start']['line'] + 1}: {one['message']}" for one in message["params"]["diagnostics"]
                ]

    def open(self, text: str) -> tuple[str, dict[str, int]]:
        """Open a text as a new file; its address and the cursor."""
        self.number += 1
        before, _, after = text.partition("|")
        uri = (self.folder / f"{self.number}.yaml").as_uri()
        document = {"uri": uri, "languageId": "yaml", "version": 1, "text": before + after}
        self.tell("textDocument/didOpen", {"textDocument": document})
        return uri, {"line": before.count("\n"), "character": len(before) - before.rfind("\n") - 1}

    def ask(self, method: str, params: dict[str, Any]) -> Any:
        """Send a request and wait for its result."""
        self.number += 1
        number = self.number
        self._send({"id": number, "method": method, "params": params})
        while True:
            message = self._next()
            if message.get("id") == number and "method" not in message:
                return message.get("result")

    def tell(self, method: str, params: dict[str, Any]) -> None:
        """Send what needs no answer."""
        self._send({"method": method, "params": params})

    def _next(self) -> dict[str, Any]:
        message = self.answers.get(timeout=60)
        if "method" in message and "id" in message:  # the server asks for settings: it has them all
            items = message.get("params", {}).get("items") if isinstance(message.get("params"), dict) else None
            self._send({"id": message["id"], "result": [None] * len(items) if items else None})
        return message

    def _send(self, message: dict[str, Any]) -> None:
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        assert self.process.stdin is not None
        self.process.stdin.write(b"Content-Length: %d\r\n\r\n" % len(body) + body)
        self.process.stdin.flush()

    def _listen(self) -> None:
        assert self.process.stdout is not None
        while line := self.process.stdout.readline():
            if line.lower().startswith(b"content-length:"):
                length = int(line.split(b":")[1])
                while self.process.stdout.readline().strip():
                    pass
                self.answers.put(json.loads(self.process.stdout.read(length)))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.communicate()
