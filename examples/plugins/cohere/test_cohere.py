"""The contract of a provider, checked by the class that Maabarium ships. Needs neither key nor network."""

from maabarium_cohere import Cohere

from maabarium.blueprint.schema import Model
from maabarium.plugins.completion import ProviderContext
from maabarium_pytest.conformance import HttpProviderConformance


class TestCohere(HttpProviderConformance):
    def provider(self, transport):
        model = Model(name="command-a-03-2025", provider="cohere", temperature=0.2, max_tokens=64)
        return Cohere(ProviderContext(model, key=self.key, transport=transport))

    def answer(self, content):
        return {
            "finish_reason": "COMPLETE",
            "message": {"role": "assistant", "content": [{"type": "text", "text": content}]},
            "usage": {"tokens": {"input_tokens": 9, "output_tokens": 4}},
        }
