/** Turns the tables of ranked documents into rankings that name each document once. */

import type { RankedDocument, Rankings, ReportDocument, TokenInfluence } from '../reportModel.ts';
import type { RunTables } from './columns.ts';

/** Points of a query's curve of influence by rank. */
const CURVE_POINTS = 40;

/** Finds the place in `documents` of a document that a table names. */
export class DocumentIndex {
  readonly documents: ReportDocument[] = [];
  private readonly places = new Map<string, number>();

  /** Its place, which is a new one for a document that was not met before. */
  place(row: PlacedRow): number {
    const key = `${row.row} ${row.file}`;
    const known = this.places.get(key);
    if (known !== undefined) return known;
    const { document_id: id, source, kind, file, text } = row;
    this.places.set(key, this.documents.length);
    return this.documents.push({ id, source, kind, file, row: row.row, text }) - 1;
  }

  find(file: string, row: number): number | null {
    return this.places.get(`${row} ${file}`) ?? null;
  }
}

interface PlacedRow {
  document_id: string;
  source: string | null;
  kind: string | null;
  file: string;
  row: number;
  text: string;
}

/** Rows of queries that run.json does not list are passed over. */
export function readRankings(tables: RunTables, queryPlaces: Map<string, number>, index: DocumentIndex): Rankings[] {
  const rankings = Array.from(queryPlaces, (): Rankings => {
    return { top: [], bottom: [], bm25: [], curve: { ranks: [], scores: [] } };
  });
  const tokens = tokensByPlace(tables);
  for (const end of ['top', 'bottom'] as const)
    for (const row of tables[`${end}_documents`] ?? [])
      rankings[queryPlaces.get(row.query_id) ?? -1]?.[end].push({
        document: index.place(row),
        rank: row.rank,
        score: row.score,
        bm25: row.bm25,
        otherRank: row.bm25_rank,
        group: row.duplicates,
        oneToken: row.one_token,
        tokens: tokens.get(`${end} ${row.rank} ${row.query_id}`) ?? null,
      });
  for (const row of tables.bm25_documents ?? [])
    rankings[queryPlaces.get(row.query_id) ?? -1]?.bm25.push({
      ...{
        document: index.place(row),
        rank: row.rank,
        score: row.score,
        bm25: row.bm25,
        otherRank: row.influence_rank,
      },
      ...{ group: null, oneToken: null, tokens: null },
    });
  for (const ranking of rankings) finish(ranking);
  return rankings;
}

function finish(ranking: Rankings): void {
  for (const list of [ranking.top, ranking.bottom, ranking.bm25]) list.sort((a, b) => a.rank - b.rank);
  ranking.curve = curveOf(ranking.top);
}

function tokensByPlace(tables: RunTables): Map<string, TokenInfluence> {
  const places = new Map<string, TokenInfluence>();
  const rows = (tables.token_influence ?? []).toSorted((a, b) => a.position - b.position);
  for (const { end, rank, query_id, token, influence } of rows) {
    const place = `${end} ${rank} ${query_id}`;
    if (!places.has(place)) places.set(place, { texts: [], influence: [], before: 0, behind: 0 });
    const tokens = places.get(place)!;
    tokens.texts.push(token);
    tokens.influence.push(influence);
  }
  return places;
}

/** Positive scores alone: others have no logarithm. */
function curveOf(top: readonly RankedDocument[]): Rankings['curve'] {
  const positive = top.filter(({ score }) => score !== null && score > 0);
  const places = new Set(
    Array.from({ length: CURVE_POINTS }, (_, i) => Math.round(positive.length ** (i / (CURVE_POINTS - 1))) - 1),
  );
  const shown = [...places].flatMap((place) => positive[place] ?? []);
  return { ranks: shown.map(({ rank }) => rank), scores: shown.map(({ score }) => score as number) };
}
