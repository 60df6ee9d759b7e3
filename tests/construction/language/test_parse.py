"""The structure of captions: cases worked by hand, and what holds of any text."""

import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hiergeo.construction.language import TAGS, Analysis, head_noun, looks_english, parse

CASES = """
A dog sleeps on a red couch. | dog | A dog
Two dogs chase a ball | dog | Two dogs
a group of women walking down a street | woman | a group of women
A photo of a small cat near a window. | cat | A photo of a small cat | small
There is a train at the station | train | There is a train
close up of a slice of pizza on a plate | pizza | close up of a slice of pizza
A MAN RIDES A HORSE | man | A MAN
View from above of a city at night | city | View from above of a city
a black and white cow in a meadow | cow | a black and white cow | black white
In the kitchen, a woman is cutting bread | woman | In the kitchen, a woman
a red fire hydrant beside the road | fire hydrant | a red fire hydrant | red
The boy's new bike is parked outside | bike | The boy's new bike | new
several parked cars on a snowy street | car | several parked cars | parked
She is holding an umbrella in the rain | woman | She
boats | boat | boats
a hot dog with mustard | hot dog | a hot dog
a teddy bear sitting on a shelf | teddy bear | a teddy bear
Stuffed teddy bear on a bed | teddy bear | Stuffed teddy bear | stuffed
a ski resort with many visitors | ski resort | a ski resort
a very tidy room with white walls | room | a very tidy room | very tidy
A woman who is reading a book on the train | woman | A woman
Three kids and their dog play in the snow | kid | Three kids
an old man feeding pigeons | man | an old man | old
A kitchen with a stove, a sink and a window | kitchen | A kitchen
surfer catching a big wave near the pier | surfer | surfer
A man not wearing a shirt on the beach | man | A man
A street without cars at dawn | street | A street
no people in the park | people | no people in the park
A bride and groom cutting their cake | bride | A bride
the tennis player hits the ball with her racket | tennis player | the tennis player
people | people | people
An orange cat and a grey kitten sleeping together | cat | An orange cat | orange
A bowl of fruit on the table | fruit | A bowl of fruit
a plate of pasta with tomato sauce | pasta | a plate of pasta
Someone is throwing a frisbee to a dog | someone | Someone
it is raining on the empty street | street | it is raining on the empty street | empty
A picture showing two zebras drinking water | zebra | A picture showing two zebras
What is this man doing on the roof? | man | What is this man
birthday cake with candles | birthday cake | birthday cake
man riding bike down hill | man | man
A large, old, wooden ship sails into the harbor | ship | A large, old, wooden ship | large old wooden
A bathroom that has a blue tub in it | bathroom | A bathroom
The sky is blue and clear above the mountains | sky | The sky
A dog is jumping to catch a stick | dog | A dog
a pair of scissors lying on a desk | scissors | a pair of scissors
A herd of sheep grazing near a lake | sheep | A herd of sheep
Someone's shoes by the door | shoe | Someone's shoes
A double decker bus driving past a church | bus | A double decker bus | double decker
A snow covered mountain behind a lake | mountain | A snow covered mountain | snow covered
A little girl brushing her teeth in front of a mirror | girl | A little girl | little
Black and white photograph of a street in the rain | street | Black and white photograph of a street
the top of a building covered with snow | building | the top of a building
A baseball player swinging a bat at a ball | baseball player | A baseball player
A cup of coffee next to a laptop | coffee | A cup of coffee
A giraffe eating leaves from a tall tree | giraffe | A giraffe
A crowd of people watching a parade | people | A crowd of people
A man and a woman are sitting on a bench | man | A man
A sandwich and fries on a paper plate | sandwich | A sandwich
there are some horses in the field | horse | there are some horses
A traffic light hanging above a busy street | traffic light | A traffic light
Woman's hand holding a phone | hand | Woman's hand
A cat or a dog on the sofa | cat | A cat or a dog
A skateboarder performs a trick while friends watch | skateboarder | A skateboarder
Flying kites at the beach | kite | Flying kites | flying
Running water in a sink | water | Running water | running
A polar bear swimming underwater | polar bear | A polar bear
a line of motorcycles parked on the sidewalk | motorcycle | a line of motorcycles
A toy truck on the floor | truck | A toy truck | toy
Elephants walking through tall grass, followed by birds | elephant | Elephants
A chef in a white hat preparing food | chef | A chef
A plane that is flying in the sky | plane | A plane
Sun setting over the ocean | sun | Sun
A bunch of bananas hanging from a tree | banana | A bunch of bananas
Living room with a sofa and two lamps | living room | Living room
A boy in a red cap looks at the camera | boy | A boy
A person wearing a helmet is riding a motorcycle | person | A person
This is a picture of an old clock tower | clock tower | This is a picture of an old clock tower | old
the parking meter is broken | parking meter | the parking meter
An elderly couple sharing an umbrella | couple | An elderly couple | elderly
a close-up of a bee on a flower | bee | a close-up of a bee
The kids building a sandcastle | kid | The kids
A rusty anchor half buried in the sand | anchor | A rusty anchor | rusty
"""
"""Caption, the noun that it is about, what is left with every trail cut off, and modifiers of the noun."""

WORDS = ["a", "no", "dog", "dogs", "red", "is", "and", "on", ",", ".", "with", "not", "of", "riding", "photo", "'s"]

ANY_TEXT = st.text(max_size=60) | st.lists(st.sampled_from(WORDS)).map(" ".join)


def cut(found: Analysis, count: int) -> str:
    """The caption without its last `count` trails."""
    return found.text(0, found.trails[-count][0]) if count else found.caption


@pytest.mark.parametrize("case", CASES.strip().splitlines())
def test_what_a_caption_is_about(case):
    caption, noun, shortest, modifiers = [*case.split(" | "), ""][:4]
    found = parse(caption)
    assert head_noun(caption) == noun == found.main.noun
    assert cut(found, len(found.trails)) == shortest
    assert [found.tokens[each].lower for each in found.main.modifiers] == modifiers.split()


@pytest.mark.parametrize(
    ("caption", "trails"),
    [
        ("A dog sleeps on a red couch.", ["sleeps", "on a red couch."]),
        ("A man and a woman are sitting on a bench", ["and a woman", "are sitting", "on a bench"]),
        ("a boat between a pier and a rock", ["between a pier and a rock"]),
        ("A table made of wood", ["made of wood"]),
        ("A dog is on the roof", ["is on the roof"]),
        ("A woman in a red and white dress", ["in a red and white dress"]),
        ("A boy who is holding a ball and a bat", ["who is holding a ball", "and a bat"]),
        ("A man putting on a tie", ["putting on a tie"]),
        ("A man not wearing a shirt on the beach", ["not wearing a shirt on the beach"]),
        ("A room with no windows and a door", ["with no windows", "and a door"]),
        ("A cat. It is asleep.", [". It is asleep."]),
    ],
)
def test_where_a_caption_can_be_cut(caption, trails):
    found = parse(caption)
    assert [found.text(*trail) for trail in found.trails] == trails


@pytest.mark.parametrize(
    "text", ["", "  \n", "...", "\N{GRINNING FACE}", "running", "12", "一个男人骑着马", "and or not"]
)
def test_text_without_a_noun_is_about_nothing(text):
    assert head_noun(text) is None
    assert parse(text).trails == ()


def test_negations_reach_to_the_end_of_their_clause():
    found = parse("A man with no hat, and a dog that is not asleep")
    assert [found.text(*span) for span in found.negated] == ["no hat", "not asleep"]


@pytest.mark.parametrize(
    ("text", "english"),
    [
        ("A dog runs across the yard", True),
        ("DOG RUNNING", True),
        ("a womn rides her bycicle in the park", True),
        ("Ein Hund läuft über die Wiese", False),
        ("Un perro corre por el parque con una pelota", False),
        ("Un chien court dans le jardin", False),
        ("Собака бежит по траве", False),
        ("草地上的狗", False),
        ("qwer zxcv uiop", False),
        ("", False),
        ("1234 :)", False),
    ],
)
def test_english_is_told_from_other_languages(text, english):
    assert looks_english(text) is english


@given(ANY_TEXT)
@example("")
@example("\N{GRINNING FACE}\n\u200d")
@example("no dog of a dog")
@example("\ud800 dog " + "x" * 10_000)
@example("İSTANBUL'S DOG")
def test_any_text_has_a_structure(text):
    found = parse(text)
    assert found == parse(text)
    at = 0
    for token in found.tokens:
        assert at <= token.start < token.end <= len(text)
        assert text[token.start : token.end] == token.text
        assert not text[at : token.start].strip()
        assert token.tag in TAGS
        at = token.end
    assert not text[at:].strip()
    for phrase in found.phrases:
        assert phrase.start <= phrase.head < phrase.end <= len(found.tokens)
        assert all(phrase.start <= each < phrase.head for each in phrase.modifiers)
    places = [place for trail in found.trails for place in trail]
    assert places == sorted(places)
    assert not places or (places[-1] == len(found.tokens) and found.main.end <= places[0])
    for count in range(len(found.trails) + 1):
        assert text.strip().startswith(cut(found, count).strip())
        assert found.main is None or found.text(found.main.start, found.main.end) in cut(found, count)
    assert not any(first < start < end for start, _ in found.trails for first, end in found.negated)


@pytest.mark.parametrize(
    "text", ["a dog on the street and ", "x", "no ", "red, ", "a ", "'s", "-", "and ", ". ", "on dog "]
)
def test_long_text_takes_linear_time(text):
    def seconds(length: int) -> float:
        began = time.process_time()
        parse("a dog " + (text * length)[:length])
        return time.process_time() - began

    seconds(100)
    assert min(seconds(20_000) for _ in range(2)) < 0.1 + 8 * min(seconds(5_000) for _ in range(3))
