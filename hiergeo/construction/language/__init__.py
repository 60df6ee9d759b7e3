"""English as far as captions need it: words and their senses, noun phrases, and what follows from what."""

from hiergeo.construction.language.forms import lemma, plural, singular
from hiergeo.construction.language.lexicon import Lexicon, lexicon
from hiergeo.construction.language.phrases import Analysis, Phrase, head_noun, looks_english, parse
from hiergeo.construction.language.tagging import TAGS, Token
