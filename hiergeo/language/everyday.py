"""Where captions differ from a dictionary: which senses and kinds everyday words have in them.

Short tables that a person made, everything else is decided by counts (see `hiergeo.language.lexicon`).
"""

CONCRETE = {
    "physical_entity.n.01": 1.0,
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

TECHNICAL = frozenset(
    {
        "entity",
        "physical_entity",
        "abstraction",
        "thing",
        "object",
        "whole",
        "artifact",
        "instrumentality",
        "matter",
        "living_thing",
        "organism",
        "causal_agent",
        "chordate",
        "vertebrate",
        "placental",
        "carnivore",
        "psychological_feature",
        "attribute",
        "state",
        "relation",
        "measure",
        "group",
        "communication",
        "act",
        "event",
        "phenomenon",
        "process",
        "substance",
        "solid",
        "fluid",
        "unit",
        "part_of",
        "physical_object",
        "natural_object",
        "commodity",
        "consumer_goods",
        "covering",
        "way",
        "creation",
        "structure_part",
        "article",
        "device",
        "implement",
        "conveyance",
    }
)
"""First words of synsets that nobody would call a thing in a caption."""
