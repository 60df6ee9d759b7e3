"""Everyday things of one kind that exclude each other: what is a cat is no dog, and a kitchen is no beach.

WordNet's sisters are often rare words or overlap (a pet beside a dog, a guest beside a woman), so the things that
captions tell of most have lists of their own. A row has one kind of thing; nouns of a row can stand for each other in
a text, and no two of them are one thing. Other nouns have the lexicon's siblings.
"""

from functools import lru_cache

from hiergeo.construction.language.kinds import APART, is_kind, kinds, members, names_above

COUNTED = """
man: woman, girl, child
woman: man, boy, child
boy: girl, woman
girl: boy, man
lady: gentleman, boy, child
guy: woman, girl, child
male: female
female: male
kid: adult
person: dog, horse
someone: dog, horse
people: dog, horse
baby: puppy, kitten, doll
child: adult
father, mother
dad: mom
mom: dad
son, daughter
brother, sister
husband, wife
boyfriend, girlfriend
grandfather, grandmother
bride, groom
king, queen
prince, princess
actor, actress
waiter, waitress
surfer, skier, skateboarder, snowboarder, cyclist, swimmer, golfer, tennis player, soccer player, baseball player
batter, pitcher, catcher, umpire
chef, doctor, firefighter, police officer, soldier, farmer, teacher, bus driver
bartender, barista, mechanic, monk, ballerina, farmer, firefighter, soldier, hiker
fisherman: farmer, mechanic, soldier
hot air balloon: helicopter, kite, airplane
dog, cat, horse, cow, sheep, elephant, giraffe, zebra, bear, bird, rabbit, lion, monkey, pig, deer, fox, tiger
duck, swan, parrot, owl, eagle, penguin, pigeon, seagull, peacock, flamingo, ostrich
puppy, kitten, calf, lamb, foal
bee, butterfly, spider, ant, beetle
shark, whale, dolphin, turtle, crab
car, bus, truck, train, bicycle, motorcycle, boat, airplane, helicopter, tractor, van, scooter, tram
bike: car, truck, horse
plane: helicopter, balloon, bird
jet: helicopter, balloon, glider
ship, canoe, raft, ferry, submarine
chair, table, bed, couch, desk, bench, bookshelf, dresser, cabinet, stool
sofa: bed, table, bookshelf
toilet, sink, bathtub, shower
mirror: window, lamp
refrigerator, oven, microwave, dishwasher, toaster, washing machine
fridge: oven, microwave, dishwasher
stove: refrigerator, dishwasher, sink
laptop, television, telephone, camera, printer, keyboard
computer: television, telephone, camera, radio
tv: computer, radio, telephone
cell phone: camera, book, umbrella, bottle
smart phone: camera, book, umbrella, bottle
phone: book, camera, umbrella, bottle
cellphone: camera, remote control, flashlight
kitchen, bathroom, bedroom, living room, office, garage, classroom, hallway, dining room
restroom: kitchen, bedroom, classroom
room: garden, street, tunnel
store: library, church, museum
shop: library, church, museum
house: church, castle, barn
doll: teddy bear, robot, kite
boogie board: bicycle, skateboard
urinal: sink, bathtub
toy: book, bottle, lamp
restaurant, library, hospital, museum, supermarket, church, stadium, hotel, bakery, gym
church, castle, house, factory, barn, skyscraper, lighthouse
building: bridge, tree, mountain, fountain
street, beach, forest, river, mountain, desert, meadow
road: river, beach, forest
field, forest, street, desert, lake
park: kitchen, library, airport
city: forest, desert, village
sidewalk: roof, lawn, beach
hill: valley, lake, cave
slope: lake, road, roof
ocean: desert, forest, river
lake: field, street, desert
wave: bicycle, horse, skateboard
airport: library, beach, stadium
station: beach, farm, museum
zoo: kitchen, library, office
farm: city, beach, airport
court: beach, street, rooftop
parking lot: beach, kitchen, forest
yard: kitchen, street, cave
shelf: floor, roof, bed
floor: shelf, roof, tree
wall: floor, ceiling
tree: tower, fence, lamppost
counter: floor, shelf, bed
window, door, staircase, chimney
pizza: sandwich, salad, cake, burger, hot dog, burrito, pie
donut, cookie, pancake, sandwich, banana
doughnut: cookie, pancake, sandwich, banana
muffin: sandwich, cookie, apple
bagel: cookie, pancake, banana
cupcake: sandwich, apple, hot dog
apple, banana, orange, pear, lemon, pineapple, strawberry, melon, peach
carrot, potato, tomato, onion, cucumber, pumpkin, cabbage
meal: toy, book, drink
bowl, cup, basket, bottle, box
dessert: vegetable, sandwich, pizza, salad
vegetable: dessert, sandwich, pizza, cake
plate: tray, napkin
vase: bowl, bucket, basket, bottle
glass: bowl, basket, spoon
bag: bucket, bowl, umbrella
suitcase: backpack, box, basket
luggage: furniture
tray: basket, bucket
knife, fork, spoon, chopstick
scissors: knife, hammer, pencil
tennis racket, baseball bat, golf club, hockey stick
racket: guitar, umbrella, camera
bat: umbrella, guitar, broom
ball: frisbee, kite, book
frisbee: kite, stick, balloon
kite: balloon, frisbee, flag
surfboard: snowboard, skateboard, bicycle, kayak
skateboard: surfboard, bicycle, horse
snowboard: skateboard, bicycle, horse
ski: skate, sandal
fire hydrant, mailbox, bench, parking meter, traffic light, street sign, trash can
stop sign: traffic light, fire hydrant, mailbox
traffic light: stop sign, mailbox, fire hydrant
hydrant: mailbox, bench, lamppost
street light: fire hydrant, mailbox
sign: window, mirror, lamp
clock: mirror, lamp, painting, window
lamp: clock, mirror, vase
candle: lamp, clock, vase
umbrella: bag, hat, book, broom
hat, scarf, helmet, crown
veil: crown, scarf, hat
shirt, jacket, dress, sweater, coat, skirt
suit, dress, swimsuit, uniform
tie: scarf, necklace, belt
shoe, glove, hat, sock
boot: sandal, glove
helmet: scarf, crown
uniform: dress, swimsuit, suit
teddy bear: doll, toy car, robot
flower, mushroom, cactus, tree
rose, tulip, sunflower, daisy
plant: lamp, statue, clock
book: newspaper, bottle, toy
guitar, violin, piano, drum, trumpet
towel: blanket, curtain
blanket: towel, carpet, pillow
pillow: blanket, towel
spoon: fork, knife
rock: log, bench, ladder
bridge, tunnel, tower
fence: hedge, wall
statue: fountain, lamp, bench
fireplace: window, door
noodle: vegetable, egg, potato
pole: tree, bench
tower: bridge, tunnel, barn
rug: bed, chair, table
crowd: herd
leash: blanket, basket
cart: sled, boat
carriage: sled, boat
runway: lake, beach, roof
track: road, beach
seat: floor, bed, roof
couch: bed, chair, table, bench
toothbrush, comb, pencil, spoon
remote: book, bottle, cup
mouse: lamp, book, cup
keyboard: book, lamp, cup
monitor: book, lamp, mirror
controller: book, guitar, broom
wine: coffee, milk, tea
"""

UNCOUNTED = """
rain: snow, fog
milk, juice, wine, beer, tea, coffee
water: snow, sand, grass
grass, snow, sand, mud, ice
dirt: snow, ice, grass
rice, pasta, soup, cheese, bread, salad, meat
food: water, furniture, clothing
fruit: meat, rice, bread
pizza: soup, rice, salad, cake
broccoli: rice, cheese, chocolate
tennis, baseball, soccer, basketball, golf, hockey, volleyball
furniture, food, clothing
luggage: furniture, fruit
wood, glass, metal, stone
sky: water, grass
lettuce: rice, chocolate
ketchup: chocolate, honey
ocean: desert
hay: snow, sand
pavement: grass, sand
"""

UNRELATED = (
    *("furniture", "animal", "vehicle", "plant", "building", "fruit", "musical instrument", "clothing", "mountain"),
    *("insect", "book", "tool", "river", "dessert", "jewelry", "forest", "sport", "beverage", "bridge", "toy", "bird"),
    *("island", "flower", "storm", "airplane", "body of water"),
)
"""Words for texts about something else altogether."""

REALMS = (
    "person|animal|couple|family|team|crowd|group|department",
    "plant|food|fruit|vegetable|drink|beverage|dessert",
    "vehicle",
    "building|structure|place|room|road|field|body of water|mountain|river|island|forest|city|bridge|tower",
    "furniture|container|dishware|device|appliance|toy|tool|utensil|equipment|instrument|decoration|light"
    "|sign|signal|luggage|linen|bedding|fixture|board|seat|reading material|clothing|jewelry|book|hydrant",
    "sport|game",
    "weather",
    "body part",
)
"""Kinds of things, those that may overlap in one row; kinds of different rows share no thing."""

ASUNDER = ("person|animal", "clothing|furniture", "clothing|instrument", "furniture|instrument")
"""Kinds of one row that share no thing all the same."""


SPECIES = frozenset({"animal", "bird", "insect", "fruit", "vegetable", "appliance", "instrument"})
"""Kinds no two listed nouns of which name one thing, except `OVERLAPPING`."""

OVERLAPPING = frozenset(
    {
        "pet",
        "livestock",
        "cattle",
        "bull",
        "ox",
        "calf",
        "lamb",
        "ram",
        "foal",
        "mule",
        "kitten",
        "puppy",
        "pony",
        "hen",
    }
    | {
        "rooster",
        "chicken",
        "berry",
        "stove",
        "gull",
        "seagull",
        "dove",
        "pigeon",
        "dryer",
        "washer",
        "freezer",
    }
    | {"grizzly bear", "brown bear", "black bear", "polar bear", "microwave oven", "toaster oven", "stove top"}
)
"""Nouns that may name what another one of their kind names."""


@lru_cache(maxsize=1)
def _realms() -> dict[str, int]:
    return {kind: realm for realm, kinds in enumerate(REALMS) for kind in kinds.split("|")}


@lru_cache(maxsize=1)
def _rows() -> tuple[tuple[bool, tuple[str, ...], tuple[str, ...]], ...]:
    """(counted, words that can be replaced, words that replace them) of each line of the lists."""
    rows = []
    for counted, lines in ((True, COUNTED), (False, UNCOUNTED)):
        for line in lines.split("\n"):
            key, colon, rest = line.rpartition(":")
            words = tuple(word.strip() for word in rest.split(",") if word.strip())
            if words:
                rows.append((counted, (key,) if colon else words, words))
    return tuple(rows)


@lru_cache(maxsize=1)
def _pairs() -> frozenset[frozenset[str]]:
    """Each two words of the lists that exclude each other."""
    return frozenset(
        frozenset((one, other)) for _, keys, words in _rows() for one in keys for other in words if one != other
    )


@lru_cache(maxsize=1)
def _listed() -> frozenset[str]:
    return frozenset(word for pair in _pairs() for word in pair)


def replacements(noun: str, counted: bool = True) -> tuple[str, ...]:
    """Other things of the kind of `noun`, from the lists; empty for a noun that they lack.

    Args:
        noun: singular, lower case, maybe of several words.
        counted: whether ``a`` or a number may stand before the answers.
    """
    rows = [row for row in _rows() if row[0] is counted and noun in row[1]]
    return tuple(word for word in rows[0][2] if word != noun) if rows else ()


@lru_cache(maxsize=4096)
def listed(kind: str) -> tuple[str, ...]:
    """Nouns of the lists that are of a kind, in their order."""
    words = dict.fromkeys(word for counted, _, row in _rows() if counted for word in row)
    return tuple(word for word in words if word != kind and is_kind(word, kind))


@lru_cache(maxsize=65536)
def _above(noun: str) -> tuple[frozenset[str], frozenset[str]]:
    """Words of the lists and of the realms that say what a noun is."""
    names = names_above(noun)
    return names & (_listed() | _members()), names.intersection(_realms())


@lru_cache(maxsize=1)
def _members() -> frozenset[str]:
    return frozenset(noun for kind in SPECIES for noun in members(kind)) - OVERLAPPING


@lru_cache(maxsize=65536)
def _species(noun: str, kind: str) -> frozenset[str]:
    """What of a kind that has species a noun names."""
    return names_above(noun) & _members() & members(kind)


def _apart(one: str, other: str) -> bool:
    return any((one, kind) in APART for kind in (other, *kinds(other)))


@lru_cache(maxsize=65536)
def unlike(one: str, other: str) -> bool:
    """Whether two nouns are of different realms, such as a board and a slope: one may be on both at once."""
    realms = [{_realms()[kind] for kind in _above(noun)[1]} for noun in (one, other)]
    return realms[0].isdisjoint(realms[1]) and bool(realms[0]) and bool(realms[1])


@lru_cache(maxsize=65536)
def excludes(one: str, other: str) -> bool:
    """Whether no thing is both; symmetric, False where it is not known.

    Args:
        one: noun in the singular, lower case.
        other: likewise.
    """
    if is_kind(one, other) or is_kind(other, one) or _apart(one, other) or _apart(other, one):
        return False
    (these, above), (those, other_above) = _above(one), _above(other)
    if any(frozenset((x, y)) in _pairs() for x in these - those for y in those - these):
        return True
    for kind in SPECIES:
        if _species(one, kind) - those and _species(other, kind) - these:
            return True
    for pair in ASUNDER:
        first, _, second = pair.partition("|")
        if (first in above and second in other_above) or (second in above and first in other_above):
            return not above & other_above
    return unlike(one, other)
