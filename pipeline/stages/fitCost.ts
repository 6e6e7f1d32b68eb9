/** What a fit will take before it is started: passes over the sample, memory and disk. */
import { sidesOf, vectorsLength } from '../../operators/curvature/sides.ts';
import type { Corpus } from '../../operators/documents/corpus.ts';
import { bytesText } from '../terminal/bytesText.ts';
import { bytesPerNumber, covarianceItems, groupItems, type SumItem, squaresItems } from './fit/fitPasses.ts';
import { sampleSize } from './fit/fitting.ts';
import type { PreparedModel } from './prepare.ts';
import { needsFactors, wantedFactors } from './wantedFactors.ts';

/** One line for the sample and one for each kind of sum; nothing where no curvature is needed. */
export async function fitLines(prepared: PreparedModel, corpus: Corpus, tokensADocument: number): Promise<string[]> {
  if (!needsFactors(prepared.configuration)) return [];
  const { coverage, configuration } = prepared;
  const { blocks } = configuration.fit;
  const wanted = wantedFactors(configuration);
  const documents = sampleSize(prepared, corpus);
  const lines = [`fit: ${count(documents)} documents, about ${count(documents * tokensADocument)} tokens in each pass`];
  if (wanted.eigenbases) {
    const vectors = sidesOf(coverage.modules).reduce((sum, side) => sum + vectorsLength(side.width, blocks), 0);
    lines.push(
      passLine(prepared, 'covariances', covarianceItems(coverage.modules, blocks)),
      `  eigenvectors: ${bytesText(4 * vectors)} on disk`,
    );
  }
  if (wanted.squares || wanted.fisher)
    lines.push(passLine(prepared, 'squared gradients', squaresItems(coverage.modules)));
  return lines;
}

function passLine<Of>({ configuration, pool }: PreparedModel, title: string, items: SumItem<Of>[]): string {
  const { memoryMiB } = configuration.fit;
  const groups = groupItems(items, memoryMiB, pool.workers);
  const numbers = groups.map((group) => group.reduce((sum, { length }) => sum + length, 0));
  const memory = Math.max(...numbers) * bytesPerNumber(pool.workers);
  const disk = 8 * numbers.reduce((sum, n) => sum + n, 0);
  const passes = `${groups.length} pass${groups.length === 1 ? '' : 'es'}`;
  return `  ${title}: ${passes} with fit.memoryMiB ${memoryMiB}, ${bytesText(memory)} of sums in memory, ${bytesText(disk)} on disk`;
}

const count = (n: number): string => Math.round(n).toLocaleString('en');
