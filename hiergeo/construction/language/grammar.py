"""Words of closed classes: determiners, prepositions, auxiliaries, nouns that only count or frame others."""

from pathlib import Path


def word_set(text: str) -> frozenset[str]:
    """The words of a text, between blanks."""
    return frozenset(text.split())


def phrase_set(text: str) -> frozenset[str]:
    """The phrases of a text, between commas."""
    return frozenset(" ".join(phrase.split()) for phrase in text.split(","))


def table_lines(name: str) -> list[str]:
    """The lines of a table of this folder, without comments."""
    text = Path(__file__).with_name(f"{name}.txt").read_text("ascii")
    return [line for line in text.splitlines() if not line.startswith("#")]


def table_rows(table: str, kind: str) -> list[tuple[str, str]]:
    """The lines ``KIND NAME: REST`` of a kind in a table, as (name, rest)."""
    found = []
    for line in table_lines(table):
        head, _, rest = line.partition(": ")
        of, _, name = head.partition(" ")
        if of == kind:
            found.append((name, rest))
    return found


DETERMINERS = word_set(
    """
    a an the this that these those some any each every both either neither another other my your his her its our
    their all several many few more most much various multiple numerous such what which whose 's ’s ' ’
    """
)

NUMBERS = word_set(
    """
    one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen
    eighteen nineteen twenty thirty forty fifty sixty seventy eighty ninety hundred thousand million dozen
    """
)

PREPOSITIONS = word_set(
    """
    aboard about above across after against along alongside amid among amongst around as at atop before behind below
    beneath beside besides between beyond by despite during except for from in inside into like near of off on onto
    opposite out outside over past per through throughout to toward towards under underneath until unto up upon via
    with within without down than w/
    """
)

PARTICLES = frozenset({"up", "down", "out", "off", "over", "around", "along", "by", "in", "on", "away", "together"})
"""Prepositions and adverbs that belong to the verb before them: a man putting on a tie."""

CONJUNCTIONS = frozenset({"and", "or", "but", "nor", "yet", "so", "&", "+", "plus"})

SUBORDINATORS = word_set(
    """
    while when where who whom because since if though although whilst as that which until before after how why
    whether
    """
)
"""Words that begin a clause."""

PERSONS = {
    **dict.fromkeys(("he", "him", "himself"), "man"),
    **dict.fromkeys(("she", "herself"), "woman"),
    **dict.fromkeys(("i", "me", "you"), "person"),
    **dict.fromkeys(("we", "us", "they", "them"), "people"),
}
"""Pronouns for people -> what a caption means by them."""

WATCHERS = frozenset({"i", "we", "you"})
"""Pronouns for who looks at an image: we can see a dog is about the dog."""

PRONOUNS = frozenset(
    {"it", "itself", "themselves", "ourselves", "myself", "yourself", "ones", "mine", "theirs", "hers", "something"}
    | {"anything", "everything", "there", "here"}
    | set(PERSONS)
)

AUXILIARIES = {
    **dict.fromkeys(("am", "is", "are", "was", "were", "be", "been", "being", "isn't", "aren't", "wasn't"), "be"),
    **dict.fromkeys(("weren't", "isnt", "arent", "'re", "'m", "ain't"), "be"),
    **dict.fromkeys(("has", "have", "had", "having", "hasn't", "haven't", "'ve", "hadn't"), "have"),
    **dict.fromkeys(("do", "does", "did", "don't", "doesn't", "didn't"), "do"),
    **dict.fromkeys(("can", "can't", "cannot"), "can"),
    **dict.fromkeys(("could", "couldn't"), "could"),
    **dict.fromkeys(("will", "won't", "'ll"), "will"),
    **dict.fromkeys(("would", "'d"), "would"),
    **{form: form for form in ("may", "might", "must", "shall", "should")},
}
"""Forms of auxiliary verbs -> verb."""

NEGATIONS = frozenset({"no", "not", "never", "none", "nobody", "nothing", "without", "w/o", "n't", "nor", "neither"})

ADVERBS = word_set(
    """
    very too just also not away together next ahead apart aside back else ever outdoors indoors upside almost about
    quite really so then now only even forward backward backwards forwards sideways downhill uphill overhead alone
    nearby somewhere anywhere everywhere again once twice already still soon well closely
    """
)

VIEWS = phrase_set(
    """
    photo, photograph, picture, image, pic, snapshot, shot, closeup, close-up, close up, view, portrait, painting,
    drawing, illustration, sketch, scene, selfie, footage, video, screenshot, rendering, depiction, photography,
    clip, cartoon, silhouette, glimpse, print, rear, back, side, front, top, bottom, interior, inside, outside,
    exterior, middle, part, section, end
    """
)
"""Nouns before ``of`` that say how a thing is seen: a picture of a dog is about a dog."""

AMOUNTS = word_set(
    """
    group bunch pair couple number variety lot set collection row line pile stack herd flock crowd pack team gang
    cluster assortment array series piece slice kind type sort bit handful dozen hundred thousand plenty mix mixture
    selection bundle heap mound school litter chunk half load fleet swarm tons loads trio bowl plate cup glass
    bottle jar can mug tray dish serving loaf pot slab plateful platter helping portion assorted majority rest
    pieces mass string sheet party parade procession host body stretch expanse patch field bed dose
    """
)
"""Nouns before ``of`` that say how much of a thing there is: a group of men is about men."""

BOUND = word_set(
    """
    make fill cover surround top dress line attach use see call base load look belong consist lean compose equip
    cross put come reach stare gaze point head glance aim try go get appear seem prepare know pose be have
    """
)
"""Verbs whose participle is no phrase without the preposition that follows it: a table made of wood."""

STANDING = word_set(
    """
    stand sit smile sleep graze laugh jump swim cry dance burn fall grow live move shine glow bloom flower run walk
    fly rise age work roar crash bark
    """
)
"""Verbs without object: before a noun their participle describes it, as in ``sleeping cat``."""

NAMED_BY_ADJECTIVE = phrase_set(
    """
    baked potato, cellular phone, dining room, dining table, electric guitar, flying fish, french fries, frying pan,
    golden retriever, great dane, hard drive, high chair, high school, hot dog, hot tub, hot air balloon,
    light bulb, living room, mobile phone, polar bear, remote control, rolling pin, soft drink, stainless steel,
    still life, swimming pool, washing machine, wild boar, folding chair, grizzly bear
    """
)
"""Nouns that begin with an adjective or a participle and are more than that and a noun."""

TOGETHER = frozenset({"cell phone", "dump truck", "fire truck", "smart phone", "stop sign", "tow truck", "flip phone"})
"""Nouns of two words that the lexicon lacks and whose words are verbs or adjectives too."""

ONLY_ADJECTIVES = frozenset({"able", "alike", "asleep", "close", "full", "high", "ready", "sunny", "cozy", "fancy"})
"""Adjectives that are rarely nouns, whatever the lexicon says."""

SCENE_VERBS = word_set(
    """
    stand sit lie rest ride walk run play hold look hang show pose wait swing watch eat fly jump drive travel catch
    throw hit wear talk lean carry graze
    """
)
"""Verbs whose form in -s is rather a verb than a plural."""

SHOWING = word_set(
    """
    of showing shows depicting depicts featuring features displaying displays
    """
)
"""Words after a noun of `VIEWS` that say what is seen."""

COMPOUNDED = word_set(
    """
    cover fill line top shape color colour control power style theme
    """
)
"""Verbs whose participle after a noun describes the next one: a snow covered slope."""

COLOURS = word_set(
    """
    beige black blond blonde blue brown cream gold golden gray green grey maroon orange pink purple red silver tan
    teal turquoise violet white yellow
    """
)

NOUNS_IN_ING = word_set(
    """
    awning building ceiling clothing covering crossing dressing evening frosting icing landing lighting morning
    opening painting parking railing siding string topping wedding wing wiring king ring spring thing offering
    pudding stuffing sibling
    """
)
"""Nouns that look like participles."""
