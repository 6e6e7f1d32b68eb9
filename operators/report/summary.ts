/** The summary that a run ends with on the terminal: the first queries with their top documents, and what was counted. */
import type { Query } from '../../schemas/queries.ts';
import type { DocumentCounts } from '../accumulators/documentCounts.ts';
import { rankingStarts } from '../accumulators/rankedHeaps.ts';
import type { RepeatedIds } from '../accumulators/repeatedIds.ts';
import type { SourceCounts } from '../accumulators/sourceCounts.ts';
import type { RankedDocuments, TopDocuments } from '../accumulators/topDocuments.ts';
import { type CorpusDocuments, documentAt } from '../documents/corpusDocument.ts';
import { cut, lineWidth, oneLine } from './oneLine.ts';

export interface RunResults {
  queries: readonly Query[];
  topDocuments: TopDocuments;
  /** Those that are shown suffice. */
  documents: CorpusDocuments;
  counts: DocumentCounts;
  repeatedIds: RepeatedIds;
  sourceCounts: SourceCounts;
}

export interface SummarySettings {
  /** Columns; no line is wider. From 20. */
  width?: number;
  queriesShown?: number;
  /** From the top of a query's ranking. */
  documentsShown?: number;
  /** From the bottom, of those whose score is negative. */
  opponentsShown?: number;
}

export const scoreMeaning =
  'A positive score: the document made the completion more likely (a proponent). Negative: less likely (an opponent).';

/** Lines without a line feed at the end. What comes from files stands there only as `oneLine` makes it. */
export function summary(results: RunResults, settings: SummarySettings = {}): string {
  const { width = 100, queriesShown = 3, documentsShown = 5, opponentsShown = 2 } = settings;
  const { queries, topDocuments } = results;
  const top = rankingOf(topDocuments.top, results);
  const bottom = rankingOf(topDocuments.bottom, results);
  const shown = queries.slice(0, queriesShown).flatMap((query, q) => {
    const opponents = bottom(q, opponentsShown).filter(({ score }) => score < 0);
    return [...queryLines(query, width), ...rankedLines([...top(q, documentsShown), ...opponents], width), ''];
  });
  const more = queries.length - queriesShown;
  if (more > 0) shown.push(`${counted(more, 'more query', 'more queries')} in top_documents.parquet`, '');
  return [...wrap(scoreMeaning, width), '', ...shown, ...countLines(results, width)].join('\n');
}

function queryLines({ id, task, prompt, completion }: Query, width: number): string[] {
  return [
    oneLine(task === '' ? id : `${id} (${task})`, width),
    `  prompt      ${oneLine(prompt, width - 14)}`,
    `  completion  ${oneLine(completion, width - 14)}`,
  ];
}

interface RankedLine {
  score: number;
  source: string;
  id: string;
  text: string;
}

/** The first `limit` ranked documents of query q. */
function rankingOf(ranked: RankedDocuments, { queries, documents }: RunResults) {
  const starts = rankingStarts(ranked, queries.length);
  return (q: number, limit: number): RankedLine[] => {
    const end = Math.min(starts[q] + limit, starts[q + 1]);
    return Array.from(ranked.key.subarray(starts[q], end), (key, i) => {
      const { id, source, text } = documentAt(documents, key);
      return { score: ranked.score[starts[q] + i], source: source ?? '', id, text };
    });
  };
}

/** Score, source, id and the text's beginning in columns, each as wide as its widest value up to a sixth of the line. */
function rankedLines(documents: RankedLine[], width: number): string[] {
  const narrow = Math.max(4, Math.floor(width / 6));
  const rows = documents.map(({ score, source, id, text }) => ({
    cells: [formatScore(score), oneLine(source, narrow), oneLine(id, narrow)],
    text: oneLine(text, width),
  }));
  const widths = [0, 1, 2].map((i) => Math.max(0, ...rows.map(({ cells }) => lineWidth(cells[i]))));
  return rows.map(({ cells, text }) => {
    const padded = cells.map((cell, i) => {
      const blanks = ' '.repeat(widths[i] - lineWidth(cell));
      return i === 0 ? blanks + cell : cell + blanks;
    });
    return cut(`  ${[...padded.filter((_, i) => widths[i] > 0), text].join('  ')}`, width).trimEnd();
  });
}

const formatScore = (score: number): string => (score > 0 ? '+' : '') + score.toPrecision(4);

function countLines({ counts, repeatedIds, sourceCounts }: RunResults, width: number): string[] {
  const { read, scored, tokens, loss } = counts;
  const reasons = Object.entries(counts.setAside).filter(([, count]) => count > 0);
  const aside = reasons.map(([reason, count]) => `${grouped(count)} ${reason}`).join(', ');
  const lines = [`${grouped(read)} read = ${grouped(scored)} scored + ${grouped(read - scored)} set aside`];
  if (aside) lines[0] += ` (${aside}; see skipped.parquet)`;
  if (tokens > 0) lines.push(`${counted(tokens, 'token', 'tokens')}, mean loss ${(loss / tokens).toFixed(3)} nats`);
  if (repeatedIds.repeated > 0) lines.push(repeatedLine(repeatedIds));
  if (sourceCounts.givenUp) lines.push(`more than ${grouped(sourceCounts.limit)} distinct sources: not counted`);
  else if (sourceCounts.sources.length > 0) lines.push(sourcesLine(sourceCounts));
  const labels = ['Documents  ', ...Array(lines.length - 1).fill(' '.repeat(11))];
  return lines.flatMap((line, i) => wrap(labels[i] + line, width, 13));
}

const repeatedLine = ({ repeated, exact }: RepeatedIds): string =>
  `${exact ? '' : 'about '}${counted(repeated, 'document carries', 'documents carry')} an id that an earlier one carries: kept apart by file and row`;

function sourcesLine({ sources, documents }: SourceCounts): string {
  const shown = sources.slice(0, 6).map(({ source, documents: held }) => {
    const name = source === '' ? 'no source' : oneLine(source, 24);
    return `${name} ${grouped(held)} (${Math.round((100 * held) / documents)}%)`;
  });
  const more = sources.length - shown.length;
  return `${shown.join(', ')}${more > 0 ? ` and ${counted(more, 'more source', 'more sources')}` : ''}`;
}

const grouped = (count: number): string => count.toLocaleString('en-US');
const counted = (count: number, one: string, many: string): string => `${grouped(count)} ${count === 1 ? one : many}`;

/** Breaks a line at blanks so that each part fits, all but the first indented. */
function wrap(line: string, width: number, indent = 0): string[] {
  const lines: string[] = [];
  let rest = line;
  while (lineWidth(rest) > width) {
    const head = cut(rest, width + 1).slice(0, -1);
    const blank = rest.lastIndexOf(' ', head.length);
    const at = blank > indent ? blank : head.length;
    lines.push(rest.slice(0, at).trimEnd());
    rest = ' '.repeat(indent) + rest.slice(at).trimStart();
  }
  return [...lines, rest];
}
