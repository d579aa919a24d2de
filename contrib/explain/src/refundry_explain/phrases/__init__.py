"""The texts in every language. A language is complete or its module does not load."""

from collections.abc import Mapping

from refundry_explain.phrases.de import GERMAN
from refundry_explain.phrases.en import ENGLISH
from refundry_explain.phrases.es import SPANISH
from refundry_explain.phrases.fr import FRENCH
from refundry_explain.phrases.table import Phrases

LANGUAGES: Mapping[str, Phrases] = {"en": ENGLISH, "de": GERMAN, "fr": FRENCH, "es": SPANISH}
"""By language code."""

__all__ = ["ENGLISH", "LANGUAGES", "Phrases"]
