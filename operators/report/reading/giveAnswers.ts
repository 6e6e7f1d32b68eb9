/** Gives each query its answers and says whether its completion holds one of them. */
import { normalise } from '../../accumulators/matchAnswer.ts';
import type { AnswerText, ReportQuery } from '../reportModel.ts';

export function giveAnswers(queries: readonly ReportQuery[], texts: readonly AnswerText[]): ReportQuery[] {
  const byQuery = queries.map((): string[] => []);
  for (const { query, what, text } of texts) if (what === 'answer') byQuery[query].push(text);
  return queries.map((query, q) => ({ ...query, answers: byQuery[q], holdsAnswer: holdsAny(query, byQuery[q]) }));
}

/** An answer may be a phrase that begins in the prompt: `Answer: 79`. Null where there is nothing to compare. */
function holdsAny({ prompt, completion }: ReportQuery, answers: string[]): boolean | null {
  if (completion === null || answers.length === 0) return null;
  const [asked, written, both] = [prompt ?? '', completion, (prompt ?? '') + completion].map(normalise);
  return answers
    .map(normalise)
    .filter((answer) => answer.trim() !== '')
    .some((answer) => written.includes(answer) || (both.includes(answer) && !asked.includes(answer)));
}
