/** Gives each query its answers and says whether its completion holds one of them. */
import type { AnswerText, ReportQuery } from '../reportModel.ts';

export function giveAnswers(queries: readonly ReportQuery[], texts: readonly AnswerText[]): ReportQuery[] {
  const byQuery = queries.map((): string[] => []);
  for (const { query, what, text } of texts) if (what === 'answer') byQuery[query].push(text);
  return queries.map((query, q) => {
    const holdsAnswer = query.completion === null ? null : holdsAny(query.completion, byQuery[q]);
    return { ...query, answers: byQuery[q], holdsAnswer };
  });
}

function holdsAny(completion: string, answers: string[]): boolean | null {
  if (answers.length === 0) return null;
  const words = normalised(completion);
  return answers.some((answer) => normalised(answer) !== '  ' && words.includes(normalised(answer)));
}

/** Words between single blanks, so that an answer matches whole words alone. */
const normalised = (text: string): string =>
  ` ${text
    .normalize('NFKC')
    .toLowerCase()
    .replace(/[^\p{L}\p{N}.-]+|[.](?!\p{N})/gu, ' ')
    .trim()} `;
