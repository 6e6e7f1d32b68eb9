/** Labels every document with its kind, such as code or step by step, by counting the signs of each kind in its text. */
import type { DocumentBatch } from '../../schemas/batches.ts';
import type { MapOperator } from '../../schemas/operators.ts';

export const kinds = ['code', 'step by step', 'mathematics', 'question and answer', 'encyclopaedic', 'other'] as const;
export type Kind = (typeof kinds)[number];

export interface KindRule {
  kind: Exclude<Kind, 'other'>;
  looksFor: string;
  /** Every repetition in it is bounded, so that it takes time linear in the text whatever the text is. */
  sign: RegExp;
  /** What the signs are counted against. */
  per: 'line' | 'sentence' | 'word';
  /** Added to the kind's score for a sign a unit; below 0, the sign speaks against the kind. */
  weight: number;
}

/**
 * The rule table. A kind's score is Σ weight · signs / units over its rows; a document is of the first kind, in the order of `kinds`,
 * whose score reaches 1, and 'other' where none does. Signs count more than words, which are English unless said. To replace the
 * table, write an operator that fills `extra.kind` itself.
 */
// biome-ignore format: a table
export const kindRules: KindRule[] = [
  { kind: 'code', looksFor: 'lines that end as statements do', sign: /(?:[;{}]|\)\s?:|\)\s?=>\s?[({]?)\s{0,3}$/gm, per: 'line', weight: 0.9 },
  { kind: 'code', looksFor: 'lines that begin as definitions and statements do', sign: /^[ \t]{0,40}(?:(?:def|class|fn|func|package|public|private|static|export|const|let|var|assert|async|await|elif|struct|impl) ["'\w({[]|return\b|import [\w{*"]|from [\w.]{1,60} import |function\b|(?:if|for|while|with|switch) ?\(|(?:if|for|while|with) [^.!?]{1,80}:$|(?:else|try|finally):$|#include|#!\/|print\(|(?:SELECT|FROM|WHERE|INSERT|UPDATE) |<[/a-z][^<>\n]{0,80}>)/gm, per: 'line', weight: 2 },
  { kind: 'code', looksFor: 'signs of programming languages: ==, =>, ->, ::, &&, +=, """, >>>', sign: /[=!]==?|[=-]>|::|&&|\|\||\+\+|[-+*/]=|>>>|"""/g, per: 'line', weight: 0.7 },
  { kind: 'code', looksFor: 'calls, members and items: f(x), a.b, a[i]', sign: /[a-z_]\((?=\S)|[a-z_)]\.[a-z_]{2,40}\b(?!\.)|\w\[\w{1,20}\]/gi, per: 'line', weight: 0.5 },
  { kind: 'code', looksFor: 'assignments', sign: /^[ \t]{0,40}[a-z_][\w.]{1,40} = \S/gim, per: 'line', weight: 0.8 },
  { kind: 'code', looksFor: 'comments, and lines of documentation', sign: /^[ \t]{0,40}(?:\/\*|\*\/|\*\s|#\s|\/\/|[=-]{4,40}$)|\s{2}# /gm, per: 'line', weight: 0.5 },

  { kind: 'step by step', looksFor: 'computations with their results: 7 - 4 = 3', sign: /\d\)?\s?[-+*/×÷−–]\s?\(?[-−]?\d[\d.,]{0,12}\)?\s?=\s?[-−]?\d/g, per: 'sentence', weight: 2.1 },
  { kind: 'step by step', looksFor: 'steps that are numbered', sign: /^[ \t]{0,8}(?:step|schritt|étape|paso|passo|шаг)\s\d|^第.{1,3}步/gimu, per: 'sentence', weight: 2 },
  { kind: 'step by step', looksFor: 'sentences that follow from each other: first, then, so, therefore', sign: /(?:^|[.:;!?]\s)[ \t]{0,8}(?:first|second|third|then|next|finally|so|therefore|thus|hence|now|zuerst|dann|also|donc|ensuite|entonces|luego)\b(?:,| [^\s]{0,20}\d| the answer| x\b)/gimu, per: 'sentence', weight: 0.9 },
  { kind: 'step by step', looksFor: 'step by step, in words', sign: /\bstep[- ]by[- ]step\b/gi, per: 'sentence', weight: 0.6 },

  { kind: 'mathematics', looksFor: 'signs between operands: y = 3x + 2', sign: /[\w)\]²³](?:\s[-−+*/=^<>≤≥≈≠×÷·]\s|[=+*^<>≤≥≈≠×÷·])(?=[-−(\w[])/g, per: 'word', weight: 12 },
  { kind: 'mathematics', looksFor: 'signs and commands of mathematical writing', sign: /[∑∏∫√∂∞∈∀∃⊂⊆∪∩≡∝∇±]|\\[a-z]{2,20}|\$[^$\n]{1,80}\$/giu, per: 'word', weight: 8 },
  { kind: 'mathematics', looksFor: 'numbers', sign: /(?<![\p{L}\d:.])-?\d[\d.,]{0,12}(?![\p{L}:\d])/gu, per: 'word', weight: 0.8 },
  { kind: 'mathematics', looksFor: 'words of mathematics', sign: /\b(?:theorem|lemma|proof|corollary|equations?|fractions?|integral|derivative|polynomial|slopes?|divid(?:e|ed|es|ing)|multipl(?:y|ied|ies|ying)|subtract(?:ed|s|ing)?|add(?:ed|s|ing|ition)?|multiplication|division|subtraction|sum|product|quotient|remainder|digits?|numerator|denominator|rise|run|unknown|solution|sides?|linear|parallel|coefficients?)\b/gi, per: 'word', weight: 7 },

  { kind: 'question and answer', looksFor: 'a question with something behind it that is none', sign: /[?？؟\u037e]["”')]{0,2}\s{1,4}(?=[^?？؟\n]{1,200}(?:[.!。\n]|$))/g, per: 'sentence', weight: 1.9 },
  { kind: 'question and answer', looksFor: 'labels of questions and answers', sign: /^[ \t*#]{0,8}(?:question|answer|q|a|frage|antwort|pregunta|respuesta|réponse|domanda|risposta|вопрос|ответ|问|答)\s?[:：.]/gimu, per: 'sentence', weight: 0.6 },

  { kind: 'encyclopaedic', looksFor: 'sentences that say early what something is or has', sign: /(?:^|[.!?:]\s)["“(]?(?!(?:[Ii]t|[Tt]h(?:is|at|ere|ese|ose)|[Ww]hat)\b)[^.!?\n]{2,60}\s(?:(?:is|are|was|were|means|has|ist|sind|war|est|sont|es|son|fue|è|sono|é) (?:an?|the|one|its|in|on|called|written|spoken|part|the|ein|eine|der|die|das|un|une|le|la|el|uno?|una|[A-Z0-9])|belongs? to|stands? in|lies? (?:in|on)|shares? a|consists? of|refers? to)/gm, per: 'sentence', weight: 1.3 },
  { kind: 'encyclopaedic', looksFor: 'names within sentences', sign: /(?<=[\p{Ll},] )\p{Lu}\p{Ll}{1,30}/gu, per: 'word', weight: 3 },
  { kind: 'encyclopaedic', looksFor: 'entries of a dictionary: a part of speech, senses that are numbered', sign: /\((?:noun|verb|adjective|adverb|n|v|adj|adv)\.?\)$|^\d{1,2}\. \p{Ll}/gmu, per: 'line', weight: 2 },
  { kind: 'encyclopaedic', looksFor: 'years', sign: /\b(?:1[0-9]|20)\d\d\b/g, per: 'sentence', weight: 0.4 },
  { kind: 'encyclopaedic', looksFor: 'a speaker and a listener, who are in no encyclopaedia', sign: /\b(?:I|me|my|we|us|our|you|your|he|she|him|her|his|ich|wir|je|nous|yo)\b/g, per: 'sentence', weight: -0.7 },
];

/** Code units of a text that are looked at: what it is shows at its beginning, and labelling is to cost less than reading. */
const lookedAt = 20_000;

/** The first kind of the table whose signs suffice, or 'other'. */
export function kindOf(text: string): Kind {
  const scores = kindScores(text);
  return kinds.find((kind) => kind !== 'other' && scores[kind] >= 1) ?? 'other';
}

/** What the rule table gives each kind. */
export function kindScores(text: string): Record<KindRule['kind'], number> {
  const beginning = text.slice(0, lookedAt);
  const units = {
    line: Math.max(1, count(beginning, /\S[^\n]{0,20000}/g)),
    sentence: Math.max(1, count(beginning, /[.!?。！？](?=["”')]{0,2}(?:\s|$))|[^\s.!?。！？]\s{0,3}(?:\n|$)/g)),
    word: Math.max(1, count(beginning, /[\p{L}\p{N}]+/gu)),
  };
  const scores = { code: 0, 'step by step': 0, mathematics: 0, 'question and answer': 0, encyclopaedic: 0 };
  for (const { kind, sign, per, weight } of kindRules) scores[kind] += (weight * count(beginning, sign)) / units[per];
  return scores;
}

function count(text: string, sign: RegExp): number {
  return text.match(sign)?.length ?? 0;
}

const labelKinds: MapOperator<'documents', 'documents'> = {
  kind: 'map',
  name: 'labelKinds',
  takes: 'documents',
  gives: 'documents',
  lane: 'pool',
  open: () => (batch) => ('kind' in batch.extra ? batch : withKinds(batch)),
};
export default labelKinds;

const withKinds = (batch: DocumentBatch): DocumentBatch => ({
  ...batch,
  extra: { ...batch.extra, kind: batch.text.map(kindOf) },
});
