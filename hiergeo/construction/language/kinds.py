"""Which kinds of things the nouns of captions name: a list for the most common ones, the lexicon for all others.

Dictionaries know a plate that is a base in baseball and a hot dog who boasts; the list says what captions mean. Nouns
of the list that the lexicon understands as the list does have its kinds too.
"""

from functools import lru_cache

from hiergeo.construction.language.attributes import word_set
from hiergeo.construction.language.lexicon import lexicon

LISTED = """
animal: dog, cat, horse, cow, sheep, elephant, giraffe, zebra, bear, rabbit, lion, monkey, pig, deer, fox, tiger, goat
animal: bird, fish, insect, calf, lamb, puppy, kitten, foal, polar bear, panda, donkey, mule, wolf, squirrel, bull
animal: pony
animal: ram, ox, moose, antelope, hippo, rhino, cattle, livestock, camel, turtle, frog, snake, mouse, shark, whale
animal: dolphin, crab, lizard, kangaroo, raccoon, seal, otter, pet, grizzly bear, brown bear, black bear
bird: duck, swan, parrot, owl, eagle, penguin, pigeon, seagull, chicken, peacock, flamingo, ostrich, goose, hawk, crow
bird: rooster, parakeet, hen, turkey, pelican, heron, gull, dove, sparrow, robin, hummingbird
insect: bee, butterfly, ant, beetle, fly, dragonfly, moth
dog: puppy, bulldog, terrier, poodle, labrador, corgi, dalmatian, pug, beagle
cat: kitten
horse: pony, foal
person: man, woman, child, adult, baby, guy, lady, gentleman, athlete, worker, teenager, someone, spectator, student
person: bride, groom, tourist, pedestrian, customer, mother, father, rider, passenger, girlfriend, boyfriend
person: family member
person: shopper, driver, performer, musician, dancer, couple member, friend, king, queen, prince, princess, traveler
person: male, female, commuter, bystander, visitor, crossing guard, hiker, parent, sibling, brother, sister, husband
person: wife
person: model, politician, celebrity, jockey, beachgoer, onlooker, graduate, clown, old man, old woman, little girl
person: bicyclist
man: guy, gentleman, groom, businessman, father, fisherman, husband, cowboy, fireman, policeman, king, old man
woman: lady, bride, mother, waitress, businesswoman, actress, wife, queen, old woman, old lady
child: boy, girl, toddler, kid, little girl, little boy, baby, infant, schoolchild, schoolboy
baby: infant, newborn
athlete: surfer, skier, skateboarder, snowboarder, cyclist, swimmer, golfer, tennis player, soccer player
athlete: baseball player
athlete: player, batter, pitcher, catcher, umpire, goalie, runner, football player, basketball player, quarterback
player: tennis player, soccer player, baseball player, football player, basketball player, batter, pitcher, catcher
baseball player: batter, pitcher, catcher, outfielder
worker: chef, doctor, firefighter, police officer, soldier, farmer, teacher, bus driver, waiter, waitress, nurse, cook
worker: police, officer, policeman, fireman, fisherman, vendor, barber, bartender, dentist, guard, referee, baker
worker: construction worker
vehicle: car, bus, truck, train, bicycle, motorcycle, boat, aircraft, tractor, van, scooter, tram, bike, trolley, taxi
vehicle: cab, suv
vehicle: motorbike, moped, carriage, wagon, cart, jeep, limousine, minivan, trailer, wheelchair, ambulance
vehicle: double decker
vehicle: fire truck, firetruck, fire engine, pickup truck, dump truck, police car, streetcar, subway, locomotive, rv
vehicle: sled
vehicle: tricycle, golf cart, bulldozer, automobile, trolley car, subway train, motor vehicle, snowmobile, atv, semi
aircraft: airplane, plane, jet, helicopter, jet plane, airliner, seaplane, biplane, jetliner, fighter jet, glider
aircraft: aeroplane, hot air balloon
airplane: jet, jetliner, airliner, seaplane, biplane, passenger jet, jet plane, fighter jet, jumbo jet
bus: school bus, tour bus, double decker bus, minibus, city bus, double-decker
truck: fire truck, firetruck, pickup truck, dump truck, food truck, semi, tow truck, garbage truck, pickup
train: passenger train, freight train, subway train, commuter train, steam train, locomotive, bullet train, subway
boat: ship, canoe, sailboat, ferry, kayak, rowboat, raft, yacht, gondola, barge, motorboat, speedboat, cruise ship
boat: tugboat
car: taxi, cab, police car, suv, sedan, limousine, jeep, convertible, sports car, minivan, automobile
furniture: chair, table, bed, couch, sofa, desk, bench, bookshelf, dresser, cabinet, stool, bookcase, crib, nightstand
furniture: recliner, ottoman, cupboard, shelf, wardrobe, loveseat, armchair, futon, rocking chair, high chair
furniture: coffee table
seat: chair, couch, sofa, bench, stool, armchair, loveseat, recliner
table: coffee table, dining table, picnic table, kitchen table, end table, nightstand, dining room table
bench: park bench
bed: crib, bunk bed, hospital bed, bunk
room: kitchen, bathroom, bedroom, living room, office, garage, classroom, hallway, dining room, restroom, hotel room
room: lobby, waiting room, laundry room, lounge, conference room, closet, hotel bedroom, washroom, bath, cafeteria
room: den
bathroom: restroom, washroom
building: house, church, castle, factory, barn, skyscraper, lighthouse, restaurant, library, hospital, museum
building: supermarket
building: hotel, bakery, gym, tower, temple, cathedral, clock tower, apartment, office building, cabin, hut, shed
building: school
building: shop, mall, store, grocery store, airport terminal, palace, warehouse, train station, stable, greenhouse
tower: clock tower, bell tower, church tower, water tower
place: park, city, town, village, farm, zoo, airport, station, market, room, street, field, beach, harbor, parking lot
place: forest, yard, garden, playground, plaza, court, intersection, sidewalk, road, hill, mountain, valley, river
place: lake
place: ocean, desert, meadow, pasture, tennis court, skate park, train station, bus stop, baseball field, area, island
place: crosswalk, pier, dock, marina, corner, driveway, shore, backyard, runway, track, slope, ski slope
place: street corner
road: street, highway, alley, country road, city street, dirt road, driveway, freeway, path, bridge
city: city street, downtown
body of water: river, lake, ocean, pond, sea, pool, swimming pool, stream, bay, harbor
field: meadow, pasture, baseball field, soccer field, grassy field
food: pizza, sandwich, salad, cake, burger, hot dog, burrito, pie, soup, pasta, rice, bread, meat, cheese, fruit
food: vegetable
food: dessert, meal, snack, sushi, hamburger, egg, french fries, noodle, breakfast, lunch, dinner, pancake, waffle
food: omelet
food: sauce, chicken, steak, seafood, stew, casserole, bacon, sausage, beef, ham, cereal, cheeseburger, taco, quiche
food: toast
food: dish, bagel, muffin, biscuit, croissant, pastry, sub, sub sandwich, lasagna, spaghetti, chili, hotdog, pork, bun
food: wrap, panini
food: fries
dish: pizza, pasta, salad, soup, stew, casserole, omelet, lasagna, burrito, stir fry
dessert: cake, pie, donut, doughnut, cookie, cupcake, ice cream, brownie, pudding, pastry, birthday cake, cheesecake
dessert: wedding cake, chocolate cake, danish
cake: birthday cake, wedding cake, cupcake, cheesecake, chocolate cake
fruit: apple, banana, orange, pear, lemon, pineapple, strawberry, melon, peach, grape, kiwi, mango, cherry, watermelon
fruit: grapefruit, plum, lime, berry, blueberry, coconut, tangerine
vegetable: carrot, potato, onion, cucumber, pumpkin, cabbage, broccoli, lettuce, tomato, pepper, bean, pea, spinach
vegetable: squash
vegetable: corn, celery, cauliflower, asparagus, mushroom, zucchini, radish, beet
sandwich: burger, hamburger, cheeseburger, hot dog, hotdog, sub sandwich, panini, wrap
drink: coffee, tea, juice, wine, beer, milk, soda, smoothie, lemonade, milkshake, beverage, cocktail, champagne
drink: orange juice, red wine, white wine
beverage: coffee, tea, juice, wine, beer, milk, soda, smoothie, lemonade
wine: red wine, white wine
container: dishware
dishware: plate, bowl, cup, saucer, mug, glass, platter, wine glass, teacup
container: bowl, cup, basket, bottle, box, vase, bag, bucket, jar, suitcase, backpack, glass, pot, trash can, tray
container: can, barrel
container: mug, crate, teapot, luggage, purse, briefcase, handbag, lunch box, container, case, wine glass
container: wine bottle
container: garbage can, dumpster, bin, pan, carton, bento box, cooler, duffel bag, kettle, canister, tub
luggage: suitcase, backpack, bag, briefcase, duffel bag
bag: backpack, purse, handbag, duffel bag, tote bag
bottle: wine bottle, water bottle, beer bottle
appliance: refrigerator, oven, microwave, dishwasher, toaster, washing machine, fridge, stove, blender, freezer
appliance: toaster oven
appliance: hair dryer, coffee maker, microwave oven, mixer, stove top, dryer, washer, blow dryer, vacuum cleaner
oven: microwave oven, toaster oven
device: laptop, computer, television, telephone, camera, printer, phone, cellphone, tv, tablet, clock, remote control
device: monitor
device: cell phone, smart phone, laptop computer, keyboard, computer mouse, remote, smartphone, radio, video camera
device: controller
device: watch
device: game controller, desktop computer, computer monitor, computer keyboard, parking meter, mobile phone, wii
device: wii remote
device: iphone, flashlight, lamp, digital camera, speaker, microphone, traffic light, wii controller, calculator
device: desktop
computer: laptop, laptop computer, desktop computer, tablet, notebook, desktop
phone: cellphone, smart phone, cell phone, smartphone, mobile phone, iphone, telephone
clock: alarm clock, watch, wall clock
fixture: toilet, sink, bathtub, shower, urinal, faucet, bidet, fire hydrant, tub, hydrant
hydrant: fire hydrant
toy: doll, teddy bear, kite, balloon, stuffed animal, frisbee, toy car, teddy, lego, stuffed bear, puppet, rubber duck
teddy bear: teddy
equipment: tennis racket, baseball bat, surfboard, snowboard, skateboard, ski, golf club, hockey stick, bat, racket
equipment: baseball glove, ball, tennis ball, soccer ball, baseball, frisbee, racquet, tennis racquet, football
equipment: helmet
racket: tennis racket
racquet: tennis racquet
bat: baseball bat
ball: tennis ball, soccer ball, baseball, football, basketball, volleyball
board: surfboard, snowboard, skateboard
clothing: shirt, jacket, dress, sweater, coat, skirt, suit, hat, tie, scarf, shoe, glove, sock, boot, sandal, uniform
clothing: swimsuit
clothing: clothes, wetsuit, jeans, pants, shorts, t-shirt, hoodie, cap, necktie, bow tie, costume, vest, apron, bikini
clothing: outfit, robe, belt, veil
hat: cap, cowboy hat, helmet, santa hat, sun hat
tie: necktie, bow tie
utensil: knife, fork, spoon, chopstick, spatula, ladle, tongs, scissors, pan
tool: hammer, scissors, shovel, knife, broom, ladder, saw, toothbrush, wrench, drill, comb, hair brush, brush
sign: street sign, stop sign, traffic sign, road sign, billboard, banner, neon sign, warning sign, one way sign
signal: traffic light, traffic signal, stop light, stoplight, street light
plant: flower, tree, grass, cactus, bush, fern, rose, tulip, sunflower, daisy, palm tree, houseplant, potted plant
plant: weed, vine
flower: rose, tulip, sunflower, daisy, orchid, lily, carnation
tree: palm tree, pine tree, christmas tree, oak, pine
decoration: vase, statue, painting, candle, ornament, banner, wreath, figurine
light: lamp, candle, street light, lantern, traffic light, street lamp, headlight, chandelier
structure: staircase, balcony
structure: building, bridge, tower, fence, fountain, gate, pier, tunnel, wall, tent, statue, monument, dam, house
weather: rain, snow, storm, fog, wind, lightning
instrument: musical instrument, guitar, violin, piano, drum, trumpet, flute, banjo, cello, saxophone
reading material: book, newspaper, magazine
linen: towel, blanket, sheet, pillow, napkin, tablecloth
bedding: blanket, pillow, sheet, quilt
body part: hand, head, face, leg, arm, foot, mouth, eye, hair, ear, nose, finger, beard
sport: tennis, baseball, soccer, basketball, golf, hockey, volleyball, football, skiing, surfing, snowboarding
sport: skateboarding
game: tennis, baseball, soccer, basketball, video game, golf, hockey, chess, football
"""
"""Kind and nouns that name things of it; the nearest kind of a noun is the one of its last line."""


VAGUE = word_set(
    "game top side front back item thing object area scene view background way middle part end line set display image "
    "picture photo reflection arrangement selection variety someone something male female model structure"
)
"""Nouns that tell too little of a thing to say what kind it is, or that are too vague for a kind."""

APART = frozenset(
    {("girl", "woman"), ("girl", "adult"), ("girl", "grownup"), ("girl", "lady"), ("girl", "female"), ("boy", "man")}
    | {("child", "baby"), ("lady", "girl"), ("woman", "girl"), ("forest", "tree"), ("computer mouse", "mouse")}
)
"""Nouns of which the first does not say what the second does, whatever dictionaries hold."""


@lru_cache(maxsize=1)
def _table() -> dict[str, tuple[str, ...]]:
    """Noun -> kinds of the list, the nearest first."""
    table: dict[str, tuple[str, ...]] = {}
    for line in LISTED.strip().split("\n"):
        kind, _, nouns = line.partition(": ")
        for noun in nouns.split(", "):
            table[noun] = (kind, *(each for each in table.get(noun, ()) if each != kind))
    return table


@lru_cache(maxsize=1 << 15)
def _closure(noun: str) -> tuple[str, ...]:
    """Kinds of the list above a noun, the nearest first."""
    found: dict[str, None] = {}
    level = _table().get(noun, ())
    while level:
        found.update(dict.fromkeys(level))
        level = tuple(above for kind in level for above in _table().get(kind, ()) if above not in found)
    return tuple(found)


@lru_cache(maxsize=1 << 15)
def synset_of(noun: str) -> str | None:
    """The sense of the lexicon that captions mean by a noun; None where it has none or only others."""
    known = lexicon()
    listed = _closure(noun)
    sense = known.sense(noun)
    if not listed or sense is None:
        return sense
    for each in (sense, *known.nouns(noun)):
        above = {each, *known.ancestors(each)}
        if any(known.sense(kind) in above for kind in listed if kind != "place"):
            return each
    return None


@lru_cache(maxsize=1 << 15)
def kinds(noun: str) -> tuple[str, ...]:
    """Everyday words for ever more general kinds of what a noun names, the nearest first; maybe none.

    Args:
        noun: singular, lower case, maybe of several words.
    """
    listed = _closure(noun)
    if listed:
        return listed
    if noun in VAGUE:
        return ()
    found = [kind for kind in lexicon().kinds(noun) if kind in _known() and kind not in VAGUE]
    return tuple(dict.fromkeys(each for kind in found for each in (kind, *_closure(kind))))


@lru_cache(maxsize=1 << 16)
def is_kind(noun: str, kind: str) -> bool:
    """Whether every thing that a noun names is of a kind; both singular and in lower case.

    The lexicon's senses of both words have to be those that captions mean.
    """
    if noun == kind or kind in _closure(noun):
        return True
    if (noun, kind) in APART:
        return False
    sense, meant = synset_of(noun), synset_of(kind)
    if sense is None or meant is None:
        return False
    known = lexicon()
    return meant in (sense, *known.ancestors(sense)) or any(
        above == kind or kind in _closure(above) for each in known.ancestors(sense) for above in _names(each)
    )


@lru_cache(maxsize=1 << 15)
def _names(synset: str) -> tuple[str, ...]:
    """Words of the list that mean a synset."""
    return tuple(word for word in lexicon().words(synset) if word in _known() and synset_of(word) == synset)


@lru_cache(maxsize=1)
def _known() -> frozenset[str]:
    return frozenset(_table()) | frozenset(kind for kinds_of in _table().values() for kind in kinds_of)


@lru_cache(maxsize=256)
def members(kind: str) -> frozenset[str]:
    """Nouns of the list whose nearest kind is `kind`."""
    return frozenset(noun for noun, above in _table().items() if above[0] == kind)


def is_listed(noun: str) -> bool:
    """Whether a noun, or a kind, is of the list."""
    return noun in _known()


@lru_cache(maxsize=1 << 15)
def names_above(noun: str) -> frozenset[str]:
    """A noun and every word that is known to name a kind of it."""
    found = {noun, *_closure(noun)}
    sense = synset_of(noun)
    if sense is not None:
        known = lexicon()
        for each in (sense, *known.ancestors(sense)):
            for word in known.words(each):
                if synset_of(word) == each and (noun, word) not in APART:
                    found.update((word, *_closure(word)))
    return frozenset(found)
