"""Makes golden.json: BM25 written out plainly, for operators/scores/bm25.ts. Needs nothing but Python 3.

    python make.py
"""

import json
import math
import unicodedata
from pathlib import Path

K1, B = 1.2, 0.75

DOCUMENTS = [
    "Question: Calculate (7 - 4) * 8 step by step.\nAnswer: 7 - 4 = 3. Then 3 * 8 = 24. The answer is 24.",
    "The capital of France is Paris. Paris lies on the Seine; the Seine flows through Paris.",
    "def slope(x1, y1, x2, y2):\n    return (y2 - y1) / (x2 - x1)",
    "Die Straße nach Zürich führt über den Paß. Straße, STRASSE, Zu\u0308rich.",
    "Το κεφάλαιο. ΚΕΦΆΛΑΙΟ κεφάλαιο",
    "don't ﬁnd x² in 1,234.5 — or naïve résumés",
    "東京は日本の首都です。",
    "?!  ... \u2026",
    "the the the the the the the the",
    "Paris",
]
QUERIES = [
    {"prompt": "Question: Calculate (7 - 4) * 8 step by step.\nAnswer:", "completion": " 7 - 4 = 3. Then 3 * 8 = 24."},
    {"prompt": "What is the capital of France?", "completion": " Paris"},
    {"prompt": "STRASSE nach Zürich", "completion": ""},
    {"prompt": "κεφάλαιο find x2", "completion": " 1234"},
    {"prompt": "日本の首都", "completion": "東京"},
    {"prompt": "xylophone", "completion": " !"},
    {"prompt": "", "completion": ""},
]


def stands_alone(character):
    """Of a script that is written without spaces."""
    name = unicodedata.name(character, "")
    return name.startswith(("CJK UNIFIED", "HIRAGANA", "KATAKANA"))


def words(text):
    """Runs of letters, marks and digits after NFKC, in lower case."""
    found, run = [], ""
    for character in unicodedata.normalize("NFKC", text).lower() + " ":
        if unicodedata.category(character)[0] in "LMN" and not stands_alone(character):
            run += character
            continue
        if run:
            found.append(run)
            run = ""
        if stands_alone(character):
            found.append(character)
    return found


def bm25(query, document, documents):
    n = len(documents)
    mean = sum(len(words(d)) for d in documents) / n
    held = words(document)
    score = 0.0
    for word in set(words(query["prompt"] + "\n" + query["completion"])):
        df = sum(word in words(d) for d in documents)
        idf = math.log(1 + (n - df + 0.5) / (df + 0.5))
        tf = held.count(word)
        score += idf * tf * (K1 + 1) / (tf + K1 * (1 - B + B * len(held) / mean))
    return score


golden = {
    "documents": DOCUMENTS,
    "queries": QUERIES,
    "words": [words(document) for document in DOCUMENTS],
    "scores": [[bm25(query, document, DOCUMENTS) for query in QUERIES] for document in DOCUMENTS],
}
path = Path(__file__).with_name("golden.json")
path.write_text(json.dumps(golden, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
