"""Opens every table of a run folder with pyarrow, pandas and DuckDB, and works the dense scores out again where they were kept.

    pip install pyarrow pandas duckdb && python test/readBack.py RUN_FOLDER
"""

import json
import sys
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pyarrow.parquet as pq

RANKED = {"query_id": "string", "rank": "int32", "score": "double", "document_id": "string", "source": "string", "file": "string", "row": "int64", "text": "string"}
TABLES = {
    "top_documents": RANKED,
    "bottom_documents": RANKED,
    "correlations": {"query_a": "string", "query_b": "string", "r": "double", "p": "double", "n": "int64", "significant": "bool"},
    "sources": {"query_id": "string", "source": "string", "k": "int32", "documents": "int64", "share_of_corpus": "double", "in_top_k": "int32", "top_ratio": "double", "in_bottom_k": "int32", "bottom_ratio": "double"},
    "skipped": {"file": "string", "row": "int64", "document_id": "string", "reason": "string", "detail": "string"},
    "scores": {"query_id": "string", "document_id": "string", "score": "double", "file": "string", "row": "int64"},
}


def read(folder, name):
    """The table as pandas sees it, after pyarrow and DuckDB have agreed on its columns, types and values."""
    path = folder / f"{name}.parquet"
    table = pq.read_table(path)
    types = {field.name: str(field.type) for field in table.schema}
    assert types == TABLES[name], f"{name}: {types}"
    frame = pd.read_parquet(path)
    theirs = duckdb.sql(f"SELECT * FROM read_parquet('{path}')").arrow()
    theirs = theirs.read_all() if hasattr(theirs, "read_all") else theirs
    assert theirs.cast(table.schema).equals(table), f"{name}: DuckDB and pyarrow differ"
    assert len(frame) == table.num_rows
    print(f"{name}: {table.num_rows} rows, {path.stat().st_size} bytes")
    return frame


def check_ranking(frame, sign):
    for _, ranking in frame.groupby("query_id", sort=False):
        assert list(ranking["rank"]) == list(range(1, len(ranking) + 1))
        assert (np.diff(sign * ranking["score"]) <= 0).all()
    assert np.isfinite(frame["score"]).all()


def check_against_scores(scores, top, bottom, correlations):
    scores = scores.assign(key=scores.groupby("query_id", sort=False).cumcount())
    for ranked, ascending in ((top, False), (bottom, True)):
        for query, ranking in ranked.groupby("query_id", sort=False):
            mine = scores[scores["query_id"] == query].sort_values(["score", "key"], ascending=[ascending, True])
            mine = mine.head(len(ranking)).reset_index(drop=True)
            for column in ("document_id", "score", "file", "row"):
                assert mine[column].equals(ranking.reset_index(drop=True)[column]), f"{query}: {column}"
    columns = {query: group["score"].to_numpy() for query, group in scores.groupby("query_id", sort=False)}
    for pair in correlations.itertuples():
        x, y = columns[pair.query_a], columns[pair.query_b]
        assert pair.n == len(x)
        if not pd.isna(pair.r):
            assert abs(np.corrcoef(x, y)[0, 1] - pair.r) < 1e-9, pair


def check_influence(path, top):
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    for line in lines:
        for end in ("proponent", "opponent"):
            texts, ids, values = line[f"{end}s"], line[f"{end}_ids"], line[f"{end}_scores"]
            assert len(texts) == len(ids) == len(values)
        best = top[top["query_id"] == line["example_id"]].head(len(line["proponents"]))
        assert list(best["text"]) == line["proponents"] and list(best["score"]) == line["proponent_scores"]
        assert isinstance(line["inputs_plaintext"], str) and isinstance(line["targets_plaintext"], str)
    print(f"{path.name}: {len(lines)} lines")


def main(folder):
    frames = {name: read(folder, name) for name in TABLES if (folder / f"{name}.parquet").exists()}
    missing = set(TABLES) - {"scores"} - set(frames)
    assert not missing, f"missing: {missing}"
    top, bottom, correlations = frames["top_documents"], frames["bottom_documents"], frames["correlations"]
    check_ranking(top, 1)
    check_ranking(bottom, -1)
    defined = correlations.dropna(subset=["r"])
    assert defined["r"].between(-1, 1).all() and defined["p"].between(0, 1).all()
    if "scores" in frames:
        check_against_scores(frames["scores"], top, bottom, correlations)
        print("rankings and correlations agree with the dense scores")
    check_influence(folder / "influence.jsonl", top)


main(Path(sys.argv[1]))
