"""English as far as captions need it: words and their senses, noun phrases, and kinds of things."""

from hiergeo.construction.language.kinds import is_kind, kinds
from hiergeo.construction.language.lexicon import Lexicon, lexicon
from hiergeo.construction.language.phrases import Analysis, Phrase, head_noun, parse
from hiergeo.construction.language.tagging import Token, looks_english
