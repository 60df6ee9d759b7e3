"""Where captions differ from a dictionary: which senses and kinds everyday words have in them.

Short tables that a person made, everything else is decided by counts (see `hiergeo.construction.language.lexicon`).
"""

from hiergeo.construction.language.grammar import phrase_set, table_rows, word_set

TABLE = "everyday"

CONCRETE: dict[str, float] = {synset: float(share) for synset, share in table_rows(TABLE, "concrete")}
"""Synset -> how likely a caption means what is below it, relative to physical things; the least counts."""

ABSTRACT = 0.05
"""The same for all that is below none of them."""

USUAL: dict[str, str] = dict(table_rows(TABLE, "usual"))
"""Nouns whose most frequent concrete sense in print is not the one that they have in captions -> that one."""

USUAL_NEAR: dict[str, tuple[str, frozenset[str]]] = {
    noun: (told.split()[0], frozenset(told.split()[1:])) for noun, told in table_rows(TABLE, "near")
}
"""Noun -> a sense, and the nouns beside which it has that one."""

ALSO: dict[str, tuple[str, ...]] = {synset: tuple(told.split()) for synset, told in table_rows(TABLE, "also")}
"""Synset -> what it is in captions besides what WordNet says."""

EXCEPT: dict[str, frozenset[str]] = {synset: word_set(told) for synset, told in table_rows(TABLE, "except")}
"""Synset -> hypernyms that mislead: a car is no container to anybody."""

EVERYDAY = phrase_set(
    """
    aircraft, appliance, athlete, beverage, bicycle, cooking utensil, crockery, cutlery, dairy product, dessert,
    drink, feline, fixture, food, footwear, fruit, hat, headdress, insect, jewelry, luggage, mammal, monkey,
    musical instrument, pastry, place, produce, racket, reptile, rodent, sports equipment, tableware, toy,
    vegetable, watercraft
    """
)
"""Words for kinds that are everyday ones although they are rarely in print."""

FEWEST = 3
"""Times that other words for kinds were tagged at least."""

TECHNICAL = phrase_set(
    """
    abstraction, act, action, activity, address, adhesive, adult body, agent, area, arrangement, article, artifact,
    assembly, assets, atmosphere, attribute, baked goods, bar, base, being, block, bovid, case, causal agent, cause,
    chemical, chordate, chromatic color, collection, commodity, communication, community, compound, concept,
    content, control, conveyance, course, covering, creation, district, document, egotist, enclosure, end, energy,
    entity, event, extremity, facility, female, fluid, force, form, formation, gas, gathering, group, guardian,
    hand, happening, housing, icebox, idea, implement, indication, instrumentality, instrumentation, knowledge,
    laborer, layer, level, line, location, magnitude, male, material, matter, measure, mechanism, motion, movement,
    natural object, niche, number, nutriment, object, obstruction, occurrence, offspring, operator, order, organism,
    outlet, oxidation, part, passage, phenomenon, physical entity, pipe, placental, point, portion, position,
    possession, process, product, projection, property, protection, psychological feature, quality, radiation,
    reaction, recreation, reflector, region, relation, relative, representation, rod, section, set, shape, sheet,
    side, signal, skilled worker, social group, solid, space, state, stick, strip, substance, support, surface,
    sustenance, system, thing, time, tract, traveler, tube, unit, use, vertebrate, victim, way, whole, work,
    workman, writing, young
    """
)
"""Words for kinds that nobody names in a caption, though they are frequent in print."""
