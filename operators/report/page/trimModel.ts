/** Makes of a report's model what the page carries: the first documents of each ranking, excerpts and rounded numbers, within a size. */
import { printableText } from '../printableText.ts';
import type { RankedDocument, Rankings, ReportDocument, ReportModel, TokenInfluence } from '../reportModel.ts';

interface Depth {
  /** Documents of each ranking. */
  top: number;
  bottom: number;
  bm25: number;
  /** UTF-16 units of a text, about. */
  text: number;
}

/** From the most that a page holds to the least; the first that fits is taken. */
const depths: Depth[] = [
  { top: 10, bottom: 5, bm25: 10, text: 600 },
  { top: 10, bottom: 5, bm25: 8, text: 450 },
  { top: 8, bottom: 4, bm25: 6, text: 350 },
  { top: 5, bottom: 3, bm25: 5, text: 300 },
  { top: 5, bottom: 3, bm25: 5, text: 160 },
  { top: 3, bottom: 2, bm25: 3, text: 120 },
  { top: 1, bottom: 1, bm25: 1, text: 80 },
];
const SHARED_PER_TASK = 8;
const DUPLICATE_GROUPS = 20;
const MEMBERS_OF_GROUP = 5;
const SOURCES = 20;

/** JSON of at most `bytes`, or of the least depth where no depth fits. */
export function trimModel(model: ReportModel, bytes: number): string {
  let json = '';
  for (const depth of depths) {
    json = pageJson(trimTo(depth, model));
    if (Buffer.byteLength(json) <= bytes) break;
  }
  return json;
}

/** Four digits suffice for a picture; texts are shown, never obeyed; no `<` can end the element that holds the JSON. */
function pageJson(model: ReportModel): string {
  const json = JSON.stringify(model, (_key, value) => {
    if (typeof value === 'string') return printableText(value);
    return typeof value === 'number' && !Number.isInteger(value) ? Number(value.toPrecision(4)) : value;
  });
  return json.replaceAll('<', '\\u003c');
}

function trimTo(depth: Depth, model: ReportModel): ReportModel {
  const rankings = model.rankings.map((ranking) => firstOf(ranking, depth));
  const shared = firstOfEach(model.shared, ({ task }) => task, SHARED_PER_TASK);
  const duplicates = model.duplicates.slice(0, DUPLICATE_GROUPS).map(({ members, ...group }) => {
    return { ...group, members: members.slice(0, MEMBERS_OF_GROUP) };
  });
  const kept = new KeptDocuments(model.documents, depth.text);
  return {
    ...model,
    rankings: rankings.map((ranking) => kept.ofRanking(ranking)),
    shared: shared.map((row) => ({ ...row, document: kept.place(row.document, true) })),
    duplicates: duplicates.map(({ members, ...group }) => {
      return { ...group, members: members.map((row) => ({ ...row, document: kept.place(row.document, true) })) };
    }),
    ...{ sources: mostUneven(model.sources), kinds: mostUneven(model.kinds) },
    documents: kept.documents,
    trimmed: sentences(depth, model),
  };
}

const firstOf = (ranking: Rankings, { top, bottom, bm25 }: Depth): Rankings => ({
  ...ranking,
  ...{ top: ranking.top.slice(0, top), bottom: ranking.bottom.slice(0, bottom), bm25: ranking.bm25.slice(0, bm25) },
});

/** The documents that the page names, each with as much text as is read there. */
class KeptDocuments {
  readonly documents: ReportDocument[] = [];
  private readonly all: readonly ReportDocument[];
  private readonly text: number;
  private readonly places = new Map<number, number>();

  constructor(all: readonly ReportDocument[], text: number) {
    this.all = all;
    this.text = text;
  }

  ofRanking(ranking: Rankings): Rankings {
    const ranked = (entry: RankedDocument): RankedDocument => ({
      ...entry,
      document: this.place(entry.document, entry.tokens === null),
      tokens: entry.tokens && strongestPart(entry.tokens, this.text),
    });
    return {
      ...{ curve: ranking.curve, top: ranking.top.map(ranked) },
      ...{ bottom: ranking.bottom.map(ranked), bm25: ranking.bm25.map(ranked) },
    };
  }

  /** `withText` where the text is shown and not its tokens. */
  place<D extends number | null>(document: D, withText: boolean): D {
    if (document === null) return document;
    if (!this.places.has(document)) {
      this.places.set(document, this.documents.length);
      this.documents.push({ ...this.all[document], text: '' });
    }
    const place = this.places.get(document)!;
    if (withText) this.documents[place].text = excerpt(this.all[document].text, this.text);
    return place as D;
  }
}

/** Cut between code points. */
const excerpt = (text: string, units: number): string =>
  text.length <= units ? text : `${text.slice(0, units).replace(/[\ud800-\udbff]$/, '')}…`;

/** The run of tokens of about `units` of text that holds the most influence, of either sign. */
export function strongestPart({ texts, influence, before, behind }: TokenInfluence, units: number): TokenInfluence {
  let [start, length, sum] = [0, 0, 0];
  let best = { start: 0, end: 0, sum: -1 };
  for (const [end, text] of texts.entries()) {
    length += text.length;
    sum += Math.abs(influence[end]);
    while (length > units && start < end) {
      length -= texts[start].length;
      sum -= Math.abs(influence[start++]);
    }
    if (sum >= best.sum) best = { start, end: end + 1, sum };
  }
  return {
    texts: texts.slice(best.start, best.end).map((text) => excerpt(text, units)),
    influence: influence.slice(best.start, best.end).map((value) => Number(value.toPrecision(3))),
    before: before + best.start,
    behind: behind + texts.length - best.end,
  };
}

function firstOfEach<T>(rows: readonly T[], group: (row: T) => string, count: number): T[] {
  const seen = new Map<string, number>();
  return rows.filter((row) => {
    const before = seen.get(group(row)) ?? 0;
    seen.set(group(row), before + 1);
    return before < count;
  });
}

/** The rows of the sources that stand out most at either end of any task's ranking. */
function mostUneven(rows: ReportModel['sources']): ReportModel['sources'] {
  const unevenness = new Map<string, number>();
  for (const { name, top, bottom } of rows)
    for (const { count } of [top, bottom]) unevenness.set(name, Math.max(unevenness.get(name) ?? 0, count));
  const names = [...unevenness].sort(([, a], [, b]) => b - a).slice(0, SOURCES);
  const kept = new Set(names.map(([name]) => name));
  return rows.filter(({ name }) => kept.has(name));
}

function sentences({ top, bottom, bm25, text }: Depth, model: ReportModel): string[] {
  const whole = model.rankings.every((ranking) => ranking.top.length <= top && ranking.bottom.length <= bottom);
  const names = new Set(model.sources.map(({ name }) => name)).size;
  const said: [boolean, string][] = [
    [
      !whole,
      `Of each query's ranking this page holds the first ${top} and the last ${bottom} documents, and the first ${bm25} by BM25.`,
    ],
    [
      true,
      `Texts are excerpts of about ${text} characters, around the tokens with the most influence where it is known by token.`,
    ],
    [
      model.shared.length > 0,
      `Of the documents that a task's queries share, the ${SHARED_PER_TASK} most shared are shown.`,
    ],
    [
      model.duplicates.length > DUPLICATE_GROUPS,
      `Of ${model.duplicates.length} groups of near-duplicates, the first ${DUPLICATE_GROUPS} are shown.`,
    ],
    [names > SOURCES, `Of ${names} sources, the ${SOURCES} that stand most often in a ranking are shown.`],
    [true, 'Everything is in report.json beside this page, and in the Parquet tables of the run folder.'],
  ];
  return said.flatMap(([holds, sentence]) => (holds ? sentence : []));
}
