"""English as far as captions need it: words and their senses, noun phrases, and what follows from what."""

from hiergeo.language.lexicon import Lexicon, lexicon

__all__ = ["Lexicon", "lexicon"]
