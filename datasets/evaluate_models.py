"""Asks both bundled models every bundled query and adds what they reach, by task, to their training.json.

    .venv/bin/python datasets/evaluate_models.py
"""
import json

import train_model
from queries import queries

LONGEST_ANSWER = 96  # tokens, as maxNewTokens of headwater.yaml


def main() -> None:
    for folder in ("model", "tuned"):
        model, tokenizer = train_model.load(folder)
        asked = queries()
        written = [train_model.greedy(model, tokenizer, query["prompt"], LONGEST_ANSWER) for query in asked]
        path = train_model.HERE / folder / "training.json"
        found = json.loads(path.read_text(encoding="utf-8")) | answered(asked, written)
        path.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        print(folder, json.dumps(found["queriesAnswered"]))
        for line in found["written"]:
            if not line["right"]:
                print("wrong", line["id"], repr(line["text"]))


def answered(asked: list[dict], written: list[str]) -> dict:
    """How many queries of each task end as they should, and what was written for each."""
    marks: dict[str, list[bool]] = {}
    for query, text in zip(asked, written):
        marks.setdefault(query["task"], []).append(text == query["expected"])
    return {
        "queriesAnswered": {task: f"{sum(right)} of {len(right)}" for task, right in marks.items()},
        "written": [{"id": q["id"], "right": text == q["expected"], "text": text} for q, text in zip(asked, written)],
    }


if __name__ == "__main__":
    main()
