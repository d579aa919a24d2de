"""A refund in words: a sentence for the customer, and the next step for whoever answers them."""

from refundry_explain.explaining import Case, Explanation, explain
from refundry_explain.facts import HasState
from refundry_explain.formats import Language
from refundry_explain.phrases import LANGUAGES

__all__ = ["LANGUAGES", "Case", "Explanation", "HasState", "Language", "explain"]
