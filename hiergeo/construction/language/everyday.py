"""Where captions differ from a dictionary: which senses and kinds everyday words have in them.

Short tables that a person made, everything else is decided by counts (see `hiergeo.construction.language.lexicon`).
"""

from hiergeo.construction.language.grammar import phrase_set

CONCRETE = {
    "physical_entity.n.01": 1.0,
    "plant.n.02": 0.3,
    "wood.n.01": 0.3,
    "process.n.06": 0.2,
    "substance.n.04": 0.2,
    "social_group.n.01": 0.5,
    "gathering.n.01": 0.5,
    "biological_group.n.01": 0.5,
    "sport.n.01": 0.5,
    "diversion.n.01": 0.3,
    "meal.n.01": 1.0,
    "visual_communication.n.01": 0.3,
    "color.n.01": 0.3,
    "weather.n.01": 0.3,
}
"""Synset -> how likely a caption means what is below it, relative to physical things; the least counts."""

ABSTRACT = 0.05
"""The same for all that is below none of them."""

USUAL: dict[str, str] = {
    "banana": "banana.n.02",
    "band": "band.n.02",
    "bat": "bat.n.05",
    "bike": "bicycle.n.01",
    "board": "board.n.03",
    "bow": "bow.n.08",
    "broccoli": "broccoli.n.02",
    "bun": "bun.n.01",
    "bunny": "bunny.n.02",
    "bush": "shrub.n.01",
    "cake": "cake.n.03",
    "carrot": "carrot.n.03",
    "cell": "cellular_telephone.n.01",
    "chip": "chip.n.04",
    "court": "court.n.04",
    "crossing": "intersection.n.02",
    "cub": "cub.n.03",
    "dish": "dish.n.02",
    "egg": "egg.n.02",
    "family": "family.n.02",
    "fire": "fire.n.03",
    "game": "game.n.01",
    "girl": "female_child.n.01",
    "gull": "gull.n.02",
    "hammer": "hammer.n.02",
    "hot dog": "hotdog.n.02",
    "hotdog": "hotdog.n.02",
    "lime": "lime.n.06",
    "monitor": "monitor.n.04",
    "oak": "oak.n.02",
    "onion": "onion.n.03",
    "orange": "orange.n.01",
    "palm": "palm.n.03",
    "peach": "peach.n.03",
    "pepper": "pepper.n.04",
    "plant": "plant.n.02",
    "plate": "plate.n.04",
    "queen": "queen.n.02",
    "rain": "rain.n.01",
    "ram": "ram.n.05",
    "roll": "bun.n.01",
    "screen": "screen.n.03",
    "shell": "shell.n.02",
    "snow": "snow.n.01",
    "toilet": "toilet.n.02",
    "track": "track.n.07",
    "traffic": "traffic.n.01",
    "trailer": "trailer.n.04",
}
"""Nouns whose most frequent concrete sense in print is not the one that they have in captions -> that one."""

USUAL_NEAR: dict[str, tuple[str, frozenset[str]]] = {
    "bat": ("bat.n.01", frozenset({"cave", "wing", "night", "animal", "moon", "vampire"})),
    "board": ("board.n.02", frozenset({"wood", "nail", "floor", "house", "plank"})),
    "court": ("court.n.01", frozenset({"judge", "lawyer", "jury", "trial"})),
    "crane": ("crane.n.05", frozenset({"bird", "water", "lake", "pond", "marsh", "grass", "wing", "beak"})),
    "glass": ("glass.n.02", frozenset({"wine", "beer", "water", "milk", "juice", "table", "drink", "bottle", "plate"})),
    "keyboard": ("keyboard.n.01", frozenset({"computer", "laptop", "desk", "mouse", "monitor"})),
    "mouse": ("mouse.n.04", frozenset({"computer", "laptop", "keyboard", "desk", "monitor", "pad", "screen"})),
    "orange": ("orange.n.02", frozenset({"color", "colour"})),
    "plate": ("home_plate.n.01", frozenset({"baseball", "batter", "umpire", "catcher", "pitcher", "home"})),
    "toilet": ("toilet.n.01", frozenset({"door", "floor", "wall"})),
    "trunk": ("proboscis.n.02", frozenset({"elephant"})),
}
"""Noun -> a sense, and the nouns beside which it has that one."""

ALSO: dict[str, tuple[str, ...]] = {
    "area.n.05": ("topographic_point.n.01",),
    "audience.n.01": ("people.n.01",),
    "band.n.02": ("people.n.01",),
    "bus.n.01": ("vehicle.n.01",),
    "cake.n.03": ("dessert.n.01",),
    "couple.n.01": ("people.n.01",),
    "crowd.n.01": ("people.n.01",),
    "electronic_equipment.n.01": ("device.n.01",),
    "facility.n.01": ("topographic_point.n.01",),
    "family.n.02": ("people.n.01",),
    "female_child.n.01": ("child.n.01",),
    "foal.n.01": ("horse.n.01",),
    "forest.n.02": ("topographic_point.n.01",),
    "fruit.n.01": ("food.n.02",),
    "geographical_area.n.01": ("topographic_point.n.01",),
    "geological_formation.n.01": ("topographic_point.n.01",),
    "kitten.n.01": ("cat.n.01",),
    "lamb.n.01": ("sheep.n.01",),
    "male_child.n.01": ("child.n.01",),
    "operator.n.02": ("person.n.01",),
    "pizza.n.01": ("food.n.02",),
    "plumbing_fixture.n.01": ("device.n.01",),
    "puppy.n.01": ("dog.n.01",),
    "road.n.01": ("topographic_point.n.01",),
    "snowboarder.n.01": ("athlete.n.01",),
    "surfer.n.01": ("athlete.n.01",),
    "team.n.01": ("people.n.01",),
    "telephone.n.01": ("device.n.01",),
    "tract.n.01": ("topographic_point.n.01",),
    "train.n.01": ("vehicle.n.01",),
}
"""Synset -> what it is in captions besides what WordNet says."""

EXCEPT: dict[str, frozenset[str]] = {
    "alcohol.n.01": frozenset({"drug_of_abuse.n.01"}),
    "beverage.n.01": frozenset({"liquid.n.01"}),
    "frisbee.n.01": frozenset({"disk.n.02"}),
    "surfer.n.01": frozenset({"swimmer.n.02"}),
    "wheeled_vehicle.n.01": frozenset({"container.n.01"}),
}
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
