/** The queries: what the model wrote, whose origins are traced. */

/** One query. f_q is the summed negative log-likelihood, in nats, of `completion` given `prompt`. */
export interface Query {
  id: string;
  prompt: string;
  /** '' where the model is still to write it: the file gives a prompt alone. */
  completion: string;
  /** The tokens that the model wrote, which its text need not give back; absent where the completion was given as text. */
  completionIds?: number[];
  /** The kind of question, for grouping; '' where none is given. */
  task: string;
  answers: string[];
  steps: string[];
}
