/** A user's own matcher of answers: named with its file, and bounded in time. */
import type { AnswerMatcher, OpenMatcher } from '../../schemas/operators.ts';
import { OPEN_SECONDS } from './loadOperator.ts';
import { withinSeconds } from './withinSeconds.ts';

/** `seconds` to be opened, and again for each document it is asked about. */
export function ownMatcher(matcher: AnswerMatcher, file: string, seconds = OPEN_SECONDS): AnswerMatcher {
  const late = () => new Error(`it gave nothing within ${seconds} s: does it await what never comes?`);
  return {
    kind: 'matcher',
    name: `${matcher.name} (${file})`,
    async open(settings) {
      const match: OpenMatcher = await withinSeconds(matcher.open(settings), seconds, late);
      // What is no function is named by whoever asks for answers.
      if (typeof match !== 'function') return match;
      return (text, wanted) => withinSeconds(match(text, wanted), seconds, late);
    },
  };
}
