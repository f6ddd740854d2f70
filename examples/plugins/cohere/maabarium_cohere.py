"""Models of Cohere: `provider = "cohere"`. Its API: https://docs.cohere.com/reference/chat"""

from maabarium import Completion, Usage, hookimpl
from maabarium.models.providers import CallFailure, HttpProvider, at, count, wanted


class Cohere(HttpProvider):
    default_endpoint = "https://api.cohere.com"
    needs_key = True

    def address(self):
        return f"{self.endpoint}/v2/chat"

    def headers(self):
        return {"Authorization": f"Bearer {self.key.reveal()}"}

    def compose(self, request, refused):
        body = {
            "model": self.model.name,
            "messages": [{"role": turn.role, "content": turn.content} for turn in request.messages],
            "max_tokens": request.max_tokens,
            "stream": False,
        }
        if "temperature" not in refused:
            body["temperature"] = min(max(request.temperature, 0.0), 1.0)
        if request.seed is not None:
            body["seed"] = request.seed
        if request.schema is not None:
            body["response_format"] = {"type": "json_object", "json_schema": request.schema}
        return body

    def read(self, data):
        finish = data.get("finish_reason")
        if finish in ("ERROR", "TIMEOUT"):
            raise CallFailure("other", f"the server gave up: {finish}", retry=True)
        parts = wanted(data, list, "message", "content")
        text = "".join(wanted(part, str, "text") for part in parts if at(part, "type") == "text")
        usage = Usage(count(data, "usage", "tokens", "input_tokens"), count(data, "usage", "tokens", "output_tokens"))
        return Completion(text, usage, "length" if finish == "MAX_TOKENS" else "stop")


@hookimpl
def maabarium_providers():
    return {"cohere": Cohere}
